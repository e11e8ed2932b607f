// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"
#include "headrace/shape.h"
#include "headrace/source.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace headrace::sources {

/// Sums up what a data set is in 64 bits that stay the same on every machine and in every version.
/// Bytes go in as by FNV-1a, a number in one step, texts behind their length.
class Fingerprint {
 public:
  /// \param kind  What is summed up, so that equal bytes of another meaning come to something else.
  explicit Fingerprint(std::string_view kind) { add(kind); }

  void add(std::uint64_t number) noexcept;
  void add(std::string_view text) noexcept;
  void add(const Shape& shape) noexcept;
  void add(const SampleSpec& spec);

  /// The length and, of more than `pieces` x 256 bytes, so many pieces of 256 that lie evenly, the
  /// first and the last byte among them. So it costs the same for a file of any size.
  ///
  /// \param pieces  At least 2.
  void add_content(std::span<const std::byte> bytes, std::size_t pieces = 64) noexcept;

  /// Never 0, which stands for a data set that is not known.
  [[nodiscard]] std::uint64_t value() const noexcept { return hash_ == 0 ? 1 : hash_; }

 private:
  void add_bytes(std::span<const std::byte> bytes) noexcept;

  std::uint64_t hash_ = 0xCBF29CE484222325;
};

/// Fingerprint of the samples `indices` of a source that has the fingerprint `parent`.
std::uint64_t fingerprint_of_subset(std::uint64_t parent, std::span<const std::uint64_t> indices);

}  // namespace headrace::sources
