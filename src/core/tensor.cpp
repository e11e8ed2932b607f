// SPDX-License-Identifier: Apache-2.0
#include "headrace/tensor.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/bounce.h"
#include "core/host_range.h"
#include "core/storage.h"

#include <fmt/format.h>

#include <utility>

namespace headrace {

using core::ManagerAccess;
using core::MemoryPool;
using core::Storage;

namespace {

void require(const Tensor& tensor, DataType dtype, const char* call) {
  core::storage_of(tensor, call);
  if (tensor.dtype() != dtype) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format(
            "{} with {} elements was called on {}.", call, to_string(dtype), tensor.to_string()));
  }
}

}  // namespace

Tensor::Tensor() = default;

Tensor::Tensor(Shape shape, DataType dtype, DeviceType device_type)
    : Tensor(global_memory_manager(), std::move(shape), dtype, device_type) {}

Tensor::Tensor(MemoryManager manager,
               Shape shape,
               DataType dtype,
               DeviceType device_type,
               const Stream& stream)
    : size_bytes_(core::byte_size(shape, dtype)), shape_(std::move(shape)), dtype_(dtype) {
  static_cast<void>(manager.device());  // Throws for a manager without a device.
  MemoryPool& pool = *ManagerAccess::pool(manager);
  storage_ =
      core::make_storage(pool, size_bytes_, device_type, pool.device_state().resolve(stream));
}

Tensor Tensor::clone() const {
  return *this;
}

Tensor Tensor::retain() const {
  return *this;
}

void Tensor::release() noexcept {
  *this = Tensor();
}

int Tensor::ref_count() const noexcept {
  return static_cast<int>(storage_.use_count());
}

DeviceType Tensor::device_type() const noexcept {
  return storage_ ? storage_->block().device_type() : DeviceType::gpu;
}

Tensor Tensor::deep_copy(const Stream& stream) const {
  if (!storage_) {
    return {};
  }
  const auto state = storage_->pool().device_state().resolve(stream);
  Tensor copy = core::view(
      core::make_storage(storage_->pool(), size_bytes_, device_type(), state), 0, shape_, dtype_);
  copy.copy_from(*this, stream);
  return copy;
}

Tensor Tensor::convert_to(DataType dtype, const Stream& stream) const {
  MemoryPool& pool = core::storage_of(*this, "Tensor::convert_to").pool();
  if (dtype == dtype_) {
    return *this;
  }
  const auto state = pool.device_state().resolve(stream);
  Tensor converted =
      core::view(core::make_storage(pool, core::byte_size(shape_, dtype), device_type(), state),
                 0,
                 shape_,
                 dtype);
  if (size_bytes_ != 0) {
    const ConvertCommand work{core::memory_of(*this),
                              dtype_,
                              core::memory_of(converted),
                              dtype,
                              size_bytes_ / size_of(dtype_)};
    core::run_on(*state, *this, converted, {work, "convert"});
  }
  return converted;
}

Tensor Tensor::reshape(Shape shape) const {
  core::storage_of(*this, "Tensor::reshape");
  if (shape.element_count() != shape_.element_count()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} cannot be reshaped to {}, which has {} elements.",
                            to_string(),
                            shape.to_string(),
                            shape.element_count()));
  }
  return core::view(storage_, offset_bytes_, shape, dtype_);
}

Tensor Tensor::slice(std::int64_t begin, std::int64_t end) const {
  core::storage_of(*this, "Tensor::slice");
  if (shape_.empty() || begin < 0 || end < begin || end > shape_[0]) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} has no rows {} to {}.", to_string(), begin, end));
  }
  const std::size_t row_bytes =
      shape_[0] == 0 ? 0 : size_bytes_ / static_cast<std::size_t>(shape_[0]);
  return core::view(storage_,
                    offset_bytes_ + row_bytes * static_cast<std::size_t>(begin),
                    shape_.without_leading().with_leading(end - begin),
                    dtype_);
}

void Tensor::copy_from(const Tensor& source, const Stream& stream) {
  core::require_same_shape(source, *this, core::Types::same, "A copy");
  if (!core::has_work(source, *this, "A copy")) {
    return;
  }
  core::DeviceState& there = source.storage_->pool().device_state();
  core::DeviceState& here = storage_->pool().device_state();
  const bool is_there = stream && &core::StreamAccess::state(stream)->device() == &there.backend();
  const auto state = (is_there ? there : here).resolve(stream);
  if (!core::are_joined(here.backend(), there.backend())) {
    std::vector<std::byte> bytes(size_bytes_);
    source.copy_to_host(bytes);
    copy_from_host(bytes, dtype_);
    return;
  }
  core::run_on(*state, source, *this, {core::copy_of(source, *this, *state), "copy"});
}

