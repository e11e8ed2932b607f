// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/stats.h"

#include <cstdint>
#include <string_view>

namespace headrace::cli {

/// What set the pace of a run.
enum class BoundBy {
  consumer,  ///< Batches waited for their taker.
  decode,    ///< Reading and decoding by the workers.
  storage,   ///< The workers waited for storage.
  link,      ///< Copies to the device.
  held,      ///< Batches' memory was still in use when its turn came again.
};

std::string_view to_string(BoundBy bound_by) noexcept;

/// What the rule looks at, besides the loader's statistics.
struct Load {
  double seconds = 0;               ///< Of the run.
  double processor_seconds = 0;     ///< Of the whole process, meanwhile.
  std::uint64_t storage_reads = 0;  ///< Times that the system read from storage for it.
};

/// Finds the narrowest place: who waits less holds the others up. The first of these that is true:
///  - consumer: for less than a tenth of the run it had to wait for a batch; or for less than half
///    of it, and less than the workers were not reading, with no copy between them and it;
///  - held: memory had to be replaced because tensors of its last batch were still referenced;
///  - link: there is a copy to make, and the workers were not reading for over half of the run;
///  - storage: the system read from storage, and the process computed for less than half of the
///    time that its workers spent reading;
///  - decode: else.
BoundBy bound_by(const AsyncDataLoaderStats& stats, const Load& load);

}  // namespace headrace::cli
