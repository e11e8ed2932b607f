// SPDX-License-Identifier: Apache-2.0
#include "headrace/stream.h"

#include "headrace/error.h"

#include "core/access.h"

namespace headrace {

namespace {
void require_stream(const Stream& stream, const char* call) {
  if (!stream) {
    throw Error(ErrorCode::invalid_argument,
                std::string(call) + " needs a stream; Stream{} names no device.");
  }
}
}  // namespace

std::uint64_t Stream::id() const noexcept {
  return core::StreamAccess::id(*this);
}

void Stream::synchronize() const {
  require_stream(*this, "Stream::synchronize");
  const core::Ticket end = core::StreamAccess::state(*this)->mark();
  end.stream->wait(end.serial);
}

void Stream::wait_for(const Completion& completion) const {
  require_stream(*this, "Stream::wait_for");
  const auto& state = core::CompletionAccess::state(completion);
  if (!state || !state->ticket().stream) {
    return;
  }
  const auto& mine = core::StreamAccess::state(*this);
  state->ticket().stream->require_current();
  mine->require_joined(*state->ticket().stream);
  mine->wait_on(state->ticket());
  state->ticket().stream->require_done(state->ticket().serial);
}

NativeHandle Stream::native_handle() const {
  if (recording_) {
    return recording_;
  }
  return lease_ ? core::StreamAccess::state(*this)->native_handle() : NativeHandle{};
}

}  // namespace headrace