void Tensor::copy_from_host(std::span<const std::byte> bytes, DataType dtype) {
  require(*this, dtype, "Tensor::copy_from");
  if (bytes.size() != size_bytes_) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Tensor::copy_from was given {} elements for {}.",
                            bytes.size() / size_of(dtype),
                            to_string()));
  }
  if (size_bytes_ == 0) {
    return;
  }
  if (std::byte* host = core::memory_of(*this).host) {
    storage_->block().wait_to_write();
    storage_->pool().device_state().copier().copy(host, bytes.data(), bytes.size());
    storage_->block().written_by_host();
    return;
  }
  core::send_from_host(*this, bytes);
}

void Tensor::copy_to_host(std::span<std::byte> bytes) const {
  if (bytes.empty()) {
    return;
  }
  if (const std::byte* host = core::memory_of(*this).host) {
    storage_->block().wait_to_read();
    storage_->pool().device_state().copier().copy(bytes.data(), host, bytes.size());
    return;
  }
  core::fetch_to_host(*this, bytes);
}

void Tensor::copy_from(const HostRegistration& source, std::size_t offset) {
  core::HostRange& range = core::range_of(source, "Tensor::copy_from");
  range.require_fits(*this, offset, "Tensor::copy_from");
  if (size_bytes_ == 0) {
    return;
  }
  if (core::memory_of(*this).host != nullptr) {
    range.block().wait_to_read();
    copy_from_host(range.memory().subspan(offset, size_bytes_), dtype_);
    return;
  }
  core::copy_from_range(*this, range, offset);
}

void Tensor::copy_to(const HostRegistration& target, std::size_t offset) const {
  core::HostRange& range = core::range_of(target, "Tensor::copy_to");
  range.require_fits(*this, offset, "Tensor::copy_to");
  range.require_writable("Tensor::copy_to");
  if (size_bytes_ == 0) {
    return;
  }
  if (core::memory_of(*this).host != nullptr) {
    range.block().wait_to_write();  // Copies out of it may be on their way.
    copy_to_host(range.memory().subspan(offset, size_bytes_));
    return;
  }
  core::copy_to_range(*this, range, offset);
}

void Tensor::touch_host(void* place, std::size_t bytes) const {
  storage_->pool().device_state().copier().touch(static_cast<std::byte*>(place), bytes);
}

std::vector<std::byte> Tensor::to_bytes(DataType dtype) const {
  std::vector<std::byte> bytes(element_count_of(dtype) * size_of(dtype));
  copy_to_host(bytes);
  return bytes;
}

std::size_t Tensor::element_count_of(DataType dtype) const {
  require(*this, dtype, "Tensor::to_vector");
  return size_bytes_ / size_of(dtype);
}

void Tensor::record_use(const Stream& stream) const {
  Storage& storage = core::storage_of(*this, "Tensor::record_use");
  storage.block().record_use(*storage.pool().device_state().resolve_user(stream));
}

void Tensor::wait_on(const Stream& stream) const {
  Storage& storage = core::storage_of(*this, "Tensor::wait_on");
  const auto state = storage.pool().device_state().resolve_user(stream);
  storage.block().before_write(*state);
  storage.block().before_read(*state);  // Which a lost device may have been to write.
}

NativeHandle Tensor::native_handle() const {
  if (size_bytes_ == 0) {
    return {};
  }
  const MemoryView place = core::memory_of(*this);
  const HandleKind kind = storage_->block().memory().kind;
  return kind == HandleKind::pointer ? NativeHandle{kind, place.handle + place.offset, 0}
                                     : NativeHandle{kind, place.handle, place.offset};
}

std::string Tensor::to_string() const {
  if (!storage_) {
    return "Tensor (empty)";
  }
  return fmt::format("Tensor {} {} {} on {}, {} bytes",
                     shape_.to_string(),
                     headrace::to_string(dtype_),
                     headrace::to_string(device_type()),
                     storage_->pool().device().info().spec,
                     size_bytes_);
}

}  // namespace headrace
