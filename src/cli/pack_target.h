// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include "cli/options.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace headrace::cli {

/// Where `headrace pack` puts samples. Nothing is to be seen under the target's name before it is
/// published, and nothing is left when this goes without.
class PackTarget {
 public:
  PackTarget() = default;
  PackTarget(const PackTarget&) = delete;
  PackTarget& operator=(const PackTarget&) = delete;
  virtual ~PackTarget() = default;

  /// Takes the next sample. \throws Error  `io`; `unsupported` for one that has no place in it.
  virtual void add(std::span<const std::byte> input, std::span<const std::byte> label) = 0;

  /// Brings everything to the disk and gives it the target's name. \throws Error  `io`.
  virtual void publish() = 0;

  [[nodiscard]] virtual std::string_view format() const = 0;
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;
  [[nodiscard]] virtual std::size_t files() const = 0;
};

/// `.npy`: one file, or a folder with `inputs.npy` and `labels.npy`.
///
/// \param source  Whose samples come, all of them.
/// \throws Error  `invalid_argument` when the target is there and may not be replaced, or has no
///                place for labels or needs some; `unsupported` for a type that NumPy lacks; `io`.
std::unique_ptr<PackTarget> make_npy_target(const PackOptions& options, const SampleSource& source);

/// tar shards with `KEY.npy` and `KEY.cls`. \throws Error  as above; `unsupported` for labels that
/// are no whole numbers.
std::unique_ptr<PackTarget> make_tar_target(const PackOptions& options, const SampleSource& source);

}  // namespace headrace::cli
