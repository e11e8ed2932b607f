// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/backend_fixture.h"
#include "support/cuda_host_function.h"

#include <atomic>
#include <exception>
#include <future>
#include <memory>
#include <numeric>
#include <vector>

namespace headrace::test {

/// Something that happens once, and that a thread waits for.
class Event {
 public:
  void set() { promise_.set_value(); }
  void wait() { future_.wait(); }

 private:
  std::promise<void> promise_;
  std::future<void> future_ = promise_.get_future();
};

/// Something of everything that the backend does with a device, and whether the results are right.
class Round {
 public:
  explicit Round(const std::shared_ptr<BackendDevice>& device)
      : device_(device), queue_(device->make_stream()), other_(device->make_stream()) {}

  /// \throws Error, or std::runtime_error when a result is wrong.
  void run() {
    work_of_each_kind();
    registered();
    batches();
    launches();
    adopted();
    outcome();
  }

 private:
  static constexpr std::size_t kCount = 1000;

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
    const Block host(device_, DeviceType::cpu, kCount * 8);
    const Block gpu(device_, DeviceType::gpu, kCount * 8);
    const Block more(device_, DeviceType::persistent_gpu, kCount * 8);
    std::iota(host.host<std::uint8_t>(), host.host<std::uint8_t>() + kCount, std::uint8_t{0});
    auto spec = std::make_shared<ExpandSpec>();
    spec->height = 10;
    spec->width = 10;
    spec->channels = 2;
    spec->to_planar = true;
    spec->scale = {2.0F, 3.0F};
    spec->bias = {1.0F, -1.0F};
    told(queue_.submit({copy(host.at(), gpu.at(), kCount)}));
    told(queue_.submit({convert(gpu.at(1), DataType::uint8, more.at(), DataType::float32, 10)}));
    told(queue_.submit({copy(more.at(), host.at(4), 40)}));
    told(queue_.submit({{ExpandCommand{gpu.at(), more.at(), 5, spec}, "expand"},
                        copy(more.at(), host.at(400), 400)}));
    queue_.finish();
    require(host.host<float>()[1] == 1.0F && host.host<float>()[10] == 10.0F, "conversion");
    require(host.host<float>()[100] == 1.0F && host.host<float>()[101] == 5.0F, "expansion");
    told(queue_.submit({fill(gpu.at(), 0x0102030405060708, 8, 10),
                        fill(gpu.at(80), 7, 1, 3),
                        fill(gpu.at(84), 0x0908, 2, 2),
                        fill(gpu.at(88), 0x0c0b0a09, 4, 1)}));
    other_.stream->wait_for(*queue_.stream, queue_.signal());
    told(other_.submit({copy(gpu.at(), host.at(), 92)}));
    other_.finish(kLong);
    require(host.host<std::uint64_t>()[9] == 0x0102030405060708, "fill of 8 bytes");
    require(host.host<std::uint8_t>()[82] == 7, "fill of bytes");
    require(host.host<std::uint16_t>()[43] == 0x0908, "fill of 2 bytes");
    require(host.host<std::uint32_t>()[22] == 0x0c0b0a09, "fill of 4 bytes");
  }

  void registered() {
    std::vector<std::uint8_t> values(kCount, 3);
    const Registered own(device_, values, HostAccess::read_write);
    const Block gpu(device_, DeviceType::gpu, kCount);
    told(queue_.submit({copy(own.at(), gpu.at(), kCount),
                        fill(gpu.at(10), 4, 1, 10),
                        copy(gpu.at(10), own.at(500), 10)}));
    queue_.finish();
    outcome();
    require(values[0] == 3 && values[500] == 4 && values[510] == 3, "registered memory");
  }

  void batches() {
    const Block host(device_, DeviceType::cpu, kCount);
    const Block first(device_, DeviceType::gpu, kCount);
    const Block second(device_, DeviceType::gpu, kCount);
    for (int turn = 0; turn < 4; ++turn) {
      const Block& target = turn < 3 ? first : second;
      std::vector<Command> commands;
      for (std::uint64_t i = 0; i < 16; ++i) {
        commands.push_back(fill(target.at(i * 4), i + static_cast<unsigned>(turn), 1, 4));
        commands.push_back(copy(target.at(i * 4), target.at(100 + i * 4), 4));
        commands.push_back(convert(target.at(100 + i * 4),
                                   DataType::uint8,
                                   target.at(200 + i * 16),
                                   DataType::float32,
                                   4));
        commands.push_back(copy(target.at(200 + i * 16), host.at(i * 16), 16));
      }
      told(queue_.submit(std::move(commands)));
      queue_.finish();
      for (std::size_t i = 0; i < 16; ++i) {
        require(host.host<float>()[i * 4 + 3] == static_cast<float>(i) + static_cast<float>(turn),
                "batch");
      }
    }
  }

  void launches() {
    const Block host(device_, DeviceType::cpu, kCount);
    const Block gpu(device_, DeviceType::gpu, kCount);
    const auto ran = std::make_shared<std::atomic<int>>(0);
    for (int turn = 0; turn < 3; ++turn) {
      told(queue_.submit(
          {fill(gpu.at(), 5, 1, kCount),
           launch([ran](NativeHandle stream) {
             launch_host_function(
                 stream, [](void* count) { ++*static_cast<std::atomic<int>*>(count); }, ran.get());
           }),
           copy(gpu.at(), host.at(), kCount)},
          turn == 2 ? std::make_shared<Trace>() : nullptr));
      queue_.finish();
      outcome();
      require(*ran == turn + 1, "launch");
      require(host.host<std::uint8_t>()[kCount - 1] == 5, "work beside a launch");
    }
    told(queue_.submit({fill(gpu.at(), 6, 1, kCount)}, std::make_shared<Trace>()));
    queue_.finish();
  }

  void adopted() {
    Queue same(device_->adopt_stream(queue_.stream->native_handle()));
    const Block host(device_, DeviceType::cpu, kCount);
    told(same.submit({fill(host.at(), 9, 1, kCount)}));
    same.finish();
    require(host.host<std::uint8_t>()[0] == 9, "adopted stream");
    require(!same.stream->is_capturing(), "capturing");
    require(same.stream->completed() == 1, "completed");
    require(!same.stream->is_private(), "private");
    Queue standard(device_->default_stream());
    told(standard.submit({fill(host.at(), 8, 1, kCount)}));
    standard.finish();
    require(host.host<std::uint8_t>()[0] == 8, "default stream");
  }

  std::shared_ptr<BackendDevice> device_;
  Queue queue_;
  Queue other_;
  std::vector<std::shared_ptr<Outcome>> outcomes_;
};

}  // namespace headrace::test
