// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/coefficients.h"

#include "backends/cuda/context.h"

#include <vector>

namespace headrace::cuda {

Coefficients::~Coefficients() {
  const Entered entered(context_);
  for (const auto& [spec, entry] : entries_) {
    context_.driver().cuMemFree(entry.memory);
  }
}

CUdeviceptr Coefficients::of(const std::shared_ptr<const ExpandSpec>& spec) {
  const std::scoped_lock lock(mutex_);
  const auto known = entries_.find(spec.get());
  if (known != entries_.end() && known->second.spec.lock() == spec) {
    return known->second.memory;
  }
  drop_unused();
  const CUdeviceptr memory = upload(*spec);
  entries_[spec.get()] = {spec, memory};
  return memory;
}

// cuMemFree waits for the work that may read it.
void Coefficients::drop_unused() noexcept {
  std::erase_if(entries_, [this](const auto& known) {
    const bool is_unused = known.second.spec.expired();
    if (is_unused) {
      context_.driver().cuMemFree(known.second.memory);
    }
    return is_unused;
  });
}

CUdeviceptr Coefficients::upload(const ExpandSpec& spec) {
  const auto channels = static_cast<std::size_t>(spec.channels);
  std::vector<float> values(spec.scale);
  values.insert(values.end(), spec.bias.begin(), spec.bias.end());
  if (values.empty()) {
    values.assign(channels, 1);
    values.resize(2 * channels, 0);
  }
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
