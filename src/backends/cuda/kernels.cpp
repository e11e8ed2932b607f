// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/kernels.h"

#include "backends/cuda/context.h"
#include "backends/cuda/fat_binaries.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::cuda {

namespace {
std::string module_of(DataType from) {
  return fmt::format("convert_{}", to_string(from));
}

std::string_view name_of(Kernels::Bytes kind) {
  switch (kind) {
    case Kernels::Bytes::interleaved:
      return "interleaved";
    case Kernels::Bytes::three_planes:
      return "three_planes";
    case Kernels::Bytes::planes:
      return "planes";
  }
  return "";
}
}  // namespace

Kernels::~Kernels() {
  const Entered entered(context_);
  for (const auto& [name, module] : modules_) {
    context_.driver().cuModuleUnload(module);
  }
}

CUmodule Kernels::load(std::string_view module) {
  if (const auto known = modules_.find(module); known != modules_.end()) {
    return known->second;
  }
  const auto binary = std::ranges::find(fat_binaries(), module, &FatBinary::name);
  if (binary == fat_binaries().end()) {
    throw Error(ErrorCode::internal, fmt::format("There are no CUDA kernels named '{}'.", module));
  }
  CUmodule loaded = nullptr;
  context_.check(context_.driver().cuModuleLoadData(&loaded, binary->code), "cuModuleLoadData");
  modules_.emplace(module, loaded);
  return loaded;
}

CUfunction Kernels::find(Slot& slot, std::string_view module, std::string_view function) {
  const std::scoped_lock lock(mutex_);
  CUfunction found = nullptr;
  context_.check(
      context_.driver().cuModuleGetFunction(&found, load(module), std::string(function).c_str()),
      "cuModuleGetFunction");
  slot.store(found, std::memory_order_release);
  return found;
}

CUfunction Kernels::convert(DataType from, DataType to) {
  Slot& slot = convert_[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
  CUfunction known = slot.load(std::memory_order_acquire);
  return known != nullptr ? known
                          : find(slot, module_of(from), fmt::format("to_{}", to_string(to)));
}

CUfunction Kernels::expand(DataType from) {
  Slot& slot = expand_[static_cast<std::size_t>(from)];
  CUfunction known = slot.load(std::memory_order_acquire);
  return known != nullptr ? known : find(slot, module_of(from), "expand");
}

CUfunction Kernels::expand_bytes(Bytes kind, DataType to) {
  Slot& slot = expand_bytes_[static_cast<std::size_t>(kind)][static_cast<std::size_t>(to)];
  CUfunction known = slot.load(std::memory_order_acquire);
  return known != nullptr
             ? known
             : find(slot, "expand_bytes", fmt::format("{}_to_{}", name_of(kind), to_string(to)));
}

CUfunction Kernels::copy_16_bytes() {
  CUfunction known = copy_16_bytes_.load(std::memory_order_acquire);
  return known != nullptr ? known : find(copy_16_bytes_, "copy", "copy_16_bytes");
}

CUfunction Kernels::fill_8_bytes() {
  CUfunction known = fill_8_bytes_.load(std::memory_order_acquire);
  return known != nullptr ? known : find(fill_8_bytes_, "fill", "fill_8_bytes");
}

}  // namespace headrace::cuda
