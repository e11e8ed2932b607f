// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/headrace.h"
#include "headrace/testing.h"

#include "support/child_process.h"
#include "support/loader_sources.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <memory_resource>
#include <string>
#include <utility>
#include <vector>

// One of everything the library has, made before a fork.

namespace headrace::test {

inline constexpr std::size_t kBytes = 4000;

inline AsyncDataLoaderConfig loader_config(const MemoryManager& manager) {
  AsyncDataLoaderConfig config;
  config.batch_size = 4;
  config.memory_manager = manager;
  config.epochs = 0;
  return config;
}

struct Family {
  Device device = open_device("host");
  Stream stream = device.make_stream();
  std::shared_ptr<Trace> trace = std::make_shared<Trace>();
  MemoryManager manager{device};
  BufferPool pool{device, kBytes, 3};
  Buffer buffer = manager.get_buffer(kBytes, DeviceType::cpu);
  Buffer pooled = pool.get();
  Buffer nothing = manager.get_buffer(0);
  void* pointer = manager.allocate_buffer(kBytes);
  HostMemoryResource resource{manager};
  std::pmr::vector<std::byte> contained = std::pmr::vector<std::byte>(kBytes, &resource);
  Tensor tensor{manager, Shape{4}, DataType::float32};
  CommandBufferPool commands{stream, 3, trace};
  CommandBuffer command = commands.get_buffer();
  StagingBufferPool staging{manager, 2, kBytes};
  StagingBuffer staged = staging.get_buffer();
  std::vector<std::byte> own = std::vector<std::byte>(16);
  HostRegistration registration = device.register_host_writable(own);
  Completion completion;
  AsyncDataLoader loader{std::make_shared<testing::CountingSource>(100), loader_config(manager)};
  GPUBatch batch;
  std::unique_ptr<MockDevice> mock = std::make_unique<MockDevice>();
  MemoryManager mock_manager{mock->device()};
  Tensor mock_tensor{mock_manager, Shape{4}, DataType::float32};

  Family() {
    tensor.copy_from(std::vector<float>{1, 2, 3, 4});
    CommandBuffer filling = commands.get_buffer();
    filling.fill(tensor, 5);
    // With a handler, so that there is a worker.
    completion = commands.execute_async(std::move(filling), [](const std::exception_ptr&) {});
    loader.start();
    batch = loader.get_batch().value();
    mock_tensor.copy_from(std::vector<float>{1, 2, 3, 4});  // Work that nobody will make run.
  }

  struct Call {
    std::string name;
    std::function<void()> make;
  };

