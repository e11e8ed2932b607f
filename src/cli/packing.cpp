// SPDX-License-Identifier: Apache-2.0
#include "cli/packing.h"

#include "cli/describe.h"
#include "cli/progress.h"

#include <atomic>

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
      save(journal, done);
    }
  }
  if (done < total) {
    if (done > journal.samples) {
      save(journal, done);
    }
    return false;
  }
  target_.finish();
  PackJournal complete = journal;
  complete.samples = total;
  complete.is_complete = true;
  complete.inode = inode_of(work_.parts());
  work_.save(complete);
  journal = complete;
  return true;
}

void Packing::copy_sample(std::uint64_t index) {
  SampleView view{.input = input_, .label = label_, .fields = {}};
  source_.read({.index = index}, view);
  target_.add(input_, label_);
}

}  // namespace headrace::cli
