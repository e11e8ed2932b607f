// SPDX-License-Identifier: Apache-2.0
#include "headrace/memory_tag.h"

#include "core/tag_table.h"

namespace headrace {

MemoryTag::MemoryTag(std::string_view name) : around_(core::CurrentTag::get()) {
  core::CurrentTag::set(core::tag_number(name));
}

MemoryTag::~MemoryTag() {
  core::CurrentTag::set(around_);
}

}  // namespace headrace
