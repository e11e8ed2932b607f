// SPDX-License-Identifier: Apache-2.0
#include "loader/mover.h"

#include "core/access.h"
#include "core/storage.h"
#include "core/stream_track.h"

#include <exception>
#include <utility>

namespace headrace::loader {

Mover::Mover(const Device& device, std::shared_ptr<Trace> trace)
    : stream_(device.make_stream()), trace_(std::move(trace)) {}

std::size_t Mover::ship(Slot& slot) {
  const BatchLayout& layout = *slot.layout;
  const std::size_t bytes = slot.rows * layout.row_bytes();
  const bool copies = slot.slab != nullptr && bytes != 0;
  const bool expands = layout.expand() != nullptr && slot.rows != 0;
  if (!copies && !expands) {
    return bytes;
  }
  auto submission = std::make_shared<Submission>();
  core::StreamState& stream = *core::StreamAccess::state(stream_);
  core::Block& packed = slot.packed->block();
  if (copies) {
    packed.before_write(stream);
    submission->commands.push_back(
        {CopyCommand{slot.slab->block().view(0), packed.view(0), layout.packed_bytes()},
         "copy batch"});
  }
  if (expands) {
    slot.expanded->block().before_write(stream);
    submission->commands.push_back({ExpandCommand{packed.view(layout.input().offset),
                                                  slot.expanded->block().view(0),
                                                  static_cast<std::int64_t>(slot.rows),
                                                  layout.expand()},
                                    "expand batch"});
  }
  core::record_on_track(*submission, stream, trace_);
  const std::shared_ptr<const Outcome> outcome = submission->outcome;
  const std::exception_ptr failure = core::submit_all_or_part(stream, std::move(submission));
  const core::Ticket end = stream.point();
  if (copies) {
    slot.slab->block().after_read(end);
    packed.after_write(end, outcome);
  }
  if (expands) {
    packed.after_read(end);
    slot.expanded->block().after_write(end, outcome);
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
  // Now, so that the consumer, who asks next, need not: its call should be short.
  static_cast<void>(stream.has_marker(stream.stamp_serial()));
  return bytes;
}

}  // namespace headrace::loader
