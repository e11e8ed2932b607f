// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/error.h"
#include "headrace/trace.h"

#include "backends/cuda/driver.h"
#include "support/fake_cuda.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace headrace::cuda {
std::unique_ptr<Backend> make_backend();
}  // namespace headrace::cuda

// The backend cuda, called as the library calls it, on the driver of tests/fake_cuda.

namespace headrace::test {

/// Longer than any wait of a test; a wait so long sleeps in the driver.
inline constexpr std::chrono::hours kForever(24);
/// A wait so long asks again and again.
inline constexpr std::chrono::seconds kLong(30);

/// Waits until `condition` holds. \returns Whether it did.
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kLong;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

/// The code of the Error that `call` throws; nothing when it throws none.
inline std::optional<ErrorCode> code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

/// Memory of a device, given back when it goes.
class Block {
 public:
  Block(std::shared_ptr<BackendDevice> device, DeviceType type, std::size_t size)
      : device_(std::move(device)), block_(device_->allocate(type, size)) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { device_->release(block_); }

  [[nodiscard]] MemoryView at(std::size_t offset = 0) const {
    return {block_.handle, offset, block_.host == nullptr ? nullptr : block_.host + offset};
  }
  template <class T>
  [[nodiscard]] T* host() const {
    return reinterpret_cast<T*>(block_.host);
  }

 private:
  std::shared_ptr<BackendDevice> device_;
  MemoryBlock block_;
};

/// Memory of a test's own that is registered with a device, until it goes.
class Registered {
 public:
  Registered(std::shared_ptr<BackendDevice> device,
             std::span<const std::byte> memory,
             HostAccess access)
      : device_(std::move(device)),
        block_(
            device_->register_host(const_cast<std::byte*>(memory.data()), memory.size(), access)) {}
  Registered(std::shared_ptr<BackendDevice> device,
             const std::vector<std::uint8_t>& values,
             HostAccess access)
      : Registered(std::move(device), std::as_bytes(std::span(values)), access) {}
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;
  ~Registered() { device_->unregister_host(block_); }

  [[nodiscard]] MemoryView at(std::size_t offset = 0) const {
    return {block_.handle, offset, block_.host + offset};
  }

 private:
  std::shared_ptr<BackendDevice> device_;
  MemoryBlock block_;
};

/// A stream, and the markers put into it.
class Queue {
 public:
  explicit Queue(std::shared_ptr<BackendStream> of) : stream(std::move(of)) {}

  /// Submits commands as the command pool does. \returns Where their failure is told.
  std::shared_ptr<Outcome> submit(std::vector<Command> commands,
                                  std::shared_ptr<Trace> trace = nullptr) const {
    auto submission = std::make_shared<Submission>();
    bool has_launches = false;
    for (const Command& command : commands) {
      has_launches |= std::holds_alternative<LaunchCommand>(command.work);
    }
    submission->commands = std::move(commands);
    submission->trace = std::move(trace);
    submission->track = "queue";
    if (has_launches) {
      stream->prepare(*submission);
    }
    std::shared_ptr<Outcome> outcome = submission->outcome;
    stream->submit(std::move(submission));
    return outcome;
  }

  MarkerSerial signal() {
    stream->signal(++last);
    return last;
  }
  /// Waits for all that was submitted.
  void finish(std::chrono::nanoseconds timeout = kForever) {
    if (!stream->wait(signal(), timeout)) {
      throw std::runtime_error("the wait ended too early");
    }
  }

  std::shared_ptr<BackendStream> stream;
  MarkerSerial last = 0;
};

inline Command copy(const MemoryView& from, const MemoryView& to, std::size_t bytes) {
  return {CopyCommand{from, to, bytes}, "copy"};
}
inline Command fill(const MemoryView& to,
                    std::uint64_t pattern,
                    std::size_t element_bytes,
                    std::size_t count) {
  return {FillCommand{to, pattern, element_bytes, count}, "fill"};
}
inline Command convert(const MemoryView& from,
                       DataType from_type,
                       const MemoryView& to,
                       DataType to_type,
                       std::size_t count) {
  return {ConvertCommand{from, from_type, to, to_type, count}, "convert"};
}
inline Command launch(std::function<void(NativeHandle)> function) {
  return {LaunchCommand{std::move(function)}, "launch"};
}

/// A device of the backend's. After each test nothing of it is left and nothing wrong was done.
class CudaTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(cuda::Driver::find(), nullptr) << "no CUDA driver is found";
    driver_ = fake_cuda::control();
    ASSERT_NE(driver_, nullptr) << "the CUDA driver is not that of the tests";
    driver_->reset();
    before_ = living();
    device_ = backend_->open(0);
  }

  void TearDown() override {
    driver_->set_manual(false);
    device_ = {};
    backend_ = {};
    // What a launch held may be dropped by a thread that ends by itself.
    eventually([&] { return living() == before_; });
    EXPECT_EQ(living(), before_);
    EXPECT_THAT(driver_->take_violations(), testing::IsEmpty());
  }

  /// How many objects of each kind the driver has.
  [[nodiscard]] std::map<std::string, int> living() const {
    std::map<std::string, int> all;
    for (const char* kind : {"memory",
                             "host memory",
                             "registered memory",
                             "stream",
                             "event",
                             "graph",
                             "graph exec",
                             "module",
                             "context"}) {
      all[kind] = driver_->live(kind);
    }
    return all;
  }

  [[nodiscard]] Queue queue() const { return Queue(device_->make_stream()); }
  [[nodiscard]] std::unique_ptr<Block> block(std::size_t size,
                                             DeviceType type = DeviceType::gpu) const {
    return std::make_unique<Block>(device_, type, size);
  }

  /// Makes the device's context current for calls of the test's own, to the end of its scope.
  class Current {
   public:
    explicit Current(int device = 0) : device_(device) {
      CUcontext context = nullptr;
      api().cuDevicePrimaryCtxRetain(&context, device);
      api().cuCtxPushCurrent(context);
    }
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;
    ~Current() {
      CUcontext context = nullptr;
      api().cuCtxPopCurrent(&context);
      api().cuDevicePrimaryCtxRelease(device_);
    }

   private:
    const int device_;
  };

  static const cuda::Driver& api() { return *cuda::Driver::find(); }

  const fake_cuda::Control* driver_ = nullptr;
  std::unique_ptr<Backend> backend_ = cuda::make_backend();
  std::shared_ptr<BackendDevice> device_;
  std::map<std::string, int> before_;  ///< What was alive when the test began.
};

}  // namespace headrace::test
