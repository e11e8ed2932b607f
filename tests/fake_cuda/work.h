// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

namespace headrace::fake_cuda {

struct Event;
struct Function;

struct Copy {
  std::uintptr_t to = 0;
  std::uintptr_t from = 0;
  std::size_t bytes = 0;
  /// What pageable memory held when the copy was issued, in a stream.
  std::shared_ptr<const std::vector<std::byte>> staged;
};
struct Fill {
  std::uintptr_t to = 0;
  unsigned value = 0;
  unsigned element_bytes = 1;
  std::size_t count = 0;
};
struct KernelLaunch {
  std::shared_ptr<const Function> function;
  unsigned blocks = 1;
  unsigned threads = 1;
  std::vector<std::uint64_t> arguments;
};
struct HostCall {
  CUhostFn function = nullptr;
  void* data = nullptr;
};
/// An event recorded by a graph.
struct EventNode {
  std::shared_ptr<Event> event;
};
struct Nothing {};

/// A piece of work, as streams run it and graphs hold it.
using Work = std::variant<Nothing, Copy, Fill, KernelLaunch, HostCall, EventNode>;

/// Success, or why the addresses that `work` names are no good.
CUresult check(const Work& work);

/// What is to be done, with the lock not held: addresses are looked up now and stay valid. Null
/// when one is bad, which is noted as a violation.
std::function<void()> prepare(const Work& work);

}  // namespace headrace::fake_cuda
