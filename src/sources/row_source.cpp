// SPDX-License-Identifier: Apache-2.0
#include "sources/row_source.h"

#include "headrace/error.h"

#include "sources/fingerprint.h"
#include "sources/mapped_file.h"
#include "sources/read_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

namespace headrace::sources {
namespace {

void check_size(std::string_view name, std::string_view part, std::size_t given, std::size_t want) {
  if (given != want) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("A sample's {} of '{}' has {} bytes, and room for {} was given.",
                            part,
                            name,
                            want,
                            given));
  }
}

}  // namespace

RowSource::RowSource(SampleSpec spec,
                     std::string name,
                     RowView rows,
                     std::vector<std::shared_ptr<const MappedFile>> files)
    : spec_(std::move(spec)), name_(std::move(name)), rows_(rows), files_(std::move(files)) {}

RowSource::RowSource(const RowSource& parent, std::string name, std::vector<std::uint64_t> indices)
    : spec_(parent.spec_),
      name_(std::move(name)),
      order_(std::move(indices)),
      rows_(parent.rows_),
      files_(parent.files_) {
  if (parent.rows_.order != nullptr) {
    for (std::uint64_t& index : order_) {
      index = parent.rows_.order[index];
    }
  }
  rows_.order = order_.data();
  rows_.sample_count = order_.size();
}

void RowSource::read(const ReadContext& context, SampleView& into) const {
  check_read(name_, rows_, context, into);
  const std::uint64_t row = rows_.order != nullptr ? rows_.order[context.index] : context.index;
  std::copy_n(rows_.inputs + row * rows_.input_stride, rows_.input_stride, into.input.data());
  if (rows_.labels != nullptr) {
    std::copy_n(rows_.labels + row * rows_.label_stride, rows_.label_stride, into.label.data());
  }
}

void RowSource::check_files() const {
  for (const std::shared_ptr<const MappedFile>& file : files_) {
    file->check_not_shortened();
  }
}

void RowSource::will_need(std::span<const std::uint64_t> samples) const noexcept {
  if (files_.empty()) {
    return;
  }
  const std::uint64_t set_bytes = rows_.row_count * (rows_.input_stride + rows_.label_stride);
  ReadRequest inputs(set_bytes);
  ReadRequest labels(set_bytes);
  for (const std::uint64_t sample : samples) {
    const std::uint64_t row = rows_.order != nullptr ? rows_.order[sample] : sample;
    inputs.add({rows_.inputs + row * rows_.input_stride, rows_.input_stride});
    if (rows_.labels != nullptr) {
      labels.add({rows_.labels + row * rows_.label_stride, rows_.label_stride});
    }
  }
}

void RowSource::prefetch(std::uint64_t sample) const noexcept {
  const std::uint64_t row = rows_.order != nullptr ? rows_.order[sample] : sample;
  prefetch_begin({rows_.inputs + row * rows_.input_stride, rows_.input_stride});
  if (rows_.labels != nullptr) {
    prefetch_begin({rows_.labels + row * rows_.label_stride, rows_.label_stride});
  }
}

std::uint64_t RowSource::fingerprint() const {
  check_files();
  Fingerprint rows("rows");
  rows.add(spec_);
  rows.add_content({rows_.inputs, rows_.row_count * rows_.input_stride});
  rows.add_content({rows_.labels, rows_.row_count * rows_.label_stride});
  // That no row was chosen leaves no order.
  const bool is_whole = rows_.order == nullptr && rows_.sample_count == rows_.row_count;
  return is_whole ? rows.value() : fingerprint_of_subset(rows.value(), order_);
}

void check_read(std::string_view name,
                const RowView& rows,
                const ReadContext& context,
                const SampleView& into) {
  check_index(name, context.index, rows.sample_count);
  check_size(name, "input", into.input.size(), rows.input_stride);
  check_size(name, "label", into.label.size(), rows.label_stride);
  if (!into.fields.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Samples of '{}' have no fields, and room for {} was given.",
                            name,
                            into.fields.size()));
  }
}

void check_index(std::string_view name, std::uint64_t index, std::size_t size) {
  if (index >= size) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Sample {} of '{}' does not exist: it has {}.", index, name, size));
  }
}

}  // namespace headrace::sources
