// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/coefficients.h"

#include "backends/cuda/context.h"
#include "backends/shared/coefficients.h"

#include <utility>

namespace headrace::cuda {

Coefficients::~Coefficients() {
  const Entered entered(context_);
  for (const auto& [bits, memory] : memory_) {
    context_.driver().cuMemFree(memory);
  }
}

CUdeviceptr Coefficients::of(const std::shared_ptr<const ExpandSpec>& spec) {
  const std::scoped_lock lock(mutex_);
  const auto known = known_.find(spec.get());
  if (known != known_.end() && known->second.spec.lock() == spec) {
    return known->second.memory;
  }
  std::erase_if(known_, [](const auto& entry) { return entry.second.spec.expired(); });
  const CUdeviceptr memory = memory_of(*spec);
  known_[spec.get()] = {spec, memory};
  return memory;
}

CUdeviceptr Coefficients::memory_of(const ExpandSpec& spec) {
  std::vector<std::uint32_t> bits = backends::coefficient_bits(spec);
  if (const auto found = memory_.find(bits); found != memory_.end()) {
    return found->second;
  }
  const CUdeviceptr memory = upload(bits);
  memory_.emplace(std::move(bits), memory);
  return memory;
}

CUdeviceptr Coefficients::upload(const std::vector<std::uint32_t>& bits) {
  const std::size_t bytes = bits.size() * sizeof(float);
  const Driver& driver = context_.driver();
  CUdeviceptr memory = 0;
  context_.check(driver.cuMemAlloc(&memory, bytes), "cuMemAlloc");
  try {
    const BorrowedStream stream(context_);
    context_.check(driver.cuMemcpyHtoDAsync(memory, bits.data(), bytes, stream.get()),
                   "cuMemcpyHtoDAsync");
    context_.check(driver.cuStreamSynchronize(stream.get()), "cuStreamSynchronize");
  } catch (...) {
    driver.cuMemFree(memory);
    throw;
  }
  return memory;
}

}  // namespace headrace::cuda
