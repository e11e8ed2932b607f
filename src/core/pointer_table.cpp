// SPDX-License-Identifier: Apache-2.0
#include "core/pointer_table.h"

#include "headrace/error.h"

#include "core/access.h"

#include <fmt/format.h>

#include <utility>

namespace headrace::core {

void* PointerTable::insert(Buffer buffer) {
  const NativeHandle handle = buffer.native_handle();
  void* key = handle.kind == HandleKind::pointer ? handle.as_pointer()
                                                 : static_cast<void*>(BufferAccess::block(buffer));
  const std::scoped_lock lock(mutex_);
  buffers_.emplace(key, std::move(buffer));
  return key;
}

Buffer PointerTable::extract(void* pointer, std::string_view device) {
  const std::scoped_lock lock(mutex_);
  auto node = buffers_.extract(pointer);
  if (node.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Pointer {} is not one that this memory manager on {} gave, or it was "
                            "released before.",
                            fmt::ptr(pointer),
                            device));
  }
  return std::move(node.mapped());
}

}  // namespace headrace::core
