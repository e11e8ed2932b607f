// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include "sources/file_backed.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::sources {

class MappedFile;

/// Rows of one size that lie in memory one after another, each exactly the bytes of a sample.
struct RowView {
  const std::byte* inputs = nullptr;     ///< Any alignment.
  std::size_t input_stride = 0;          ///< Bytes of one input, and from one to the next.
  const std::byte* labels = nullptr;     ///< Null when there are no labels. Any alignment.
  std::size_t label_stride = 0;          ///< Bytes of one label; 0 when there are no labels.
  std::size_t row_count = 0;             ///< Rows that lie there, in `inputs` and in `labels`.
  const std::uint64_t* order = nullptr;  ///< Row of each sample; null: sample i is row i.
  std::size_t sample_count = 0;          ///< Samples: the size of `order`, or `row_count`.
};

/// A source whose samples are plain rows in memory or in a mapped file, used as they lie.
///
/// A loader recognises it with `dynamic_cast<const RowSource*>` and may then let the device fetch
/// the rows itself. Sources that change bytes while reading are never of this type.
class RowSource final : public SampleSource, public FileBacked {
 public:
  /// \param rows   Must agree with `spec`; its `order` is null.
  /// \param files  What keeps the rows alive; empty when the caller does.
  RowSource(SampleSpec spec,
            std::string name,
            RowView rows,
            std::vector<std::shared_ptr<const MappedFile>> files);

  /// The samples `indices` of `parent`, each below its size.
  RowSource(const RowSource& parent, std::string name, std::vector<std::uint64_t> indices);

  [[nodiscard]] SampleSpec spec() const override { return spec_; }
  [[nodiscard]] std::size_t size() const override { return rows_.sample_count; }
  void read(const ReadContext& context, SampleView& into) const override;
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::uint64_t fingerprint() const override;

  /// Where the rows lie. Life: valid while this source lives, and unchanged.
  [[nodiscard]] const RowView& rows() const noexcept { return rows_; }

  void check_files() const override;
  void will_need(std::span<const std::uint64_t> samples) const noexcept override;
  void prefetch(std::uint64_t sample) const noexcept override;

 private:
  SampleSpec spec_;
  std::string name_;
  std::vector<std::uint64_t> order_;
  RowView rows_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
};

/// Checks that sample `context.index` of `name` exists and that `into` has room for exactly it.
///
/// \throws Error  `invalid_argument`.
void check_read(std::string_view name,
                const RowView& rows,
                const ReadContext& context,
                const SampleView& into);

/// Checks that `index` is below `size`, the number of samples of `name`.
///
/// \throws Error  `invalid_argument`.
void check_index(std::string_view name, std::uint64_t index, std::size_t size);

}  // namespace headrace::sources
