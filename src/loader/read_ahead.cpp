// SPDX-License-Identifier: Apache-2.0
#include "loader/read_ahead.h"

#include <algorithm>

namespace headrace::loader {

ReadAhead::Range ReadAhead::open(std::uint64_t batch,
                                 std::uint64_t batch_count,
                                 std::uint64_t rows) noexcept {
  constexpr std::uint64_t kMostRows = 4096;
  constexpr std::uint64_t kMostBytes = std::uint64_t{16} << 20;
  if (!is_needed()) {
    return {};
  }
  const std::uint64_t rows_ahead = std::clamp<std::uint64_t>(kMostBytes / row_bytes_, 1, kMostRows);
  const std::uint64_t batches_ahead =
      std::max<std::uint64_t>(rows_ahead / std::max<std::uint64_t>(rows, 1), 1);
  const std::uint64_t last = std::min(batch_count - batch, batches_ahead + 1) + batch;
  const std::uint64_t begin = std::min(std::max(asked_, batch), last);
  // A lead is made up little by little: meanwhile this batch is not read.
  const std::uint64_t end = std::min(last - begin, std::uint64_t{2}) + begin;
  asked_ = std::max(asked_, end);
  return {.begin = begin, .end = end};
}

void ReadAhead::note_asked(std::uint64_t rows, bool was_read) noexcept {
  quiet_rows_ = was_read ? 0 : std::min(quiet_rows_ + rows, kQuiet);
}

}  // namespace headrace::loader
