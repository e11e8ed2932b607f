// SPDX-License-Identifier: Apache-2.0
#include "headrace/headrace.h"

#include "core/access.h"
#include "core/device_state.h"
#include "core/process.h"
#include "cuda/round.h"

#include <future>

// A device whose context breaks.

namespace headrace::test {
namespace {

class CudaLostTest : public CudaTest {};

TEST_F(CudaLostTest, EveryWaiterIsToldAndEveryCallAfterwards) {
  {
    Queue queue = this->queue();
    const Queue other = this->queue();
    const auto memory = block(1000);
    driver_->set_manual(true);
    queue.submit({fill(memory->at(), 1, 1, 1000)});
    const MarkerSerial marker = queue.signal();
    std::vector<std::future<std::optional<ErrorCode>>> waiters;
    for (const std::chrono::nanoseconds timeout :
         {std::chrono::nanoseconds(kForever), std::chrono::nanoseconds(kLong)}) {
      waiters.push_back(std::async(std::launch::async, [&queue, marker, timeout] {
        return code_of([&] { queue.stream->wait(marker, timeout); });
      }));
    }
    ASSERT_TRUE(eventually([&] { return driver_->calls("cuEventSynchronize") == 1; }));
    driver_->lose(0);
    for (auto& waiter : waiters) {
      EXPECT_EQ(waiter.get(), ErrorCode::device_lost);
    }
    EXPECT_EQ(code_of([&] { queue.submit({fill(memory->at(), 1, 1, 10)}); }),
              ErrorCode::device_lost);
    EXPECT_EQ(code_of([&] { queue.signal(); }), ErrorCode::device_lost);
    EXPECT_EQ(code_of([&] { queue.stream->completed(); }), ErrorCode::device_lost);
    EXPECT_EQ(code_of([&] { other.stream->wait_for(*queue.stream, marker); }),
              ErrorCode::device_lost);
    EXPECT_EQ(code_of([&] { static_cast<void>(queue.stream->is_capturing()); }),
              ErrorCode::device_lost);
    EXPECT_EQ(code_of([&] { device_->allocate(DeviceType::gpu, 10); }), ErrorCode::device_lost);
    EXPECT_EQ(code_of([&] { device_->make_stream(); }), ErrorCode::device_lost);
  }
}

TEST_F(CudaLostTest, WhatLaunchesHoldIsDropped) {
  const auto token = std::make_shared<int>(1);
  {
    const Queue queue = this->queue();
    driver_->set_manual(true);
    const auto memory = block(100);
    queue.submit({fill(memory->at(), 1, 1, 100), launch([token](NativeHandle) {})});
    driver_->lose(0);
  }
  EXPECT_TRUE(eventually([&] { return token.use_count() == 1; }));
}

// What launches hold may need, as it is dropped, what whoever destroys the stream holds.
TEST_F(CudaLostTest, AStreamThatGoesDoesNotWaitForWhatItsLaunchesHold) {
  std::promise<void> stream_is_gone;
  const auto was_gone = std::make_shared<std::promise<bool>>();
  const auto drop = [&stream_is_gone, was_gone](void*) {
    was_gone->set_value(stream_is_gone.get_future().wait_for(kLong) == std::future_status::ready);
  };
  {
    Queue queue = this->queue();
    driver_->set_manual(true);
    const auto memory = block(100);
    queue.submit({fill(memory->at(), 1, 1, 100),
                  launch([guard = std::shared_ptr<void>(nullptr, drop)](NativeHandle) {})});
    driver_->lose(0);
    EXPECT_EQ(code_of([&] { queue.signal(); }), ErrorCode::device_lost);
  }
  stream_is_gone.set_value();
  EXPECT_TRUE(was_gone->get_future().get());
}

TEST_F(CudaLostTest, ADeviceOpenedAgainAfterAllUsersHasANewContext) {
  Round(device_).run();
  {
    const auto memory = block(100);
    const auto pinned = block(100, DeviceType::cpu);
    driver_->lose(0);
    EXPECT_EQ(code_of([&] { device_->make_stream(); }), ErrorCode::device_lost);
    EXPECT_EQ(code_of([&] { Round(backend_->open(0)).run(); }), ErrorCode::device_lost)
        << "users of the lost context are left";
  }
  device_ = {};
  device_ = backend_->open(0);
  Round(device_).run();
}

TEST_F(CudaLostTest, TheOtherDeviceGoesOn) {
  const std::shared_ptr<BackendDevice> other = backend_->open(1);
  driver_->lose(0);
  EXPECT_EQ(code_of([&] { device_->make_stream(); }), ErrorCode::device_lost);
  Round(other).run();
}

// The same through the library, but for its list of devices, which keeps contexts to the end.
TEST_F(CudaLostTest, TheLibrarysUsersAreToldAndCanOpenItAgain) {
  const fake_cuda::Control* driver = driver_;
  const auto open = [&] {
    return core::DeviceAccess::make(core::make_shared_here<core::DeviceState>(backend_->open(1)));
  };
  Device device = open();
  std::vector<std::future<std::optional<ErrorCode>>> waiters;
  {
    const MemoryManager manager(device);
    const Tensor tensor(manager, {1000}, DataType::float32);
    const Stream stream = device.make_stream();
    CommandBufferPool pool(stream, 2);
    driver->set_manual(true);
    CommandBuffer commands = pool.get_buffer();
    commands.fill(tensor, 1.0);
    std::promise<std::exception_ptr> handler;
    const Completion completion =
        pool.execute_async(std::move(commands),
                           [&](std::exception_ptr error) { handler.set_value(std::move(error)); });
    waiters.push_back(std::async(std::launch::async,
                                 [completion] { return code_of([&] { completion.wait(); }); }));
    waiters.push_back(std::async(std::launch::async,
                                 [stream] { return code_of([&] { stream.synchronize(); }); }));
    driver->lose(1);
    for (auto& waiter : waiters) {
      EXPECT_EQ(waiter.get(), ErrorCode::device_lost);
    }
    EXPECT_EQ(code_of([error = handler.get_future().get()] {
                if (error) {
                  std::rethrow_exception(error);
                }
              }),
              ErrorCode::device_lost);
  }
  driver->set_manual(false);
  device = {};
  device = open();
  const MemoryManager manager(device);
  Tensor tensor(manager, {3}, DataType::int32);
  tensor.copy_from(std::vector<std::int32_t>{1, 2, 3});
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), (std::vector<std::int32_t>{1, 2, 3}));
}

}  // namespace
}  // namespace headrace::test
