// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/headrace.h"
#include "headrace/testing.h"

#include "support/cuda_host_function.h"
#include "support/fake_cuda.h"
#include "support/outside_backend.h"
#include "support/vulkan_hold.h"
#include "support/vulkan_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <numeric>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

// What the tests of tests/device share: one suite runs on every device that this build can have.

namespace headrace {

inline void PrintTo(ErrorCode code, std::ostream* to) {
  *to << to_string(code);
}
inline void PrintTo(DataType dtype, std::ostream* to) {
  *to << to_string(dtype);
}
inline void PrintTo(DeviceType type, std::ostream* to) {
  *to << to_string(type);
}
inline void PrintTo(const Shape& shape, std::ostream* to) {
  *to << shape.to_string();
}

}  // namespace headrace

namespace headrace::test {

/// Names of the devices to test; no driver is touched before `SetUp`. "mock" is a MockDevice that
/// works in random order, "mock_unified" one whose memory the host sees, "outside" a backend of the
/// tests' own that checks how it is called.
inline std::vector<std::string> device_names() {
  std::vector<std::string> names{HEADRACE_TEST_BACKENDS};
  names.insert(names.end(), {"mock", "mock_unified", "outside"});
  return names;
}

/// Those on which a launched function runs in its turn as the work itself, on a thread of the
/// stream's, so that a test can hold a stream for as long as it likes.
inline std::vector<std::string> holding_device_names() {
  return {"host", "outside"};
}

inline std::string device_name(const testing::TestParamInfo<std::string>& info) {
  return info.param;
}

/// Runs the tests of a suite on every device.
#define HEADRACE_ON_EVERY_DEVICE(suite)                                         \
  INSTANTIATE_TEST_SUITE_P(Device,                                              \
                           suite,                                               \
                           testing::ValuesIn(::headrace::test::device_names()), \
                           ::headrace::test::device_name)

/// Runs the tests of a suite on every device whose streams a test can hold.
#define HEADRACE_ON_HOLDING_DEVICES(suite)                                              \
  INSTANTIATE_TEST_SUITE_P(Device,                                                      \
                           suite,                                                       \
                           testing::ValuesIn(::headrace::test::holding_device_names()), \
                           ::headrace::test::device_name)

/// The Error that `call` throws; nothing when it throws none.
inline std::optional<Error> error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

inline std::optional<ErrorCode> code_of(const std::function<void()>& call) {
  const std::optional<Error> error = error_of(call);
  return error ? std::optional(error->code()) : std::nullopt;
}

/// Its text; empty when it throws none.
inline std::string text_of(const std::function<void()>& call) {
  const std::optional<Error> error = error_of(call);
  return error ? error->what() : "";
}

/// The text of an exception a handler was told; "" for null.
inline std::string text_of(const std::exception_ptr& error) {
  try {
    if (error) {
      std::rethrow_exception(error);
    }
  } catch (const std::exception& thrown) {
    return thrown.what();
  }
  return "";
}

/// `first`, `first` + 1, ...
template <class T>
std::vector<T> sequence(std::size_t count, T first = T{}) {
  std::vector<T> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

/// Something that happens once, and that threads wait for.
class Event {
 public:
  void set() {
    if (!was_set_.exchange(true)) {
      for (const std::function<void()>& one : then_) {
        one();
      }
      promise_.set_value();
    }
  }
  /// Has `function` called when it happens, which is later.
  void then(std::function<void()> function) { then_.push_back(std::move(function)); }
  void wait() const { future_.wait(); }
  [[nodiscard]] bool is_set() const { return was_set_; }

 private:
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
  std::atomic<bool> was_set_{false};
  std::vector<std::function<void()>> then_;
};

/// Whether streams of a device can be held, and what it takes.
struct Holding {
  bool can = false;
  NativeHandle vulkan = {};  ///< The device, when its queues are to be held.
  explicit operator bool() const { return can; }
};

/// Makes streams busy until it is opened. On a mock device, which runs work on the thread that
/// asks, it only adds work; the random order does the rest. On cuda, which calls launched functions
/// while it records, the function adds the wait to the recording; on vulkan the stream's queue
/// waits, and with it the streams that share it.
class Gate {
 public:
  explicit Gate(const Holding& holding) : holding_(holding) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { open(); }

  /// Work submitted to `stream` from now on runs only after `open`.
  void hold(const Stream& stream) {
    pools_.push_back(std::make_unique<CommandBufferPool>(stream, 1));
    CommandBuffer commands = pools_.back()->get_buffer();
    if (holding_.vulkan) {
      opened_->then(hold_vulkan_queue(holding_.vulkan, stream.native_handle()));
    }
    commands.launch([opened = opened_, holding = holding_](const Stream& own) {
      const NativeHandle handle = own.native_handle();
      if (holding.vulkan) {
        return;  // Behind what holds the queue.
      }
      if (handle.kind == HandleKind::command_buffer) {
        launch_host_function(
            handle, [](void* data) { static_cast<Event*>(data)->wait(); }, opened.get());
      } else if (holding.can) {
        opened->wait();
      }
    });
    pools_.back()->execute_async(std::move(commands));
  }

  void open() { opened_->set(); }

  /// Opens it from another thread, some time after the caller went on: most often when the caller
  /// is waiting.
  [[nodiscard]] std::jthread open_later() {
    return std::jthread([opened = opened_] {
      for (int i = 0; i < 2000; ++i) {
        std::this_thread::yield();
      }
      opened->set();
    });
  }

 private:
  const Holding holding_;
  std::shared_ptr<Event> opened_ = std::make_shared<Event>();
  std::vector<std::unique_ptr<CommandBufferPool>> pools_;
};

/// Skips the test for want of a device of backend `name`, or fails it when the environment says
/// with HEADRACE_REQUIRE_BACKENDS=cuda,vulkan that there must be one.
inline void skip_or_fail(const std::string& name) {
  const char* required = std::getenv("HEADRACE_REQUIRE_BACKENDS");
  std::istringstream names(required == nullptr ? "" : required);
  for (std::string one; std::getline(names, one, ',');) {
    if (one == name) {
      FAIL() << "backend " << name << " is compiled in and required but has no device";
    }
  }
  GTEST_SKIP() << "backend " << name << " is compiled in but has no device";
}

/// A device, by name, and a memory manager on it. After each test nothing of it may be left.
class DeviceTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "outside") {
      outside::register_once();
      outside::take_violations();
    }
    open(1);
  }

  void TearDown() override {
    tear_down();
    if (const fake_cuda::Control* driver = fake_cuda::control()) {
      EXPECT_THAT(driver->take_violations(), testing::IsEmpty());
    }
    if (const vulkan_layer::Control* layer = vulkan_layer::control()) {
      EXPECT_THAT(layer->take_violations(), testing::IsEmpty());
    }
  }

  void tear_down() {
    manager_ = {};
    if (mock_) {
      mock_->device().synchronize();
      EXPECT_EQ(mock_->live_allocations(), 0U) << "memory was not given back";
    }
    device_ = {};
    mock_.reset();
    if (GetParam() == "outside") {
      // The last handle may go on a stream's thread; another one then gives the memory back.
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
      while (outside::live_blocks() != 0 && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
      }
      EXPECT_EQ(outside::live_blocks(), 0U) << "memory was not given back";
      EXPECT_THAT(outside::take_violations(), testing::IsEmpty());
    }
  }

  /// Runs `body` once; on a mock device many times, each time on a new device with another order.
  void for_each_order(const std::function<void()>& body) {
    const int orders = mock_ ? 24 : 1;
    for (int seed = 1; seed <= orders && !testing::Test::HasFatalFailure(); ++seed) {
      SCOPED_TRACE("order " + std::to_string(seed));
      if (mock_) {
        open(static_cast<std::uint64_t>(seed));
      }
      body();
    }
  }

  /// A manager of its own limits on the same device.
  [[nodiscard]] MemoryManager make_manager(MemoryManagerConfig config = {}) const {
    return MemoryManager(device_, std::move(config));
  }

  [[nodiscard]] Holding can_hold() const {
    return {mock_ == nullptr, GetParam() == "vulkan" ? device_.native_handle() : NativeHandle()};
  }
  /// Whether launched functions are called by the call that submits them, and what they launch is
  /// recorded.
  [[nodiscard]] bool records_launches() const {
    return GetParam() == "cuda" || GetParam() == "vulkan";
  }
  /// Waits for what backends that record do on a thread of their own after the work: they drop what
  /// launches hold and fill traces. Elsewhere `condition` must hold when a wait for the work
  /// returns.
  void wait_for_keeper(const std::function<bool()>& condition) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (records_launches() && !condition() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
  }
  [[nodiscard]] bool is_unified() const { return device_.info().unified_memory; }

  /// A tensor of `values`.
  template <class T>
  [[nodiscard]] Tensor tensor_of(const std::vector<T>& values,
                                 DeviceType device_type = DeviceType::gpu) const {
    Tensor tensor(
        manager_, Shape{static_cast<std::int64_t>(values.size())}, data_type_of<T>, device_type);
    tensor.copy_from(values);
    return tensor;
  }

  std::unique_ptr<MockDevice> mock_;
  Device device_;
  MemoryManager manager_;

 private:
  void open(std::uint64_t seed) {
    manager_ = {};
    device_ = {};
    const std::string& name = GetParam();
    if (name.starts_with("mock")) {
      MockDeviceConfig config;
      config.random_order = true;
      config.seed = seed;
      config.unified_memory = name == "mock_unified";
      mock_ = std::make_unique<MockDevice>(config);
      device_ = mock_->device();
    } else {
      const std::vector<DeviceInfo> all = list_devices();
      const auto found = std::ranges::find(all, name, &DeviceInfo::backend);
      if (found == all.end()) {
        skip_or_fail(name);
        return;
      }
      device_ = open_device(found->spec);
    }
    manager_ = MemoryManager(device_);
  }
};

}  // namespace headrace::test
