// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/trace.h"

#include "vulkan/backend_fixture.h"

#include <exception>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

namespace headrace::test {

/// Memory of the test's own that the device uses in place.
class Registered {
 public:
  Registered(std::shared_ptr<BackendDevice> device, std::vector<std::uint8_t>& values)
      : device_(std::move(device)),
        block_(device_->register_host(
            reinterpret_cast<std::byte*>(values.data()), values.size(), HostAccess::read_write)) {}
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;
  ~Registered() { device_->unregister_host(block_); }

  [[nodiscard]] MemoryView at(std::size_t offset) const {
    return {block_.handle, offset, block_.host + offset};
  }

 private:
  std::shared_ptr<BackendDevice> device_;
  MemoryBlock block_;
};

/// Something of everything that the backend does with a device, and whether the results are right.
/// The device has timestamps and uses host memory in place.
class Round {
 public:
  Round(std::shared_ptr<BackendDevice> device, const vulkan_layer::Control& layer)
      : device_(std::move(device)), layer_(layer) {}

  /// \throws Error, or std::runtime_error when a result is wrong.
  void run() {
    work_of_each_kind();
    large_copies();
    launches();
    long_waits();
    outcome();
    require(host_.host<std::uint8_t>()[kLarge - 1] == 8, "large copy");
    require(values_[600] == 9 && values_[500] == 0, "memory in place");
  }

 private:
  static constexpr std::size_t kLarge = std::size_t{2} << 20;

  static void require(bool is_right, const char* what) {
    if (!is_right) {
      throw std::runtime_error(std::string("wrong: ") + what);
    }
  }
  void told(const std::shared_ptr<Outcome>& outcome) { outcomes_.push_back(outcome); }

  void outcome() const {
    for (const std::shared_ptr<Outcome>& outcome : outcomes_) {
      if (outcome->error()) {
        std::rethrow_exception(outcome->error());
      }
    }
  }

  void work_of_each_kind() {
    auto spec = std::make_shared<ExpandSpec>();
    spec->channels = 2;
    spec->scale = {1.0F, 2.0F};
    spec->bias = {1.0F, -1.0F};
    told(queue_.submit({fill(gpu_.at(), 3, 100),
                        convert(gpu_.at(), gpu_.at(1024), 100),
                        copy(gpu_.at(1024), host_.at(), 400)}));
    told(queue_.submit({{ExpandCommand{gpu_.at(), gpu_.at(2048), 10, spec}, "expand"},
                        copy(gpu_.at(2048), host_.at(16), 80)}));
    queue_.finish();
    outcome();
    require(host_.host<float>()[1] == 3.0F && host_.host<float>()[5] == 5.0F, "expansion");
  }

  void large_copies() {
    told(queue_.submit({fill(gpu_.at(), 8, kLarge), copy(gpu_.at(), host_.at(), kLarge)}));
    other_.stream->wait_for(*queue_.stream, queue_.signal());
    told(other_.submit({fill(gpu_.at(), 9, 8), copy(gpu_.at(), own_.at(600), 8)}));
    queue_.finish();
    other_.finish();
  }

  void launches() {
    auto submission = std::make_shared<Submission>();
    submission->commands = {launch([](NativeHandle) {}), fill(gpu_.at(), 9, 100)};
    submission->commands.back().label = "fill";
    submission->trace = std::make_shared<Trace>();
    queue_.stream->prepare(*submission);
    told(submission->outcome);
    queue_.stream->submit(std::move(submission));
    queue_.finish();
  }

  /// Long enough for a thread to sleep.
  void long_waits() {
    layer_.hold();
    const std::jthread opener([&layer = layer_] {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      layer.release();
    });
    told(queue_.submit({fill(gpu_.at(), 7, 100)}));
    queue_.finish();
  }

  const std::shared_ptr<BackendDevice> device_;
  const vulkan_layer::Control& layer_;
  std::vector<std::uint8_t> values_ = std::vector<std::uint8_t>(1000);
  const Registered own_{device_, values_};
  const Block host_{device_, DeviceType::cpu, kLarge};
  const Block gpu_{device_, DeviceType::gpu, kLarge};
  std::vector<std::shared_ptr<Outcome>> outcomes_;
  // These go first, and wait.
  Queue queue_{device_->make_stream()};
  Queue other_{device_->make_stream()};
};

}  // namespace headrace::test
