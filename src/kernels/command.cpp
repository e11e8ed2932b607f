// SPDX-License-Identifier: Apache-2.0
#include "headrace/backend.h"
#include "headrace/trace.h"

#include "kernels/convert.h"
#include "kernels/expand.h"

#include <cstring>
#include <exception>
#include <new>

namespace headrace {

namespace {

std::byte* address(const MemoryView& view) {
  return NativeHandle{HandleKind::pointer, view.handle + view.offset}.as_pointer<std::byte>();
}

struct Runner {
  NativeHandle stream;

  void operator()(const CopyCommand& copy) const {
    std::memmove(address(copy.to), address(copy.from), copy.bytes);
  }
  void operator()(const FillCommand& fill) const {
    std::byte* to = address(fill.to);
    for (std::size_t i = 0; i < fill.count; ++i) {
      std::memcpy(to + i * fill.element_bytes, &fill.pattern, fill.element_bytes);
    }
  }
  void operator()(const ConvertCommand& work) const {
    kernels::convert(
        address(work.from), work.from_type, address(work.to), work.to_type, work.count);
  }
  void operator()(const ExpandCommand& work) const {
    const ExpandSpec& spec = *work.spec;
    const kernels::ExpandShape shape{.samples = work.samples,
                                     .height = spec.height,
                                     .width = spec.width,
                                     .channels = spec.channels,
                                     .to_planar = spec.to_planar,
                                     .from = spec.from,
                                     .to = spec.to};
    kernels::expand(address(work.from), address(work.to), shape, spec.scale, spec.bias);
  }
  void operator()(const LaunchCommand& launch) const { launch.function(stream); }
};

/// Notes that a command ran. A span that there is no memory for is left out.
void note(const Submission& submission, const Command& command, Trace::Clock::time_point begin) {
  try {
    Trace& trace = *submission.trace;
    trace.record(trace.track(submission.track), command.label, begin, Trace::Clock::now());
  } catch (const std::bad_alloc&) {
    return;
  }
}

}  // namespace

void run_on_host(Submission& submission, NativeHandle stream) noexcept {
  try {
    for (const Command& command : submission.commands) {
      const bool is_traced = submission.trace && !command.label.empty();
      const Trace::Clock::time_point begin =
          is_traced ? Trace::Clock::now() : Trace::Clock::time_point();
      std::visit(Runner{stream}, command.work);
      if (is_traced) {
        note(submission, command, begin);
      }
    }
  } catch (...) {
    submission.outcome->fail(std::current_exception());
  }
}

}  // namespace headrace
