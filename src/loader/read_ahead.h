// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace headrace::loader {

/// Decides which batches' rows are asked for before they are read: none while storage is not read,
/// else the next ones, each once (docs/design/016-read-ahead.md). Not synchronised.
class ReadAhead {
 public:
  /// Batches from `begin` to before `end`.
  struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  /// \param row_bytes  Of a sample; at least 1.
  explicit ReadAhead(std::size_t row_bytes) noexcept : row_bytes_(row_bytes) {}

  /// Begins at batch 0 again. What is known of storage stays.
  void begin() noexcept { asked_ = 0; }

  /// `batch` of `rows` rows is about to be read. \returns The batches to ask for now.
  Range open(std::uint64_t batch, std::uint64_t batch_count, std::uint64_t rows) noexcept;

  /// Whether asking is worth while.
  [[nodiscard]] bool is_needed() const noexcept { return quiet_rows_ < kQuiet; }

  /// `rows` were asked for. \param was_read  Whether storage was read for them.
  void note_asked(std::uint64_t rows, bool was_read) noexcept;

  /// Rows had to be read from storage when they were wanted.
  void note_missed() noexcept { quiet_rows_ = 0; }

 private:
  static constexpr std::uint64_t kQuiet = 1024;
  static constexpr std::uint64_t kProbe = 32;  // rows that tell whether to begin

  std::size_t row_bytes_;
  std::uint64_t asked_ = 0;                     // batches before it were asked for
  std::uint64_t quiet_rows_ = kQuiet - kProbe;  // asked for since storage was read
};

}  // namespace headrace::loader
