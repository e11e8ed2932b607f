// SPDX-License-Identifier: Apache-2.0
#include "core/block.h"

#include "core/lane.h"
#include "core/log.h"
#include "core/memory_pool.h"

#include <array>
#include <cstddef>
#include <exception>
#include <memory_resource>
#include <utility>

namespace headrace::core {

namespace {
/// What is copied out of a block to be waited for; of a few streams it needs no heap.
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): room is read where it was written
struct Copied {
  std::array<std::byte, 512> room;
  std::pmr::monotonic_buffer_resource memory{room.data(), room.size()};
  UseList uses{&memory};
};
}  // namespace

void Block::know_earlier_uses() {
  if (const MarkerSerial serial = std::exchange(serial_, 0);
      serial != 0 && !lane_->stream->has_passed(serial)) {
    note(writers_, {lane_->stream, serial});
  }
}

void Block::note(UseList& uses, const Ticket& ticket) {
  uses.add(ticket);
  has_uses_ = true;
}

void Block::forget_outcome() noexcept {
  written_.reset();
}

void Block::add_writers_to(UseList& uses) {
  const std::scoped_lock lock(mutex_);
  know_earlier_uses();
  uses.add(writers_);
}

void Block::add_all_to(UseList& uses) {
  const std::scoped_lock lock(mutex_);
  know_earlier_uses();
  uses.add(writers_);
  uses.add(readers_);
}

bool Block::is_written_only_on(const StreamState& stream) {
  const std::scoped_lock lock(mutex_);
  know_earlier_uses();
  return writers_.is_only_on(stream);
}

bool Block::cover_if_used_only_on(const StreamState& stream) {
  const std::scoped_lock lock(mutex_);
  know_earlier_uses();
  if (!writers_.is_only_on(stream) || !readers_.is_only_on(stream)) {
    return false;
  }
  writers_.cover_by(stream);
  readers_.cover_by(stream);
  return true;
}

void Block::before_read(StreamState& stream) {
  if (!is_written_only_on(stream)) {
    Copied writers;
    add_writers_to(writers.uses);
    writers.uses.make_wait(stream);
    writers.uses.require_done();
  }
}

void Block::before_write(StreamState& stream) {
  if (cover_if_used_only_on(stream)) {
    return;
  }
  Copied all;
  add_all_to(all.uses);
  all.uses.make_wait(stream);
  const std::scoped_lock lock(mutex_);
  writers_.cover_by(stream, all.uses);
  readers_.cover_by(stream, all.uses);
}

void Block::after_read(const Ticket& work) noexcept {
  const std::scoped_lock lock(mutex_);
  note(readers_, work);
}

void Block::after_write(const Ticket& work, std::shared_ptr<const Outcome> outcome) noexcept {
  const std::scoped_lock lock(mutex_);
  written_ = std::move(outcome);
  has_uses_ = true;
  writers_.drop_covered_by(*work.stream);
  readers_.drop_covered_by(*work.stream);
  note(writers_, work);
}

void Block::written_by_host() noexcept {
  const std::scoped_lock lock(mutex_);
  written_ = nullptr;
  if (pool_ != nullptr) {  // What a lost device was to write counts no more.
    writers_.drop_complete_of_others(pool_->device_state().backend());
    readers_.drop_complete_of_others(pool_->device_state().backend());
  }
}

void Block::require_written() {
  std::shared_ptr<const Outcome> written;
  {
    const std::scoped_lock lock(mutex_);
    written = written_;
  }
  if (const std::exception_ptr error = written ? written->error() : nullptr) {
    std::rethrow_exception(error);
  }
}

void Block::record_use(StreamState& stream) {
  const Ticket ticket = stream.stamp();
  const std::scoped_lock lock(mutex_);
  note(writers_, ticket);
}

void Block::note_use(StreamState& stream) noexcept {
  const Ticket ticket = stream.point();
  const std::scoped_lock lock(mutex_);
  note(writers_, ticket);
}

void Block::note_last_use(StreamState& stream) noexcept {
  if (lane_ == nullptr || lane_->stream.get() != &stream) {
    note_use(stream);
  }
}

void Block::wait_to_read() {
  Copied writers;
  add_writers_to(writers.uses);
  writers.uses.wait();
  require_written();
}

void Block::add_all_before_host_write_to(UseList& uses) {
  add_all_to(uses);
  if (pool_ != nullptr) {  // Host memory of the caller's is used by its one device alone.
    uses.drop_complete_of_others(pool_->device_state().backend());
  }
}

bool Block::wait_to_write(std::chrono::nanoseconds timeout) {
  Copied all;
  add_all_before_host_write_to(all.uses);
  return all.uses.wait(timeout);
}

void Block::wait_to_write() {
  Copied all;
  add_all_before_host_write_to(all.uses);
  all.uses.wait();
}

bool Block::can_be_waited_for() {
  Copied all;
  add_all_to(all.uses);
  return all.uses.can_be_waited_for(nullptr);
}

}  // namespace headrace::core
