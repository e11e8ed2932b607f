// SPDX-License-Identifier: Apache-2.0
#include "core/block.h"

namespace headrace::core {

UseList Block::copy_writers() {
  const std::scoped_lock lock(mutex_);
  return writers_;
}

UseList Block::copy_all() {
  const std::scoped_lock lock(mutex_);
  UseList all = writers_;
  all.add(readers_);
  return all;
}

void Block::before_read(StreamState& stream) { copy_writers().make_wait(stream); }

void Block::before_write(StreamState& stream) { copy_all().make_wait(stream); }

void Block::after_read(StreamState& stream) {
  const Ticket ticket = stream.stamp();
  const std::scoped_lock lock(mutex_);
  readers_.add(ticket);
}

void Block::after_write(StreamState& stream) {
  const Ticket ticket = stream.stamp();
  const std::scoped_lock lock(mutex_);
  // The write came after all of them, and whoever waits for it waits for them.
  writers_.clear();
  readers_.clear();
  writers_.add(ticket);
}

void Block::record_use(StreamState& stream) {
  const Ticket ticket = stream.stamp();
  const std::scoped_lock lock(mutex_);
  writers_.add(ticket);
}

void Block::wait_to_read() { copy_writers().wait(); }

bool Block::wait_to_write(std::chrono::nanoseconds timeout) { return copy_all().wait(timeout); }

void Block::wait_to_write() { copy_all().wait(); }

}  // namespace headrace::core
