// SPDX-License-Identifier: Apache-2.0
#include "pretend.h"

#include <headrace/error.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>

namespace pretend {

namespace {

using headrace::MarkerSerial;

constexpr std::size_t kAlignment = 256;

/// What a stream shares with its thread and with the streams that wait for it; outlives the stream
/// where one of them is longer.
class Queue {
 public:
  void push(std::function<void()> task) {
    {
      const std::scoped_lock lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    changed_.notify_all();
  }

  /// Runs tasks until it comes to an empty one.
  void run() {
    while (const std::function<void()> task = take()) {
      task();
    }
  }

  void pass(MarkerSerial serial) {
    {
      const std::scoped_lock lock(mutex_);
      passed_ = serial;
    }
    changed_.notify_all();
  }

  [[nodiscard]] MarkerSerial passed() {
    const std::scoped_lock lock(mutex_);
    return passed_;
  }

  bool wait(MarkerSerial serial, std::chrono::nanoseconds timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [&] { return passed_ >= serial; });
  }

 private:
  std::function<void()> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !tasks_.empty(); });
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    return task;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  MarkerSerial passed_ = 0;                  // guarded by mutex_
};

class Stream final : public headrace::BackendStream {
 public:
  Stream() : thread_([queue = queue_] { queue->run(); }) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  /// What was submitted still runs; it may itself hold the last handle of the stream.
  ~Stream() override {
    queue_->push(nullptr);
    is_this_thread() ? thread_.detach() : thread_.join();
  }

  // A task lets go of its submission, which holds objects of the caller's, before the next one
  // runs.
  void submit(std::shared_ptr<headrace::Submission> submission) override {
    queue_->push([submission = std::move(submission), stream = native_handle()] {
      headrace::run_on_host(*submission, stream);
    });
  }

  void signal(MarkerSerial serial) override {
    queue_->push([queue = queue_.get(), serial] { queue->pass(serial); });
  }

  MarkerSerial completed() override { return queue_->passed(); }

  bool wait(MarkerSerial serial, std::chrono::nanoseconds timeout) override {
    if (is_this_thread() && completed() < serial) {
      throw headrace::Error(headrace::ErrorCode::invalid_argument,
                            "Work on a stream of pretend waits for that stream, which would never "
                            "end.");
    }
    return queue_->wait(serial, timeout);
  }

  void wait_for(headrace::BackendStream& producer, MarkerSerial serial) override {
    queue_->push([other = static_cast<Stream&>(producer).queue_, serial] {
      while (!other->wait(serial, std::chrono::hours(1))) {
      }
    });
  }

  [[nodiscard]] headrace::NativeHandle native_handle() override {
    return {headrace::HandleKind::stream, reinterpret_cast<std::uint64_t>(this), 0};
  }
  [[nodiscard]] bool is_private() const override { return true; }

 private:
  [[nodiscard]] bool is_this_thread() const {
    return thread_.get_id() == std::this_thread::get_id();
  }

  const std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
  std::thread thread_;
};

headrace::DeviceInfo describe() {
  headrace::DeviceInfo info;
  info.spec = "pretend";
  info.backend = "pretend";
  info.name = "memory of the heap's";
  info.total_bytes = std::uint64_t{1} << 30;
  return info;
}

/// Pools, limits and staging are the library's: it asks for a few large blocks.
class Device final : public headrace::BackendDevice {
 public:
  [[nodiscard]] headrace::DeviceInfo info() const override { return describe(); }
  [[nodiscard]] headrace::DeviceCaps caps() const override { return {.alignment = kAlignment}; }

  headrace::MemoryBlock allocate(headrace::DeviceType type, std::size_t size) override {
    void* memory = size > describe().total_bytes
                       ? nullptr
                       : ::operator new (size, std::align_val_t{kAlignment}, std::nothrow);
    if (memory == nullptr) {
      throw headrace::Error(headrace::ErrorCode::out_of_memory,
                            "pretend has no " + std::to_string(size) + " bytes of memory left.");
    }
    const bool is_hosts = type == headrace::DeviceType::cpu;
    return {.handle = reinterpret_cast<std::uint64_t>(memory),
            .host = is_hosts ? static_cast<std::byte*>(memory) : nullptr,
            .size = size};
  }

  void release(const headrace::MemoryBlock& block) noexcept override {
    const headrace::NativeHandle address{block.kind, block.handle, 0};
    ::operator delete (address.as_pointer<void>(), std::align_val_t{kAlignment});
  }

  /// Nothing to do: its work reads any memory of the process.
  headrace::MemoryBlock register_host(std::byte* memory,
                                      std::size_t size,
                                      headrace::HostAccess /*access*/) override {
    return {.handle = reinterpret_cast<std::uint64_t>(memory), .host = memory, .size = size};
  }

  std::shared_ptr<headrace::BackendStream> default_stream() override { return make_stream(); }
  std::shared_ptr<headrace::BackendStream> make_stream() override {
    return std::make_shared<Stream>();
  }
};

class Pretend final : public headrace::Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "pretend"; }
  std::vector<headrace::DeviceInfo> devices() override { return {describe()}; }
  std::shared_ptr<headrace::BackendDevice> open(int /*index*/) override {
    return std::make_shared<Device>();
  }
};

}  // namespace

std::unique_ptr<headrace::Backend> make_backend() {
  return std::make_unique<Pretend>();
}

}  // namespace pretend
