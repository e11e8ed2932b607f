// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include "cli/interrupt.h"
#include "cli/pack_journal.h"
#include "cli/pack_target.h"
#include "cli/unfinished.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace headrace::cli {

/// Writes samples in their order, and keeps the journal.
class Packing {
 public:
  Packing(const SampleSource& source, PackTarget& target, const Unfinished& work)
      : source_(source), target_(target), work_(work) {}

  /// Goes on where `journal` says, and keeps it: every `checkpoint_bytes`, when it is interrupted,
  /// and at the end. \returns Whether it came there.
  ///
  /// \throws Error  What the source and the target throw.
  bool run(PackJournal& journal, std::uint64_t checkpoint_bytes, const Interrupt& interrupt);

 private:
  void copy_sample(std::uint64_t index);
  void checkpoint(PackJournal& journal, std::uint64_t samples);
  void save(PackJournal& journal, PackJournal further);

  const SampleSource& source_;
  PackTarget& target_;
  const Unfinished& work_;
  std::vector<std::byte> input_;
  std::vector<std::byte> label_;
};

}  // namespace headrace::cli
