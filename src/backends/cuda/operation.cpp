// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/operation.h"

#include "backends/cuda/context.h"

namespace headrace::cuda {

namespace {

struct Issuer {
  Context& context;
  CUstream stream;

  void operator()(const CopyOperation& copy) const {
    context.check(context.driver().cuMemcpyAsync(copy.to, copy.from, copy.bytes, stream),
                  "cuMemcpyAsync",
                  copy.peer);
  }
  void operator()(const FillOperation& fill) const {
    const Driver& driver = context.driver();
    switch (fill.element_bytes) {
      case 1:
        return context.check(
            driver.cuMemsetD8Async(
                fill.to, static_cast<unsigned char>(fill.value), fill.count, stream),
            "cuMemsetD8Async");
      case 2:
        return context.check(
            driver.cuMemsetD16Async(
                fill.to, static_cast<unsigned short>(fill.value), fill.count, stream),
            "cuMemsetD16Async");
      default:
        return context.check(driver.cuMemsetD32Async(fill.to, fill.value, fill.count, stream),
                             "cuMemsetD32Async");
    }
  }
  void operator()(KernelOperation kernel) const {
    auto arguments = addresses_of(kernel);
    context.check(context.driver().cuLaunchKernel(kernel.function,
                                                  kernel.blocks,
                                                  1,
                                                  1,
                                                  kernel.threads,
                                                  1,
                                                  1,
                                                  0,
                                                  stream,
                                                  arguments.data(),
                                                  nullptr),
                  "cuLaunchKernel");
  }
};

}  // namespace

void issue(const Operation& operation, Context& context, CUstream stream) {
  std::visit(Issuer{context, stream}, operation);
}

std::array<void*, KernelOperation::kMostArguments> addresses_of(KernelOperation& kernel) noexcept {
  std::array<void*, KernelOperation::kMostArguments> addresses{};
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    addresses[i] = &kernel.arguments[i];
  }
  return addresses;
}

}  // namespace headrace::cuda
