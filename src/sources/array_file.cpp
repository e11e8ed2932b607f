// SPDX-License-Identifier: Apache-2.0
#include "sources/array_file.h"

#include "sources/byte_order.h"
#include "sources/fingerprint.h"
#include "sources/row_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace headrace::sources {
namespace {

static_assert(std::endian::native == std::endian::little,
              "Mapped little-endian files are used as they lie.");

/// `start` times all `factors`, none negative; nullopt when that exceeds 63 bits.
std::optional<std::int64_t> product(std::span<const std::int64_t> factors, std::int64_t start) {
  for (const std::int64_t factor : factors) {
    if (__builtin_mul_overflow(start, factor, &start)) {
      return std::nullopt;
    }
  }
  return start;
}

void check_samples(const MappedFile& file, const ArrayHeader& header) {
  if (header.extents.empty()) {
    file.refuse(ErrorCode::unsupported,
                header.shape_offset,
                "the array has no dimensions, so there are no samples in it");
  }
  const std::span<const std::int64_t> sample_extents = header.extents.subspan(1);
  if (std::ranges::find(sample_extents, 0) != sample_extents.end()) {
    file.refuse(
        ErrorCode::unsupported,
        header.shape_offset,
        fmt::format("shape [{}] has samples without elements", fmt::join(header.extents, ", ")));
  }
}

std::size_t end_of_data(const FilePart& file, const ArrayHeader& header) {
  return header.data_end == 0 ? file.bytes().size() : header.data_end;
}

void check_data_size(const FilePart& file, const ArrayHeader& header, std::uint64_t data_bytes) {
  const std::size_t available = end_of_data(file, header) - header.data_offset;
  if (data_bytes > available) {
    file.refuse(ErrorCode::corrupt_data,
                end_of_data(file, header),
                fmt::format("the file ends; shape [{}] of {} needs {} bytes from offset {}, and "
                            "there are {}",
                            fmt::join(header.extents, ", "),
                            to_string(header.dtype),
                            data_bytes,
                            header.data_offset,
                            available));
  }
  if (data_bytes < available) {
    file.refuse(ErrorCode::corrupt_data,
                header.data_offset + data_bytes,
                fmt::format("the array of shape [{}] of {} ends, and {} more bytes follow",
                            fmt::join(header.extents, ", "),
                            to_string(header.dtype),
                            available - data_bytes));
  }
}

/// Rows of a file whose elements have their highest byte first.
class SwappedSource final : public SampleSource, public FileBacked {
 public:
  /// A part whose element size is given as 1 is left as it lies.
  SwappedSource(std::shared_ptr<const RowSource> rows,
                std::size_t input_element_bytes,
                std::size_t label_element_bytes)
      : rows_(std::move(rows)),
        input_element_bytes_(input_element_bytes),
        label_element_bytes_(label_element_bytes) {}

  [[nodiscard]] SampleSpec spec() const override { return rows_->spec(); }
  [[nodiscard]] std::size_t size() const override { return rows_->size(); }
  void read(const ReadContext& context, SampleView& into) const override {
    rows_->read(context, into);
    reverse_elements(into.input, input_element_bytes_);
    reverse_elements(into.label, label_element_bytes_);
  }
  [[nodiscard]] std::string name() const override { return rows_->name(); }
  [[nodiscard]] std::uint64_t fingerprint() const override {
    Fingerprint swapped("swapped");
    swapped.add(rows_->fingerprint());
    swapped.add(std::uint64_t{input_element_bytes_});
    swapped.add(std::uint64_t{label_element_bytes_});
    return swapped.value();
  }
  void check_files() const override { rows_->check_files(); }
  void will_need(std::span<const std::uint64_t> samples) const noexcept override {
    rows_->will_need(samples);
  }
  void prefetch(std::uint64_t sample) const noexcept override { rows_->prefetch(sample); }

 private:
  std::shared_ptr<const RowSource> rows_;
  std::size_t input_element_bytes_ = 1;
  std::size_t label_element_bytes_ = 1;
};

std::size_t swap_size(const ArrayFile& array) {
  return array.is_swapped ? size_of(array.dtype) : 1;
}

}  // namespace

std::size_t check_data(const FilePart& file, const ArrayHeader& header) {
  const std::span<const std::int64_t> extents = header.extents;
  if (extents.size() > Shape::kMaxRank) {
    file.refuse(ErrorCode::unsupported,
                header.shape_offset,
                fmt::format("the array has {} dimensions, and at most {} can be served",
                            extents.size(),
                            Shape::kMaxRank));
  }
  const auto element_bytes = static_cast<std::int64_t>(size_of(header.dtype));
  // The first extent last: that it is 0 must not hide what the others come to.
  const std::size_t first = extents.empty() ? 0 : 1;
  const std::optional<std::int64_t> sample_bytes = product(extents.subspan(first), element_bytes);
  const std::optional<std::int64_t> data_bytes =
      sample_bytes ? product(extents.first(first), *sample_bytes) : std::nullopt;
  if (!data_bytes) {
    file.refuse(ErrorCode::corrupt_data,
                header.shape_offset,
                fmt::format("shape [{}] of {} is more than any file can hold",
                            fmt::join(extents, ", "),
                            to_string(header.dtype)));
  }
  check_data_size(file, header, static_cast<std::uint64_t>(*data_bytes));
  return static_cast<std::size_t>(*data_bytes);
}

ArrayFile check_array(std::shared_ptr<const MappedFile> file, const ArrayHeader& header) {
  check_samples(*file, header);
  const std::size_t data_bytes = check_data(*file, header);
  ArrayFile array;
  array.data = file->bytes().subspan(header.data_offset, data_bytes);
  array.file = std::move(file);
  array.sample_count = static_cast<std::size_t>(header.extents[0]);
  array.sample_shape = Shape(header.extents.subspan(1));
  array.dtype = header.dtype;
  array.sample_bytes =
      static_cast<std::size_t>(array.sample_shape.element_count()) * size_of(array.dtype);
  array.is_swapped = header.is_big_endian && size_of(array.dtype) > 1;
  return array;
}

std::shared_ptr<SampleSource> make_array_source(const ArrayFile& inputs,
                                                const std::optional<ArrayFile>& labels,
                                                std::string name) {
  if (labels && labels->sample_count != inputs.sample_count) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Inputs '{}' hold {} samples and labels '{}' hold {}.",
                            inputs.file->path().string(),
                            inputs.sample_count,
                            labels->file->path().string(),
                            labels->sample_count));
  }
  SampleSpec spec;
  spec.input_shape = inputs.sample_shape;
  spec.input_dtype = inputs.dtype;
  spec.label_shape = labels ? labels->sample_shape : Shape{0};
  spec.label_dtype = labels ? labels->dtype : DataType::uint8;
  RowView rows;
  rows.inputs = inputs.data.data();
  rows.input_stride = inputs.sample_bytes;
  rows.row_count = inputs.sample_count;
  rows.sample_count = inputs.sample_count;
  std::vector<std::shared_ptr<const MappedFile>> files{inputs.file};
  if (labels) {
    rows.labels = labels->data.data();
    rows.label_stride = labels->sample_bytes;
    if (labels->file != inputs.file) {
      files.push_back(labels->file);
    }
  }
  auto source =
      std::make_shared<RowSource>(std::move(spec), std::move(name), rows, std::move(files));
  if (inputs.is_swapped || (labels && labels->is_swapped)) {
    return std::make_shared<SwappedSource>(
        std::move(source), swap_size(inputs), labels ? swap_size(*labels) : 1);
  }
  return source;
}

}  // namespace headrace::sources
