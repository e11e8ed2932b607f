// SPDX-License-Identifier: Apache-2.0
#include "backends/host/stream.h"

#include "headrace/error.h"

#include <utility>

namespace headrace::host {

struct Stream::Runner {
  std::shared_ptr<Queue> queue;
  std::shared_ptr<Progress> progress;
  NativeHandle handle;

  /// Runs tasks in turn until the queue is closed and empty.
  void operator()() const {
    std::vector<Task> tasks;
    while (take(tasks)) {
      for (Task& task : tasks) {
        std::visit(*this, task);
        task = {};  // What it holds may belong to the caller; let go before anything else runs.
      }
      tasks.clear();
    }
  }

  bool take(std::vector<Task>& tasks) const {
    std::unique_lock lock(queue->mutex);
    queue->changed.wait(lock, [this] { return !queue->tasks.empty() || queue->closed; });
    tasks.swap(queue->tasks);
    return !tasks.empty();
  }

  void operator()(const std::shared_ptr<Submission>& submission) const {
    run_on_host(*submission, handle);
  }
  void operator()(const Signal& signal) const {
    {
      const std::scoped_lock lock(progress->mutex);
      progress->completed = signal.serial;
    }
    progress->changed.notify_all();
  }
  void operator()(const Wait& wait) const {
    Progress& producer = *wait.producer;
    std::unique_lock lock(producer.mutex);
    producer.changed.wait(lock, [&] { return producer.completed >= wait.serial; });
  }
};

Stream::Stream() : thread_(Runner{queue_, progress_, Stream::native_handle()}) {}

Stream::~Stream() {
  {
    const std::scoped_lock lock(queue_->mutex);
    queue_->closed = true;
  }
  queue_->changed.notify_one();
  thread_.get_id() == std::this_thread::get_id() ? thread_.detach() : thread_.join();
}

void Stream::push(Task task) {
  {
    const std::scoped_lock lock(queue_->mutex);
    queue_->tasks.push_back(std::move(task));
  }
  queue_->changed.notify_one();
}

void Stream::submit(std::shared_ptr<Submission> submission) {
  push(std::move(submission));
}

void Stream::signal(MarkerSerial serial) {
  push(Signal{serial});
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
  if (producer.completed() < serial) {
    push(Wait{static_cast<Stream&>(producer).progress_, serial});
  }
}

NativeHandle Stream::native_handle() {
  return {HandleKind::stream, reinterpret_cast<std::uint64_t>(this), 0};
}

}  // namespace headrace::host
