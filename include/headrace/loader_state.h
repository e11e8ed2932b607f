// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headrace {

/// Where a loader stands in its plan: what was handed out, in places of the global sequence.
///
/// The state does not depend on the number of workers, the prefetch depth or the number of ranks,
/// so a run may go on with others of each. With several ranks a state speaks for its own rank's
/// share; merge those of all ranks and restore the result on every rank. A value type.
struct HEADRACE_EXPORT LoaderState {
  /// Places of one epoch handed out before an earlier place was (only with `ordered=false`): by the
  /// rank of this state, or before the run was restored.
  struct Early {
    std::uint64_t epoch = 0;
    std::uint64_t begin = 0;  ///< First place.
    std::uint64_t end = 0;    ///< One past the last place.
    friend bool operator==(const Early&, const Early&) = default;
  };

  std::uint64_t dataset_size = 0;  ///< Samples of one epoch; restore refuses another number.
  std::uint64_t fingerprint = 0;   ///< The source's; restore refuses another. 0 is not checked.
  std::uint64_t seed = 0;          ///< Seed of the order; restore refuses another.
  bool shuffle = false;            ///< Restore refuses another.
  std::uint64_t epoch = 0;         ///< Epoch of the next batch.
  std::uint64_t place = 0;         ///< Before it the state's rank, when merged every rank, has
                                   ///< handed out its share; at most `dataset_size`.
  std::uint64_t batch_id = 0;      ///< Identifier of the next batch: above all that were given.
  std::vector<Early> early = {};   ///< Sorted, without overlap, none before (`epoch`, `place`).

  /// The state as one line of JSON: an object of the members above and a `version`, where `early`
  /// is an array of [epoch, begin, end] and `fingerprint`, left out when it is 0, a text of 16
  /// hexadecimal digits.
  [[nodiscard]] std::string to_json() const;

  /// Reads what `to_json` wrote; unknown members are ignored.
  ///
  /// \throws Error  `corrupt_data` when the text is no such object or contradicts itself.
  static LoaderState from_json(std::string_view json);

  /// What all ranks have handed out, from the states of every one of them, each taken at any time.
  ///
  /// Place and epoch are those of the least state, for only before it has every rank handed out its
  /// share. `early` is the union of all states' ranges: each was really handed out. So a run
  /// restored from the result misses nothing; what it repeats is what a rank that was ahead had
  /// handed out in order beyond the least state. `batch_id` is the least; `fingerprint` is the one
  /// of the states that know it.
  ///
  /// \throws Error  `invalid_argument` when `states` is empty, a state contradicts itself, or they
  ///                are of different data (`dataset_size`, `fingerprint`), seed or shuffle.
  static LoaderState merge(std::span<const LoaderState> states);

  friend bool operator==(const LoaderState&, const LoaderState&) = default;
};

}  // namespace headrace
