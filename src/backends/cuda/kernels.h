// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"

#include "backends/cuda/driver.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace headrace::cuda {

class Context;

/// The kernels of one context: each module is loaded, and each function looked up, at its first
/// use; later a lookup is one load.
///
/// Threads: safe from any thread. The context is current.
/// Errors: `unsupported` when the driver can run none of what a fat binary holds.
class Kernels {
 public:
  explicit Kernels(Context& context) : context_(context) {}
  Kernels(const Kernels&) = delete;
  Kernels& operator=(const Kernels&) = delete;
  ~Kernels();

  /// (source, target, count, head, pieces): see convert.cu.
  CUfunction convert(DataType from, DataType to);
  /// (source, target, samples, pixels, channels, scale, bias, to, is_planar): see convert.cu.
  CUfunction expand(DataType from);
  /// uint8 to float32, float16 or bfloat16 by way of coefficients: see expand_bytes.cu.
  enum class Bytes {
    interleaved,   ///< (source, target, count, head, pieces, channels, scale, bias)
    three_planes,  ///< (source, target, samples, pixels, scale, bias), all of it aligned
    planes,        ///< (source, target, pixels, channels, scale, bias), a block a tile of a sample
  };
  CUfunction expand_bytes(Bytes kind, DataType to);
  /// (source, target, pieces).
  CUfunction copy_16_bytes();
  /// (target, pattern, count).
  CUfunction fill_8_bytes();

 private:
  using Slot = std::atomic<CUfunction>;
  static constexpr std::size_t kTypes = kAllDataTypes.size();

  CUfunction find(Slot& slot, std::string_view module, std::string_view function);
  CUmodule load(std::string_view module);

  Context& context_;
  std::array<std::array<Slot, kTypes>, kTypes> convert_{};
  std::array<Slot, kTypes> expand_{};
  std::array<std::array<Slot, kTypes>, 3> expand_bytes_{};
  Slot copy_16_bytes_{};
  Slot fill_8_bytes_{};
  std::mutex mutex_;
  std::map<std::string, CUmodule, std::less<>> modules_;  // guarded by mutex_
};

}  // namespace headrace::cuda
