// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/loader.h"
#include "headrace/source.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace headrace::loader {

/// Where the rows of a batch lie: input, label and fields one after another in one packed piece of
/// memory, so that one copy moves them; expanded inputs in a piece of their own. Immutable.
class BatchLayout {
 public:
  /// One named part of a batch. `shape` is of one row.
  struct Part {
    std::string name;
    Shape shape;
    DataType dtype = DataType::float32;
    std::size_t row_bytes = 0;
    std::size_t offset = 0;  ///< Of row 0 in the packed memory.
  };

  /// \param rows  Most rows of a batch.
  /// \throws Error  `invalid_argument` when a size overflows or `output` does not fit the inputs.
  BatchLayout(const SampleSpec& spec, std::size_t rows, const OutputSpec& output);

  [[nodiscard]] const Part& input() const noexcept { return parts_[0]; }
  [[nodiscard]] const Part& label() const noexcept { return parts_[1]; }
  /// Input, label, then the fields.
  [[nodiscard]] const std::vector<Part>& parts() const noexcept { return parts_; }
  [[nodiscard]] std::size_t packed_bytes() const noexcept { return packed_bytes_; }
  /// Bytes of one row over all parts.
  [[nodiscard]] std::size_t row_bytes() const noexcept { return row_bytes_; }

  /// How inputs are expanded on the device; null when they stay as they are.
  [[nodiscard]] const std::shared_ptr<const ExpandSpec>& expand() const noexcept { return expand_; }
  /// Inputs as the consumer sees them, at offset 0 of their own memory when they are expanded.
  [[nodiscard]] const Part& output() const noexcept { return output_; }
  [[nodiscard]] std::size_t expanded_bytes() const noexcept { return expanded_bytes_; }

 private:
  void append(std::string name, const Shape& shape, DataType dtype, std::size_t rows);
  void plan_output(const OutputSpec& output, std::size_t rows);

  std::vector<Part> parts_;
  std::size_t packed_bytes_ = 0;
  std::size_t row_bytes_ = 0;
  std::shared_ptr<const ExpandSpec> expand_;
  Part output_;
  std::size_t expanded_bytes_ = 0;
};

}  // namespace headrace::loader
