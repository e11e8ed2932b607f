// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/loader.h"

#include <cstddef>
#include <span>
#include <vector>

namespace headrace::cli {

/// What a loader with an OutputSpec must make of the input of one sample, computed element by
/// element from the formula in headrace/loader.h.
class ExpectedInput {
 public:
  /// \param shape   Of one sample, as the source has it.
  /// \param dtype   Of the source.
  /// \param output  One that a loader accepted for such inputs.
  ExpectedInput(const Shape& shape, DataType dtype, const OutputSpec& output);

  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] DataType dtype() const noexcept { return to_; }

  /// The bytes on the device of a sample that the source reads as `raw`.
  [[nodiscard]] std::vector<std::byte> make(std::span<const std::byte> raw) const;

 private:
  void make_element(const std::byte* from, std::size_t channel, std::byte* to) const;

  DataType from_;
  DataType to_;
  Shape shape_;
  std::size_t pixels_ = 0;
  std::size_t channels_ = 0;
  bool is_planar_ = false;
  std::vector<float> scale_;  // one a channel, or none
  std::vector<float> bias_;
};

}  // namespace headrace::cli
