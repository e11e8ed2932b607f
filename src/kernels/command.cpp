// SPDX-License-Identifier: Apache-2.0
#include "kernels/command.h"

#include "kernels/convert.h"
#include "kernels/expand.h"

#include <cstring>
#include <exception>

namespace headrace::kernels {

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
    convert(address(work.from), work.from_type, address(work.to), work.to_type, work.count);
  }
  void operator()(const ExpandCommand& work) const {
    const ExpandSpec& spec = *work.spec;
    const ExpandShape shape{.samples = work.samples,
                            .height = spec.height,
                            .width = spec.width,
                            .channels = spec.channels,
                            .to_planar = spec.to_planar,
                            .from = spec.from,
                            .to = spec.to};
    expand(address(work.from), address(work.to), shape, spec.scale, spec.bias);
  }
  void operator()(const LaunchCommand& launch) const { launch.function(stream); }
};

}  // namespace

void run(Submission& submission, NativeHandle stream) noexcept {
  try {
    for (const Command& command : submission.commands) {
      std::visit(Runner{stream}, command.work);
    }
  } catch (...) {
    submission.outcome->fail(std::current_exception());
  }
}

}  // namespace headrace::kernels
