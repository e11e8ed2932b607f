// SPDX-License-Identifier: Apache-2.0
#include "pretend.h"

#include <headrace/error.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace pretend {

namespace {

using headrace::MarkerSerial;

constexpr std::size_t kAlignment = 256;

/// A number that rises, and that threads wait for.
class Timeline {
 public:
  void reach(MarkerSerial value) {
    const std::scoped_lock lock(mutex_);
    value_ = value;
    changed_.notify_all();
  }

  bool wait(MarkerSerial value, std::chrono::nanoseconds timeout = std::chrono::hours(10'000)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [&] { return value_ >= value; });
  }

  MarkerSerial value() {
    const std::scoped_lock lock(mutex_);
    return value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  MarkerSerial value_ = 0;  // guarded by mutex_
};

/// A thread for each piece of work, which waits for its turn. It shares the timelines with the
/// stream, which may end first: work may hold the last handle of it.
class Stream final : public headrace::BackendStream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() override {
    if (!is_this_threads()) {
      turns_->wait(next_turn_);
    }
  }

  void submit(std::shared_ptr<headrace::Submission> submission) override {
    run([submission = std::move(submission)] { headrace::run_on_host(*submission, {}); });
  }
  void signal(MarkerSerial serial) override {
    run([markers = markers_, serial] { markers->reach(serial); });
  }
  MarkerSerial completed() override { return markers_->value(); }
  bool wait(MarkerSerial serial, std::chrono::nanoseconds timeout) override {
    if (is_this_threads() && markers_->value() < serial) {
      throw headrace::Error(headrace::ErrorCode::invalid_argument,
                            "Work on a stream of pretend waits for that stream.");
    }
    return markers_->wait(serial, timeout);
  }
  void wait_for(headrace::BackendStream& producer, MarkerSerial serial) override {
    run([markers = static_cast<Stream&>(producer).markers_, serial] { markers->wait(serial); });
  }
  [[nodiscard]] headrace::NativeHandle native_handle() override { return {}; }

 private:
  /// Work lets go of all that it holds before the next has its turn.
  void run(std::function<void()> work) try {
    std::thread([work = std::move(work), turns = turns_, turn = next_turn_]() mutable {
      turns->wait(turn);
      turns_of_thread = turns.get();
      work();
      work = nullptr;
      turns->reach(turn + 1);
    }).detach();
    ++next_turn_;
  } catch (const std::system_error& error) {
    throw headrace::Error(headrace::ErrorCode::out_of_memory,
                          std::string("pretend has no thread left: ") + error.what());
  }

  [[nodiscard]] bool is_this_threads() const { return turns_of_thread == turns_.get(); }

  static inline thread_local const Timeline* turns_of_thread = nullptr;

  const std::shared_ptr<Timeline> markers_ = std::make_shared<Timeline>();
  const std::shared_ptr<Timeline> turns_ = std::make_shared<Timeline>();
  MarkerSerial next_turn_ = 0;
};

/// Pools, limits and staging are the library's: it asks for a few large blocks.
class Device final : public headrace::BackendDevice {
 public:
  [[nodiscard]] headrace::DeviceInfo info() const override {
    return {.spec = "pretend",
            .backend = "pretend",
            .name = "memory of the heap's",
            .total_bytes = std::uint64_t{1} << 30};
  }

  [[nodiscard]] headrace::DeviceCaps caps() const override { return {.alignment = kAlignment}; }

  headrace::MemoryBlock allocate(headrace::DeviceType type, std::size_t size) override {
    auto* memory =
        static_cast<std::byte*>(::operator new (size, std::align_val_t{kAlignment}, std::nothrow));
    if (memory == nullptr) {
      throw headrace::Error(headrace::ErrorCode::out_of_memory,
                            "pretend has no " + std::to_string(size) + " bytes of memory left.");
    }
    return {.handle = reinterpret_cast<std::uint64_t>(memory),
            .host = type == headrace::DeviceType::cpu ? memory : nullptr,
            .size = size};
  }

  void release(const headrace::MemoryBlock& block) noexcept override {
    const headrace::NativeHandle address{block.kind, block.handle, 0};
    ::operator delete (address.as_pointer<void>(), std::align_val_t{kAlignment});
  }

  std::shared_ptr<headrace::BackendStream> default_stream() override { return make_stream(); }
  std::shared_ptr<headrace::BackendStream> make_stream() override {
    return std::make_shared<Stream>();
  }
};

class Pretend final : public headrace::Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "pretend"; }
  std::vector<headrace::DeviceInfo> devices() override { return {Device().info()}; }
  std::shared_ptr<headrace::BackendDevice> open(int /*index*/) override {
    return std::make_shared<Device>();
  }
};

}  // namespace

std::unique_ptr<headrace::Backend> make_backend() {
  return std::make_unique<Pretend>();
}

}  // namespace pretend
