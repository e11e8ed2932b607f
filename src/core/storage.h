// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/shape.h"
#include "headrace/tensor.h"

#include "core/access.h"
#include "core/block.h"
#include "core/memory_pool.h"

#include <cstddef>
#include <exception>
#include <memory>
#include <utility>

namespace headrace::core {

/// The memory that tensors share; gives its block back with the last of them.
class Storage {
 public:
  explicit Storage(Buffer buffer) noexcept : buffer_(std::move(buffer)) {}

  [[nodiscard]] Block& block() const noexcept { return *BufferAccess::block(buffer_); }
  [[nodiscard]] MemoryPool& pool() const noexcept { return block().owner(); }

 private:
  Buffer buffer_;
};

/// Bytes of a tensor of this shape and type.
///
/// \throws Error  `invalid_argument` when they do not fit in 64 bits.
std::size_t byte_size(const Shape& shape, DataType dtype);

/// Takes storage of `size_bytes` from `pool`, first used on `stream`.
std::shared_ptr<Storage> make_storage(MemoryPool& pool,
                                      std::size_t size_bytes,
                                      DeviceType device_type,
                                      const std::shared_ptr<StreamState>& stream);

/// A tensor at `offset_bytes` of `storage`.
Tensor view(std::shared_ptr<Storage> storage,
            std::size_t offset_bytes,
            const Shape& shape,
            DataType dtype);

/// The storage of `tensor`. \throws Error  `invalid_argument` when it is empty; `call` is for the
/// text.
Storage& storage_of(const Tensor& tensor, const char* call);

/// Where the first element of `tensor` is.
MemoryView memory_of(const Tensor& tensor);

/// Throws `invalid_argument` unless both tensors have the same shape, and, if asked, the same type.
enum class Types { same, any };
void require_same_shape(const Tensor& from, const Tensor& to, Types types, const char* call);

/// Whether a copy or conversion from `from` to `to` has anything to do: not for no elements, and
/// not for a copy of a tensor onto itself.
///
/// \throws Error  `invalid_argument` when the two overlap in part.
bool has_work(const Tensor& from, const Tensor& to, const char* call);

/// A copy of all elements on `stream`, whose device is that of one of the two.
CopyCommand copy_of(const Tensor& from, const Tensor& to, const StreamState& stream);

/// Submits to `stream`. A submission that fails may have begun, so the caller notes what it uses as
/// of one that did not. \returns The failure, or null.
std::exception_ptr submit_all_or_part(StreamState& stream, std::shared_ptr<Submission> submission);

/// Submits one command to `stream` between the waits and notes that its memory needs. `outcome` is
/// what reads of `target` will look at: one for several commands that write parts of it.
void run_on(StreamState& stream,
            Block& source,
            Block& target,
            Command command,
            std::shared_ptr<Outcome> outcome);

/// The same between tensors.
void run_on(StreamState& stream,
            const Tensor& from,
            const Tensor& to,
            Command command,
            std::shared_ptr<Outcome> outcome = std::make_shared<Outcome>());

}  // namespace headrace::core
