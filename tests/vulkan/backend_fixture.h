// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/error.h"

#include "support/vulkan_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace headrace::vulkan {
std::unique_ptr<Backend> make_backend();
}  // namespace headrace::vulkan

// The backend vulkan, called as the library calls it, on the layer of tests/vulkan_layer.

namespace headrace::test {

inline constexpr std::chrono::hours kForever(24);

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

/// A stream, and the markers put into it.
class Queue {
 public:
  explicit Queue(std::shared_ptr<BackendStream> of) : stream(std::move(of)) {}

  /// Submits commands as the command pool does. \returns Where their failure is told.
  std::shared_ptr<Outcome> submit(std::vector<Command> commands) const {
    auto submission = std::make_shared<Submission>();
    bool has_launches = false;
    for (const Command& command : commands) {
      has_launches |= std::holds_alternative<LaunchCommand>(command.work);
    }
    submission->commands = std::move(commands);
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
  void finish() {
    if (!stream->wait(signal(), kForever)) {
      throw std::runtime_error("the wait ended too early");
    }
  }

  std::shared_ptr<BackendStream> stream;
  MarkerSerial last = 0;
};

inline Command copy(const MemoryView& from, const MemoryView& to, std::size_t bytes) {
  return {CopyCommand{from, to, bytes}, "copy"};
}
inline Command fill(const MemoryView& to, std::uint64_t pattern, std::size_t count) {
  return {FillCommand{to, pattern, 1, count}, "fill"};
}
inline Command convert(const MemoryView& from, const MemoryView& to, std::size_t count) {
  return {ConvertCommand{from, DataType::uint8, to, DataType::float32, count}, "convert"};
}
/// One channel of bytes, times `scale` plus a half.
inline Command expand(const MemoryView& from,
                      const MemoryView& to,
                      std::int64_t count,
                      float scale) {
  auto spec = std::make_shared<ExpandSpec>();
  spec->to = DataType::float32;
  spec->height = spec->width = spec->channels = 1;
  spec->scale = {scale};
  spec->bias = {0.5F};
  return {ExpandCommand{from, to, count, spec}, "expand"};
}
inline Command launch(std::function<void(NativeHandle)> function) {
  return {LaunchCommand{std::move(function)}, "launch"};
}

/// Skips the test for want of the layer, or fails it when the environment says with
/// HEADRACE_REQUIRE_BACKENDS=cuda,vulkan that there must be such devices.
inline void skip_or_fail() {
  const char* required = std::getenv("HEADRACE_REQUIRE_BACKENDS");
  std::istringstream names(required == nullptr ? "" : required);
  for (std::string one; std::getline(names, one, ',');) {
    if (one == "vulkan") {
      FAIL() << "vulkan is required, but has no device of the tests' own layer";
    }
  }
  GTEST_SKIP() << "the tests' own Vulkan layer is not loaded";
}

/// A device of the backend's. After each test no memory of it is left and nothing wrong was done.
class VulkanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (backend_->devices().empty() || vulkan_layer::control() == nullptr) {
      return skip_or_fail();
    }
    layer_ = vulkan_layer::control();
    device_ = backend_->open(0);
    count_what_is_kept();
  }

  void TearDown() override {
    if (layer_ == nullptr) {
      return;
    }
    layer_->release();
    device_ = {};
    // A lost device's own memory goes with it.
    EXPECT_LE(layer_->live("memory"), memory_);
    EXPECT_LE(layer_->live("buffer"), buffers_);
    EXPECT_THAT(layer_->take_violations(), ::testing::IsEmpty());
  }

  /// Looks at the devices anew, which then are as the variable of tests/vulkan_layer/settings.h
  /// says.
  void open_with(const char* variable, const char* value) {
    setenv(variable, value, 1);
    backend_ = new_backend();
    device_ = backend_->open(0);
    unsetenv(variable);
  }

  /// Counts the memory that the device keeps for coefficients, which it has made by then, and any
  /// other that there is.
  void count_what_is_kept() {
    keep_coefficients();
    layer_->reset();
    memory_ = layer_->live("memory");
    buffers_ = layer_->live("buffer");
  }

  /// Loses the device, if there is one, and opens it anew.
  void reopen() {
    if (device_ != nullptr) {
      layer_->lose();
      while (code_of([&] { queue().stream->completed(); }) != ErrorCode::device_lost) {
      }
      device_ = {};
    }
    device_ = backend_->open(0);
  }

  [[nodiscard]] Queue queue() const { return Queue(device_->make_stream()); }
  [[nodiscard]] std::unique_ptr<Block> block(std::size_t size,
                                             DeviceType type = DeviceType::gpu) const {
    return std::make_unique<Block>(device_, type, size);
  }

  const vulkan_layer::Control* layer_ = nullptr;
  Backend* backend_ = new_backend();
  std::shared_ptr<BackendDevice> device_;

 private:
  /// Backends last as long as the program, as the library's own do: their devices stay open.
  static Backend* new_backend() {
    static auto* const all = new std::vector<std::unique_ptr<Backend>>;
    return all->emplace_back(vulkan::make_backend()).get();
  }

  void keep_coefficients() const {
    const auto gpu = block(64);
    Queue queue = this->queue();
    queue.submit({expand(gpu->at(), gpu->at(32), 8, 1)});
    queue.finish();
  }

  int memory_ = 0;
  int buffers_ = 0;
};

}  // namespace headrace::test
