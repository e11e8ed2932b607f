// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/coefficients.h"

#include "backends/cuda/context.h"

#include <utility>

namespace headrace::cuda {

namespace {
std::vector<float> values_of(const ExpandSpec& spec) {
  const auto channels = static_cast<std::size_t>(spec.channels);
  std::vector<float> values(spec.scale);
  values.insert(values.end(), spec.bias.begin(), spec.bias.end());
  if (values.empty()) {
    values.assign(channels, 1);
    values.resize(2 * channels, 0);
  }
  return values;
}
}  // namespace

Coefficients::~Coefficients() {
  const Entered entered(context_);
  for (const auto& [values, memory] : memory_) {
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
  std::vector<float> values = values_of(spec);
  if (const auto found = memory_.find(values); found != memory_.end()) {
    return found->second;
  }
  const CUdeviceptr memory = upload(values);
  memory_.emplace(std::move(values), memory);
  return memory;
}

CUdeviceptr Coefficients::upload(const std::vector<float>& values) {
  const std::size_t bytes = values.size() * sizeof(float);
  const Driver& driver = context_.driver();
  CUdeviceptr memory = 0;
  context_.check(driver.cuMemAlloc(&memory, bytes), "cuMemAlloc");
  try {
    const BorrowedStream stream(context_);
    context_.check(driver.cuMemcpyHtoDAsync(memory, values.data(), bytes, stream.get()),
                   "cuMemcpyHtoDAsync");
    context_.check(driver.cuStreamSynchronize(stream.get()), "cuStreamSynchronize");
  } catch (...) {
    driver.cuMemFree(memory);
    throw;
  }
  return memory;
}

}  // namespace headrace::cuda
