// SPDX-License-Identifier: Apache-2.0
#include "cli/packing.h"

#include "cli/describe.h"
#include "cli/progress.h"

#include <atomic>
#include <utility>

namespace headrace::cli {

bool Packing::run(PackJournal& journal,
                  std::uint64_t checkpoint_bytes,
                  const Interrupt& interrupt) {
  const SampleSpec spec = source_.spec();
  const std::uint64_t sample = sample_bytes(spec);
  const std::uint64_t total = source_.size();
  const std::uint64_t before = journal.samples;
  input_.resize(part_bytes(spec.input_shape, spec.input_dtype));
  label_.resize(part_bytes(spec.label_shape, spec.label_dtype));
  std::atomic<std::uint64_t> done = before;
  const Progress progress([&] {
    return Standing{
        .samples = done, .total = total, .before = before, .bytes = (done - before) * sample};
  });
  target_.begin(before);
  while (done < total && interrupt.signal() == 0) {
    copy_sample(done);
    ++done;
    if (target_.bytes(done) - target_.bytes(journal.samples) >= checkpoint_bytes) {
      checkpoint(journal, done);
    }
  }
  if (done < total) {
    if (done > journal.samples) {
      checkpoint(journal, done);
    }
    return false;
  }
  target_.finish();
  PackJournal complete = journal;
  complete.samples = total;
  complete.is_complete = true;
  complete.inode = inode_of(work_.parts());
  save(journal, std::move(complete));
  return true;
}

void Packing::checkpoint(PackJournal& journal, std::uint64_t samples) {
  target_.flush();
  PackJournal further = journal;
  further.samples = samples;
  save(journal, std::move(further));
}

/// `journal` says what is on the disk, also when that cannot be written.
void Packing::save(PackJournal& journal, PackJournal further) {
  work_.save(further);
  journal = std::move(further);
}

void Packing::copy_sample(std::uint64_t index) {
  SampleView view{.input = input_, .label = label_, .fields = {}};
  source_.read({.index = index}, view);
  target_.add(input_, label_);
}

}  // namespace headrace::cli
