// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"
#include "headrace/source.h"

#include "sources/row_source.h"
#include "sources/sample_spec.h"

#include <fmt/format.h>

#include <utility>

namespace headrace {
std::shared_ptr<SampleSource> open_memory(std::span<const std::byte> inputs,
                                          std::span<const std::byte> labels,
                                          SampleSpec spec) {
  sources::check_spec("Samples in memory", spec);
  sources::RowView rows;
  rows.input_stride = sources::part_bytes("input", spec.input_shape, spec.input_dtype);
  rows.label_stride = sources::part_bytes("label", spec.label_shape, spec.label_dtype);
  rows.row_count = inputs.size() / rows.input_stride;
  rows.sample_count = rows.row_count;
  if (inputs.size() % rows.input_stride != 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("The inputs' {} bytes are no whole number of samples of {} bytes.",
                            inputs.size(),
                            rows.input_stride));
  }
  std::size_t label_bytes = 0;
  if (__builtin_mul_overflow(rows.row_count, rows.label_stride, &label_bytes) ||
      label_bytes != labels.size()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("The labels have {} bytes, and {} samples need {} bytes each.",
                            labels.size(),
                            rows.row_count,
                            rows.label_stride));
  }
  rows.inputs = inputs.data();
  rows.labels = rows.label_stride == 0 ? nullptr : labels.data();
  return std::make_shared<sources::RowSource>(
      std::move(spec),
      fmt::format("{} samples in memory", rows.row_count),
      rows,
      std::vector<std::shared_ptr<const sources::MappedFile>>{});
}

}  // namespace headrace
