// SPDX-License-Identifier: Apache-2.0
#include "core/bounce.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/storage.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace headrace::core {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{4} << 20;
/// One that the host copies, one that the device copies, and one so that neither waits for the
/// other's every delay.
constexpr std::size_t kBuffers = 3;

/// Host memory that the device copies to or from, for a moment: the manager's, or when its limits
/// are reached, memory beside it, for a full manager must not keep anybody from its tensors.
std::shared_ptr<Storage> bounce_buffer(MemoryPool& pool,
                                       std::size_t size_bytes,
                                       const std::shared_ptr<StreamState>& stream) {
  try {
    return make_storage(pool, size_bytes, DeviceType::cpu, stream);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::out_of_memory && error.code() != ErrorCode::capacity) {
      throw;
    }
  }
  const auto beside = MemoryPool::make(pool.device(), MemoryManagerConfig{});
  return make_storage(*beside, size_bytes, DeviceType::cpu, stream);
}

MemoryView at(MemoryView place, std::size_t offset) {
  place.offset += offset;
  place.host = place.host == nullptr ? nullptr : place.host + offset;
  return place;
}

/// The chunks in which a tensor's elements go, and the buffers, which take turns: chunk i is in
/// buffer i modulo their number. One chunk when they are few, and on a stream that takes no
/// markers, where nobody could wait for a buffer.
class Bounce {
 public:
  explicit Bounce(const Tensor& tensor)
      : tensor_(tensor),
        stream_(pool().device_state().resolve({})),
        chunk_bytes_(stream_->takes_markers() ? std::min(kChunkBytes, tensor.size_bytes())
                                              : tensor.size_bytes()),
        chunks_((tensor.size_bytes() + chunk_bytes_ - 1) / chunk_bytes_) {
    for (std::size_t i = 0; i < std::min(kBuffers, chunks_); ++i) {
      buffers_.push_back(view(bounce_buffer(pool(), chunk_bytes_, stream_),
                              0,
                              Shape{static_cast<std::int64_t>(chunk_bytes_)},
                              DataType::uint8));
    }
  }

  [[nodiscard]] std::size_t chunks() const noexcept { return chunks_; }
  [[nodiscard]] std::size_t buffers() const noexcept { return buffers_.size(); }
  [[nodiscard]] std::size_t offset(std::size_t chunk) const noexcept {
    return chunk * chunk_bytes_;
  }
  [[nodiscard]] std::size_t bytes(std::size_t chunk) const noexcept {
    return std::min(chunk_bytes_, tensor_.size_bytes() - offset(chunk));
  }
  [[nodiscard]] Block& block(std::size_t chunk) const {
    return TensorAccess::storage(buffer(chunk))->block();
  }
  [[nodiscard]] std::byte* host(std::size_t chunk) const { return memory_of(buffer(chunk)).host; }
  [[nodiscard]] HostCopier& copier() const { return pool().device_state().copier(); }

  void send(std::size_t chunk) {
    const CopyCommand work{
        memory_of(buffer(chunk)), at(memory_of(tensor_), offset(chunk)), bytes(chunk)};
    run_on(*stream_, buffer(chunk), tensor_, {work, "copy to device"}, outcome_);
    mark();
  }

  void fetch(std::size_t chunk) {
    const CopyCommand work{
        at(memory_of(tensor_), offset(chunk)), memory_of(buffer(chunk)), bytes(chunk)};
    run_on(*stream_, tensor_, buffer(chunk), {work, "copy to host"}, std::make_shared<Outcome>());
    mark();
  }

 private:
  [[nodiscard]] MemoryPool& pool() const { return TensorAccess::storage(tensor_)->pool(); }
  [[nodiscard]] const Tensor& buffer(std::size_t chunk) const {
    return buffers_[chunk % buffers_.size()];
  }
  /// Records the marker behind a chunk before the next is submitted: a wait for the one must not be
  /// a wait for both.
  void mark() {
    if (chunks_ > 1) {
      stream_->mark();
    }
  }

  const Tensor& tensor_;
  const std::shared_ptr<StreamState> stream_;
  const std::size_t chunk_bytes_;
  const std::size_t chunks_;
  const std::shared_ptr<Outcome> outcome_ = std::make_shared<Outcome>();  // of all that is sent
  std::vector<Tensor> buffers_;
};

}  // namespace

void send_from_host(const Tensor& target, std::span<const std::byte> bytes) {
  Bounce bounce(target);
  for (std::size_t chunk = 0; chunk < bounce.chunks(); ++chunk) {
    if (chunk >= bounce.buffers()) {
      bounce.block(chunk).wait_to_write();
    }
    bounce.copier().copy_for_device(
        bounce.host(chunk), bytes.data() + bounce.offset(chunk), bounce.bytes(chunk));
    bounce.send(chunk);
  }
}

void fetch_to_host(const Tensor& source, std::span<std::byte> bytes) {
  Bounce bounce(source);
  for (std::size_t chunk = 0; chunk < bounce.buffers(); ++chunk) {
    bounce.fetch(chunk);
  }
  for (std::size_t chunk = 0; chunk < bounce.chunks(); ++chunk) {
    bounce.block(chunk).wait_to_read();
    TensorAccess::storage(source)->block().require_written();
    bounce.copier().copy(
        bytes.data() + bounce.offset(chunk), bounce.host(chunk), bounce.bytes(chunk));
    if (chunk + bounce.buffers() < bounce.chunks()) {
      bounce.fetch(chunk + bounce.buffers());
    }
  }
}

}  // namespace headrace::core
