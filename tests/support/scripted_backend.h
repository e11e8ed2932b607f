// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/error.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <utility>
#include <vector>

// A backend that does nothing but what a test says, for moments that no real backend shows.

namespace headrace::test {

/// A stream whose calls run what the test put there; work is done when `passed` says so, or when
/// the host waits for it.
class ScriptedStream final : public BackendStream {
 public:
  void submit(std::shared_ptr<Submission> submission) override {
    require_present();
    ++submissions;
    last_submission = std::move(submission);
  }
  void signal(MarkerSerial serial) override {
    require_present();
    signals.push_back(serial);
    if (on_signal) {
      on_signal(serial);
    }
  }
  MarkerSerial completed() override {
    require_present();
    return passed;
  }
  bool wait(MarkerSerial serial, std::chrono::nanoseconds) override {
    require_present();
    passed = std::max(passed, serial);
    return true;
  }
  void wait_for(BackendStream& producer, MarkerSerial serial) override {
    waits.emplace_back(&producer, serial);
  }
  [[nodiscard]] NativeHandle native_handle() override {
    return {HandleKind::stream, reinterpret_cast<std::uint64_t>(this), 0};
  }

  [[nodiscard]] bool is_private() const override { return true; }
  [[nodiscard]] bool is_capturing() const override {
    const bool answer = capturing;
    if (on_look) {
      on_look();
    }
    return answer;
  }

  /// What the calls of a lost device's streams begin with.
  void require_present() const {
    if (is_lost) {
      throw Error(ErrorCode::device_lost, "The scripted device is gone.");
    }
  }

  bool is_lost = false;
  int submissions = 0;
  std::shared_ptr<Submission> last_submission;
  MarkerSerial passed = 0;
  std::vector<MarkerSerial> signals;
  std::vector<std::pair<BackendStream*, MarkerSerial>> waits;
  std::function<void(MarkerSerial)> on_signal;
  std::atomic<bool> capturing = false;
  std::function<void()> on_look;  // when it was asked whether it is captured
};

/// A device with scripted streams, whose memory is the host's.
class ScriptedDevice final : public BackendDevice {
 public:
  [[nodiscard]] DeviceInfo info() const override {
    DeviceInfo info;
    info.spec = "scripted";
    info.backend = "scripted";
    return info;
  }
  [[nodiscard]] DeviceCaps caps() const override { return {.alignment = alignment}; }
  MemoryBlock allocate(DeviceType, std::size_t size) override {
    if (on_allocate) {
      on_allocate(size);
    }
    ++live;
    void* memory = ::operator new(size);
    return {reinterpret_cast<std::uint64_t>(memory),
            static_cast<std::byte*>(memory),
            size,
            HandleKind::pointer};
  }
  void release(const MemoryBlock& block) noexcept override {
    if (on_release) {
      on_release();
    }
    --live;
    ::operator delete(block.host);
  }
  std::shared_ptr<BackendStream> default_stream() override { return make_stream(); }
  std::shared_ptr<BackendStream> make_stream() override {
    streams.push_back(std::make_shared<ScriptedStream>());
    return streams.back();
  }

  [[nodiscard]] bool reaches(const BackendDevice& other) const override {
    return std::ranges::find(reached, &other) != reached.end();
  }

  std::vector<const BackendDevice*> reached;
  std::function<void(std::size_t)> on_allocate;
  std::function<void()> on_release;
  std::size_t alignment = 256;
  std::atomic<int> live = 0;
  std::vector<std::shared_ptr<ScriptedStream>> streams;
};

}  // namespace headrace::test
