// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include "cli/options.h"
#include "cli/unfinished.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace headrace::cli {

/// Where `headrace pack` puts samples: into files among the parts of an `Unfinished`, which get
/// their names at the end. How long each file is follows from the number of samples alone.
class PackTarget {
 public:
  PackTarget() = default;
  PackTarget(const PackTarget&) = delete;
  PackTarget& operator=(const PackTarget&) = delete;
  virtual ~PackTarget() = default;

  /// Refuses to begin where something is that may not be replaced.
  ///
  /// \throws Error  `invalid_argument`.
  virtual void check_free() const = 0;

  /// Goes on behind `samples`, of which the parts are there; 0 begins.
  ///
  /// \throws Error        `io`.
  /// \throws DamagedPart  For parts that are shorter.
  virtual void begin(std::uint64_t samples) = 0;

  /// Takes the next sample. \throws Error  `io`; `unsupported` for one that has no place in it.
  virtual void add(std::span<const std::byte> input, std::span<const std::byte> label) = 0;

  /// Brings everything to the disk. \throws Error  `io`.
  virtual void flush() = 0;

  /// Ends the files, and brings everything to the disk. \throws Error  `io`.
  virtual void finish() = 0;

  /// Gives the parts of `samples`, finished by this run or another, their names; those that have
  /// them already are left alone.
  ///
  /// \throws Error        `io`; `invalid_argument` when something is there that may not be
  /// replaced. \throws DamagedPart  Before the first name, for a part that is not as long as it was
  /// left.
  virtual void publish(std::uint64_t samples) = 0;

  [[nodiscard]] virtual std::string_view format() const = 0;
  /// Of the files that `samples` fill, with what ends them.
  [[nodiscard]] virtual std::uint64_t bytes(std::uint64_t samples) const = 0;
  [[nodiscard]] virtual std::size_t files(std::uint64_t samples) const = 0;
};

/// `.npy`: one file, or a folder with `inputs.npy` and `labels.npy`.
///
/// \param source  Whose samples come, all of them.
/// \param work    Must outlive the target.
/// \throws Error  `invalid_argument` when the target has no place for labels or needs some;
///                `unsupported` for a type that NumPy lacks.
std::unique_ptr<PackTarget> make_npy_target(const PackOptions& options,
                                            const SampleSource& source,
                                            const Unfinished& work);

/// tar shards with `KEY.npy` and `KEY.cls`. \throws Error  as above; `unsupported` for labels that
/// are no whole numbers.
std::unique_ptr<PackTarget> make_tar_target(const PackOptions& options,
                                            const SampleSource& source,
                                            const Unfinished& work);

}  // namespace headrace::cli
