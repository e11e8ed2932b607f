// SPDX-License-Identifier: Apache-2.0
#include "backends/host/stream.h"

#include "headrace/error.h"

#include "kernels/command.h"

#include <utility>

namespace headrace::host {

Stream::Stream() : thread_([queue = queue_] { run(queue); }) {}

Stream::~Stream() {
  {
    const std::scoped_lock lock(queue_->mutex);
    queue_->closed = true;
  }
  queue_->changed.notify_one();
  thread_.get_id() == std::this_thread::get_id() ? thread_.detach() : thread_.join();
}

void Stream::run(const std::shared_ptr<Queue>& queue) {
  std::unique_lock lock(queue->mutex);
  while (true) {
    queue->changed.wait(lock, [&queue] { return !queue->tasks.empty() || queue->closed; });
    if (queue->tasks.empty()) {
      return;
    }
    std::function<void()> task = std::move(queue->tasks.front());
    queue->tasks.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // What it holds may belong to the caller; let go before anything else runs.
    lock.lock();
  }
}

void Stream::push(std::function<void()> task) {
  {
    const std::scoped_lock lock(queue_->mutex);
    queue_->tasks.push_back(std::move(task));
  }
  queue_->changed.notify_one();
}

void Stream::submit(std::shared_ptr<Submission> submission) {
  push([submission = std::move(submission), handle = native_handle()] {
    kernels::run(*submission, handle);
  });
}

void Stream::signal(MarkerSerial serial) {
  push([progress = progress_, serial] {
    {
      const std::scoped_lock lock(progress->mutex);
      progress->completed = serial;
    }
    progress->changed.notify_all();
  });
}

MarkerSerial Stream::completed() {
  const std::scoped_lock lock(progress_->mutex);
  return progress_->completed;
}

bool Stream::wait(MarkerSerial serial, std::chrono::nanoseconds timeout) {
  if (std::this_thread::get_id() == thread_.get_id() && completed() < serial) {
    throw Error(ErrorCode::invalid_argument,
                "Work launched on a host stream waits for that stream, which would never end.");
  }
  std::unique_lock lock(progress_->mutex);
  return progress_->changed.wait_for(
      lock, timeout, [this, serial] { return progress_->completed >= serial; });
}

void Stream::wait_for(BackendStream& producer, MarkerSerial serial) {
  push([progress = static_cast<Stream&>(producer).progress_, serial] {
    std::unique_lock lock(progress->mutex);
    progress->changed.wait(lock, [&progress, serial] { return progress->completed >= serial; });
  });
}

NativeHandle Stream::native_handle() const {
  return {HandleKind::stream, reinterpret_cast<std::uint64_t>(this), 0};
}

}  // namespace headrace::host
