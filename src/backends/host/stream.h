// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

namespace headrace::host {

/// A stream that is a thread: work runs there, in order, while the submitter goes on.
class Stream final : public BackendStream {
 public:
  Stream();
  /// Waits for the work submitted, unless it is that work which destroys the stream.
  ~Stream() override;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void submit(std::shared_ptr<Submission> submission) override;
  void signal(MarkerSerial serial) override;
  MarkerSerial completed() override;
  bool wait(MarkerSerial serial, std::chrono::nanoseconds timeout) override;
  void wait_for(BackendStream& producer, MarkerSerial serial) override;
  [[nodiscard]] NativeHandle native_handle() override;
  [[nodiscard]] bool is_private() const override { return true; }

 private:
  /// How far the work is; outlives the stream where another one waits for it.
  struct Progress {
    std::mutex mutex;
    std::condition_variable changed;
    MarkerSerial completed = 0;
  };
  struct Signal {
    MarkerSerial serial = 0;
  };
  struct Wait {
    std::shared_ptr<Progress> producer;
    MarkerSerial serial = 0;
  };
  using Task = std::variant<std::shared_ptr<Submission>, Signal, Wait>;
  /// What the submitters and the thread share; the thread keeps it until it ends.
  struct Queue {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Task> tasks;
    bool closed = false;
  };
  /// The thread's side.
  struct Runner;

  void push(Task task);

  const std::shared_ptr<Progress> progress_ = std::make_shared<Progress>();
  const std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
  std::thread thread_;
};

}  // namespace headrace::host
