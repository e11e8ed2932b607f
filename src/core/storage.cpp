// SPDX-License-Identifier: Apache-2.0
#include "core/storage.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/size_class.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace headrace::core {

std::size_t byte_size(const Shape& shape, DataType dtype) {
  return checked_multiply(static_cast<std::size_t>(shape.element_count()), size_of(dtype));
}

std::shared_ptr<Storage> make_storage(MemoryPool& pool,
                                      std::size_t size_bytes,
                                      DeviceType device_type,
                                      const std::shared_ptr<StreamState>& stream) {
  Buffer buffer = BufferAccess::make(pool.take(size_bytes, device_type, stream), size_bytes);
  return std::make_shared<Storage>(std::move(buffer));
}

Tensor view(std::shared_ptr<Storage> storage,
            std::size_t offset_bytes,
            const Shape& shape,
            DataType dtype) {
  return TensorAccess::make(
      std::move(storage), offset_bytes, shape, dtype, byte_size(shape, dtype));
}

Storage& storage_of(const Tensor& tensor, const char* call) {
  const std::shared_ptr<Storage>& storage = TensorAccess::storage(tensor);
  if (!storage) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{} was given an empty tensor.", call));
  }
  storage->pool().process().require_current("The tensor");
  return *storage;
}

MemoryView memory_of(const Tensor& tensor) {
  return TensorAccess::storage(tensor)->block().view(TensorAccess::offset_bytes(tensor));
}

void require_same_shape(const Tensor& from, const Tensor& to, Types types, const char* call) {
  storage_of(from, call);
  storage_of(to, call);
  if (from.shape() != to.shape() || (types == Types::same && from.dtype() != to.dtype())) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} from {} to {}: shapes{} differ.",
                            call,
                            from.to_string(),
                            to.to_string(),
                            types == Types::same ? " or types" : ""));
  }
}

bool has_work(const Tensor& from, const Tensor& to, const char* call) {
  if (from.size_bytes() == 0) {
    return false;
  }
  const std::size_t a = TensorAccess::offset_bytes(from);
  const std::size_t b = TensorAccess::offset_bytes(to);
  if (TensorAccess::storage(from) != TensorAccess::storage(to) || a + from.size_bytes() <= b ||
      b + to.size_bytes() <= a) {
    return true;
  }
  if (a == b && from.dtype() == to.dtype()) {
    return false;
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{} from {} to {}: they overlap in the same storage.",
                          call,
                          from.to_string(),
                          to.to_string()));
}

CopyCommand copy_of(const Tensor& from, const Tensor& to, const StreamState& stream) {
  const auto device_of = [](const Tensor& tensor) {
    return &TensorAccess::storage(tensor)->pool().device_state().backend();
  };
  const BackendDevice* other =
      device_of(from) == &stream.device() ? device_of(to) : device_of(from);
  return {memory_of(from),
          memory_of(to),
          from.size_bytes(),
          other == &stream.device() ? nullptr : other};
}

std::exception_ptr submit_all_or_part(StreamState& stream, std::shared_ptr<Submission> submission) {
  try {
    stream.submit(std::move(submission));
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

void run_on(StreamState& stream,
            Block& source,
            Block& target,
            Command command,
            std::shared_ptr<Outcome> outcome) {
  source.before_read(stream);
  target.before_write(stream);
  auto submission = std::make_shared<Submission>();
  submission->commands.push_back(std::move(command));
  submission->outcome = outcome;
  stream.submit(std::move(submission));
  const Ticket end = stream.point();
  source.after_read(end);
  target.after_write(end, std::move(outcome));
}

void run_on(StreamState& stream,
            const Tensor& from,
            const Tensor& to,
            Command command,
            std::shared_ptr<Outcome> outcome) {
  run_on(stream,
         TensorAccess::storage(from)->block(),
         TensorAccess::storage(to)->block(),
         std::move(command),
         std::move(outcome));
}

}  // namespace headrace::core
