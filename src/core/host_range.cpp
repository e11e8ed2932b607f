// SPDX-License-Identifier: Apache-2.0
#include "core/host_range.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/device_state.h"
#include "core/log.h"
#include "core/storage.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

namespace headrace::core {

namespace {

/// The default stream of `tensor`'s device, for work that the caller is going to wait for.
std::shared_ptr<StreamState> waitable_stream(const Tensor& tensor, const char* call) {
  auto stream = TensorAccess::storage(tensor)->pool().device_state().resolve({});
  if (!stream->takes_markers()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} waits for its copy, which cannot be part of a capture: the default "
                            "stream is being captured.",
                            call));
  }
  return stream;
}

void finish(StreamState& stream, const Outcome& outcome) {
  const Ticket end = stream.mark();
  stream.wait(end.serial);
  if (const std::exception_ptr error = outcome.error()) {
    std::rethrow_exception(error);
  }
}

}  // namespace

HostRange::HostRange(std::shared_ptr<DeviceState> device,
                     std::span<std::byte> memory,
                     HostAccess access)
    : device_(std::move(device)), access_(access), block_(device_->register_host(memory, access)) {}

HostRange::~HostRange() {
  UseList uses;
  block_.add_all_to(uses);
  try {
    uses.wait();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::device_lost) {
      log_error(error.what());
    }
  } catch (const std::exception& error) {
    log_error(error.what());
  }
  device_->unregister_host(block_.memory(), std::move(uses));
}

void HostRange::require_fits(const Tensor& tensor, std::size_t offset, const char* call) const {
  if (&storage_of(tensor, call).pool().device_state() != device_.get()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} was given memory that is registered with {} and {}.",
                            call,
                            device_->info().spec,
                            tensor.to_string()));
  }
  if (offset > memory().size() || tensor.size_bytes() > memory().size() - offset) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} was given offset {} of {} registered bytes, where {} does not fit.",
                            call,
                            offset,
                            memory().size(),
                            tensor.to_string()));
  }
}

void HostRange::require_writable(const char* call) const {
  if (access_ != HostAccess::read_write) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} was given {} bytes that are registered for reading alone; see "
                            "register_host_writable.",
                            call,
                            memory().size()));
  }
}

HostRange& range_of(const HostRegistration& registration, const char* call) {
  const std::shared_ptr<HostRange>& range = RegistrationAccess::range(registration);
  if (!range) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} was given an empty HostRegistration.", call));
  }
  range->require_current();
  return *range;
}

std::shared_ptr<Outcome> submit_from_range(StreamState& stream,
                                           HostRange& source,
                                           std::size_t offset,
                                           const Tensor& target) {
  auto outcome = std::make_shared<Outcome>();
  const CopyCommand work{source.block().view(offset), memory_of(target), target.size_bytes()};
  Block& to = TensorAccess::storage(target)->block();
  run_on(stream, source.block(), to, {work, "copy to device"}, outcome);
  return outcome;
}

void copy_from_range(const Tensor& target, HostRange& source, std::size_t offset) {
  const auto stream = waitable_stream(target, "Tensor::copy_from");
  finish(*stream, *submit_from_range(*stream, source, offset, target));
}

void copy_to_range(const Tensor& source, HostRange& target, std::size_t offset) {
  const auto stream = waitable_stream(source, "Tensor::copy_to");
  Block& from = TensorAccess::storage(source)->block();
  auto outcome = std::make_shared<Outcome>();
  const CopyCommand work{memory_of(source), target.block().view(offset), source.size_bytes()};
  run_on(*stream, from, target.block(), {work, "copy to host"}, outcome);
  finish(*stream, *outcome);
  from.require_written();
}

}  // namespace headrace::core

namespace headrace {

std::span<const std::byte> HostRegistration::bytes() const noexcept {
  return range_ ? range_->memory() : std::span<std::byte>();
}

HostAccess HostRegistration::access() const noexcept {
  return range_ ? range_->access() : HostAccess::read_only;
}

}  // namespace headrace
