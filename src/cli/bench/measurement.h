// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace headrace::cli {

/// What a measurement counts; the base unit, of which the text shows multiples.
enum class Unit { seconds, bytes_per_second, samples_per_second };

/// "seconds", "bytes_per_second" or "samples_per_second".
std::string to_string(Unit unit);

/// One line of `headrace bench`: a median, and that of what it stands beside in the same rounds.
struct Measurement {
  std::string group;
  std::string name;
  Unit unit = Unit::seconds;
  double value = 0;
  std::string peer;  ///< Another way to do the same, or the limit; empty for none.
  double peer_value = 0;

  /// How many times as fast as the peer; 0 without one.
  [[nodiscard]] double ratio() const;
};

/// The measurement as a line of the table, with a line end.
std::string to_text(const Measurement& measurement);

}  // namespace headrace::cli
