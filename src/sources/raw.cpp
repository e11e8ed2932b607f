// SPDX-License-Identifier: Apache-2.0
#include "sources/raw.h"

#include "headrace/error.h"

#include "sources/file_backed.h"
#include "sources/fingerprint.h"
#include "sources/mapped_file.h"
#include "sources/read_request.h"
#include "sources/row_source.h"
#include "sources/sample_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace headrace::sources {
namespace {

/// Records of an input and a label each.
class RecordSource final : public SampleSource, public FileBacked {
 public:
  /// \param sizes  Of an input and of a label, and the number of records.
  RecordSource(std::shared_ptr<const MappedFile> file, SampleSpec spec, RowView sizes)
      : file_(std::move(file)), spec_(std::move(spec)), sizes_(sizes) {}

  [[nodiscard]] SampleSpec spec() const override { return spec_; }
  [[nodiscard]] std::size_t size() const override { return sizes_.sample_count; }
  void read(const ReadContext& context, SampleView& into) const override {
    check_read(file_->path().string(), sizes_, context, into);
    const std::size_t record_bytes = sizes_.input_stride + sizes_.label_stride;
    const std::byte* const record = file_->bytes().data() + context.index * record_bytes;
    std::copy_n(record, sizes_.input_stride, into.input.data());
    std::copy_n(record + sizes_.input_stride, sizes_.label_stride, into.label.data());
  }
  [[nodiscard]] std::string name() const override { return file_->path().string(); }
  [[nodiscard]] std::uint64_t fingerprint() const override {
    check_files();
    Fingerprint records("records");
    records.add(spec_);
    records.add_content(file_->bytes());
    return records.value();
  }
  void check_files() const override { file_->check_not_shortened(); }
  void will_need(std::span<const std::uint64_t> samples) const noexcept override {
    const std::size_t record_bytes = sizes_.input_stride + sizes_.label_stride;
    ReadRequest records(file_->bytes().size());
    for (const std::uint64_t sample : samples) {
      records.add(file_->bytes().subspan(sample * record_bytes, record_bytes));
    }
  }
  void prefetch(std::uint64_t sample) const noexcept override {
    const std::size_t record_bytes = sizes_.input_stride + sizes_.label_stride;
    prefetch_begin(file_->bytes().subspan(sample * record_bytes, record_bytes));
  }

 private:
  std::shared_ptr<const MappedFile> file_;
  SampleSpec spec_;
  RowView sizes_;
};

}  // namespace

std::shared_ptr<SampleSource> open_raw(const std::filesystem::path& path, SampleSpec spec) {
  check_spec("Raw records", spec);
  RowView rows;
  rows.input_stride = part_bytes("input", spec.input_shape, spec.input_dtype);
  rows.label_stride = part_bytes("label", spec.label_shape, spec.label_dtype);
  std::size_t record_bytes = 0;
  if (__builtin_add_overflow(rows.input_stride, rows.label_stride, &record_bytes)) {
    throw Error(ErrorCode::invalid_argument, "A raw record is more than memory can hold.");
  }
  auto file = std::make_shared<const MappedFile>(path);
  const std::size_t file_bytes = file->bytes().size();
  rows.row_count = file_bytes / record_bytes;
  rows.sample_count = rows.row_count;
  if (const std::size_t rest = file_bytes % record_bytes; rest != 0) {
    file->refuse(ErrorCode::corrupt_data,
                 file_bytes - rest,
                 fmt::format("{} bytes are left, and a record has {}", rest, record_bytes));
  }
  if (rows.label_stride != 0) {
    return std::make_shared<RecordSource>(std::move(file), std::move(spec), rows);
  }
  rows.inputs = file->bytes().data();
  return std::make_shared<RowSource>(
      std::move(spec), path.string(), rows, std::vector<std::shared_ptr<const MappedFile>>{file});
}

}  // namespace headrace::sources