  /// Every call that gives, waits or submits.
  std::vector<Call> calls() {
    const std::vector<float> values{1, 2, 3, 4};
    return {
        {"default_stream", [this] { static_cast<void>(device.default_stream()); }},
        {"make_stream", [this] { static_cast<void>(device.make_stream()); }},
        {"adopt_stream", [this] { static_cast<void>(device.adopt_stream({})); }},
        {"Device::synchronize", [this] { device.synchronize(); }},
        {"Stream::synchronize", [this] { stream.synchronize(); }},
        {"Stream::wait_for", [this] { stream.wait_for(completion); }},
        {"Stream::native_handle", [this] { static_cast<void>(stream.native_handle()); }},
        {"new manager", [this] { const MemoryManager another(device); }},
        {"get_buffer", [this] { manager.get_buffer(kBytes); }},
        {"get_buffer cpu", [this] { manager.get_buffer(kBytes, DeviceType::cpu); }},
        {"get_buffer on a stream", [this] { manager.get_buffer(kBytes, DeviceType::gpu, stream); }},
        {"get_buffer of nothing", [this] { manager.get_buffer(0); }},
        {"allocate_buffer", [this] { manager.allocate_buffer(kBytes); }},
        {"HostMemoryResource::allocate", [this] { static_cast<void>(resource.allocate(kBytes)); }},
        {"MemoryManager::stats", [this] { static_cast<void>(manager.stats()); }},
        {"pool_stats", [this] { static_cast<void>(manager.pool_stats()); }},
        {"trim", [this] { manager.trim(); }},
        {"BufferPool::get", [this] { pool.get(); }},
        {"try_get", [this] { pool.try_get(); }},
        {"BufferPool::stats", [this] { static_cast<void>(pool.stats()); }},
        {"Buffer::data", [this] { static_cast<void>(buffer.data()); }},
        {"Buffer::record_use", [this] { buffer.record_use(stream); }},
        {"to_vector", [this] { static_cast<void>(tensor.to_vector<float>()); }},
        {"copy_from", [this, values] { tensor.copy_from(values); }},
        {"deep_copy", [this] { static_cast<void>(tensor.deep_copy()); }},
        {"convert_to", [this] { static_cast<void>(tensor.convert_to(DataType::int32)); }},
        {"Tensor::record_use", [this] { tensor.record_use(stream); }},
        {"new tensor", [this] { const Tensor another(manager, Shape{4}, DataType::float32); }},
        {"Completion::wait", [this] { completion.wait(); }},
        {"try_wait", [this] { static_cast<void>(completion.try_wait()); }},
        {"commands.get_buffer", [this] { commands.get_buffer(); }},
        {"try_get_buffer", [this] { commands.try_get_buffer(); }},
        {"fill", [this] { command.fill(tensor, 1); }},
        {"execute_async", [this] { commands.execute_async(std::move(command)); }},
        {"execute_batch", [this] { commands.execute_batch(std::vector<BatchOperation>(1)); }},
        {"CommandBufferPool::stats", [this] { static_cast<void>(commands.stats()); }},
        {"staging.get_buffer", [this] { staging.get_buffer(); }},
        {"staging.try_get_buffer", [this] { staging.try_get_buffer(); }},
        {"transfer_to_gpu", [this, values] { staging.transfer_to_gpu(values, tensor); }},
        {"transfer of a staging buffer",
         [this] { staging.transfer_to_gpu(std::move(staged), tensor); }},
        {"transfer of registered memory",
         [this] { staging.transfer_to_gpu(registration, 0, tensor); }},
        {"copy_from registered memory", [this] { tensor.copy_from(registration); }},
        {"copy_to", [this] { tensor.copy_to(registration); }},
        {"register_host", [this] { static_cast<void>(device.register_host(own)); }},
        {"register_host_writable",
         [this] { static_cast<void>(device.register_host_writable(own)); }},
        {"wait_for_transfer_completion", [this] { staging.wait_for_transfer_completion(); }},
        {"StagingBufferPool::stats", [this] { static_cast<void>(staging.stats()); }},
        {"new staging pool", [this] { const StagingBufferPool another(manager, 1); }},
        {"start", [this] { loader.start(); }},
        {"get_batch", [this] { loader.get_batch(); }},
        {"try_get_batch", [this] { loader.try_get_batch(); }},
        {"is_finished", [this] { static_cast<void>(loader.is_finished()); }},
        {"AsyncDataLoader::stats", [this] { static_cast<void>(loader.stats()); }},
        {"AsyncDataLoader::state", [this] { static_cast<void>(loader.state()); }},
        {"restore", [this] { loader.restore({}); }},
        {"labels of a batch",
         [this] { static_cast<void>(batch.label_tensor.to_vector<std::int64_t>()); }},
        {"Trace::size", [this] { static_cast<void>(trace->size()); }},
        {"Trace::track", [this] { trace->track("mine"); }},
        {"MockDevice::step", [this] { mock->step(); }},
        {"MockDevice::pending", [this] { static_cast<void>(mock->pending()); }},
        {"mock tensor", [this] { static_cast<void>(mock_tensor.to_vector<float>()); }},
    };
  }

  /// Every way to give back, one by one; the destructors do the rest.
  void give_back() noexcept {
    manager.return_buffer(std::move(buffer));
    pool.return_buffer(std::move(pooled));
    nothing.reset();
    manager.release_buffer(pointer);
    contained.clear();
    contained.shrink_to_fit();
    tensor.release();
    commands.return_buffer(std::move(command));
    commands.cleanup();
    staging.return_buffer(std::move(staged));
    staging.cleanup();
    registration.reset();
    batch.release(stream);
    loader.stop();
  }
};

/// Makes everything anew, as a process that never forked would. Throws what goes wrong.
inline void work_as_usual(const Device& device) {
  const MemoryManager made(device);
  MemoryManager manager = made;
  for (int i = 0; i < 100; ++i) {
    Buffer buffer = manager.get_buffer(kBytes);
    manager.return_buffer(std::move(buffer));
  }
  require(manager.stats().misses == 1, "buffers are not cached");
  require(manager.stats().hits == 99, "hits are not counted");

  Tensor tensor(manager, Shape{4}, DataType::float32);
  StagingBufferPool staging(manager, 2, 8);
  staging.transfer_to_gpu(std::vector<float>{1, 2, 3, 4}, tensor).wait();
  require(tensor.to_vector<float>() == std::vector<float>{1, 2, 3, 4}, "a transfer was lost");

  CommandBufferPool commands(device.make_stream(), 2);
  CommandBuffer command = commands.get_buffer();
  command.fill(tensor, 7);
  commands.execute_async(std::move(command)).wait();
  require(tensor.to_vector<float>() == std::vector<float>(4, 7), "a fill was lost");

  AsyncDataLoaderConfig config = loader_config(manager);
  config.epochs = 1;
  AsyncDataLoader loader(std::make_shared<testing::CountingSource>(30), config);
  loader.start();
  require(testing::drain(loader).size() == 30, "samples were lost");
}

}  // namespace headrace::test
