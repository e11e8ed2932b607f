// SPDX-License-Identifier: Apache-2.0
#include "headrace/headrace.h"

#include "support/core_helpers.h"
#include "support/pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// Everything at once on several threads, on the mock device, whose work runs on whatever thread
// polls or waits, and on `host`, whose streams are threads.

namespace headrace::core {
namespace {

using test::bytes_of;
using test::code_of;
using test::Findings;
using test::launch;
using test::state_of;

constexpr int kThreads = 4;

/// Runs `work(number, random)` on several threads and waits for them.
template <class F>
void on_threads(F work) {
  std::vector<std::jthread> threads;
  for (int number = 0; number < kThreads; ++number) {
    threads.emplace_back([&work, number] {
      std::mt19937_64 random(static_cast<std::uint64_t>(number) + 1);
      work(number, random);
    });
  }
}

class StressTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (GetParam() == std::string("mock")) {
      mock_.emplace(MockDeviceConfig{.random_order = true, .seed = 77});
      device_ = mock_->device();
    } else {
      device_ = open_device("host");
    }
  }

  void expect_all_returned(const MemoryManager& manager) {
    EXPECT_EQ(manager.stats().current_buffers, 0U);
    EXPECT_EQ(manager.stats().current_bytes, 0U);
    EXPECT_EQ(manager.stats().cached_bytes, manager.stats().reserved_bytes);
    if (mock_) {
      test::expect_ledger_balances(manager, *mock_);
    }
  }

  std::optional<MockDevice> mock_;  // Before what uses it.
  Device device_;
};

INSTANTIATE_TEST_SUITE_P(Device, StressTest, testing::Values("mock", "host"), [](const auto& each) {
  return std::string(each.param);
});

/// Buffers that go from the thread that took them to one that uses and returns them.
class Exchange {
 public:
  struct Item {
    Buffer buffer;
    std::uint64_t tag = 0;
    Ticket written;
  };
  void put(Item item) {
    const std::scoped_lock lock(mutex_);
    items_.push_back(std::move(item));
  }
  std::optional<Item> take(std::mt19937_64& random) {
    const std::scoped_lock lock(mutex_);
    if (items_.empty()) {
      return std::nullopt;
    }
    std::swap(items_[random() % items_.size()], items_.back());
    Item item = std::move(items_.back());
    items_.pop_back();
    return item;
  }

 private:
  std::mutex mutex_;
  std::vector<Item> items_;
};

TEST_P(StressTest, BuffersTakenOnOneThreadAndReturnedOnAnother) {
  Findings findings;
  for (const test::Config& config :
       {test::Config{}, test::Config{.soft_byte_limit = 8192}, test::Config{.count_limit = 24}}) {
    MemoryManager manager(device_, config);
    Exchange exchange;
    std::atomic<std::uint64_t> tags = 0;
    on_threads([&](int, std::mt19937_64& random) {
      Stream stream = device_.make_stream();
      for (int i = 0; i < 300; ++i) {
        const bool cpu = random() % 3 == 0;
        Exchange::Item item;
        const auto refused = code_of([&] {
          item.buffer = manager.get_buffer(
              1 + random() % 700, cpu ? DeviceType::cpu : DeviceType::gpu, stream);
        });
        if (!refused) {
          item.tag = ++tags;
          std::byte* memory = bytes_of(item.buffer);
          const std::size_t size = item.buffer.capacity();
          if (cpu) {
            test::write_pattern(memory, size, item.tag);
          } else {
            launch(stream,
                   [memory, size, tag = item.tag] { test::write_pattern(memory, size, tag); });
          }
          item.written = state_of(stream).stamp();
          exchange.put(std::move(item));
        }
        if (std::optional<Exchange::Item> other = exchange.take(random)) {
          state_of(stream).wait_on(other->written);
          launch(stream,
                 [&findings,
                  memory = bytes_of(other->buffer),
                  size = other->buffer.capacity(),
                  tag = other->tag] { findings.check(memory, size, tag); });
          other->buffer.record_use(stream);
        }
        if (random() % 16 == 0) {
          stream = device_.make_stream();
        }
        if (random() % 32 == 0) {
          manager.trim();
        }
      }
    });
    std::mt19937_64 random(1);
    while (exchange.take(random)) {
    }
    device_.synchronize();
    expect_all_returned(manager);
  }
  EXPECT_EQ(findings.damaged, 0U);
  EXPECT_GT(findings.checks, 1000U);
}

TEST_P(StressTest, StreamsComeAndGoWhileOthersSynchronise) {
  MemoryManager manager(device_);
  Findings findings;
  std::atomic<std::uint64_t> tags = 0;
  on_threads([&](int number, std::mt19937_64& random) {
    for (int i = 0; i < 150; ++i) {
      if (number == 0) {
        device_.synchronize();
        continue;
      }
      const Stream stream = device_.make_stream();
      const Buffer buffer = manager.get_buffer(256, DeviceType::gpu, stream);
      launch(stream, [&findings, memory = bytes_of(buffer), tag = ++tags] {
        test::write_pattern(memory, 256, tag);
        findings.check(memory, 256, tag);
      });
      if (random() % 4 == 0) {
        stream.synchronize();
      }
    }
  });
  device_.synchronize();
  EXPECT_EQ(findings.damaged, 0U);
  EXPECT_EQ(findings.checks, 150U * (kThreads - 1));
  expect_all_returned(manager);
  manager.trim();
  EXPECT_EQ(manager.stats().reserved_bytes, 0U);
}

TEST_P(StressTest, ManagersComeAndGoWithTheirMemoryInUse) {
  Findings findings;
  on_threads([&](int number, std::mt19937_64& random) {
    for (int i = 0; i < 60; ++i) {
      std::optional<MemoryManager> manager(device_);
      const Stream stream = device_.make_stream();
      const auto tag = static_cast<std::uint64_t>(number * 1000 + i);
      std::vector<Buffer> buffers;
      for (int j = 0; j < 4; ++j) {
        buffers.push_back(manager->get_buffer(512, DeviceType::gpu, stream));
        launch(stream, [&findings, memory = bytes_of(buffers.back()), tag] {
          test::write_pattern(memory, 512, tag);
          findings.check(memory, 512, tag);
        });
      }
      buffers.resize(random() % 4);
      manager.reset();  // Some of its buffers live on.
    }
  });
  device_.synchronize();
  EXPECT_EQ(findings.damaged, 0U);
  EXPECT_EQ(findings.checks, 60U * 4 * kThreads);
  if (mock_) {
    device_.synchronize();
    EXPECT_EQ(mock_->live_allocations(), 0U);
  }
}

TEST_P(StressTest, OneStagingPoolServesAllThreads) {
  MemoryManager manager(device_);
  StagingBufferPool pool(manager, 3, 256);
  std::atomic<int> wrong = 0;
  on_threads([&](int number, std::mt19937_64& random) {
    const Tensor target(manager, Shape{200}, DataType::int32);  // In four pieces.
    const Tensor small(manager, Shape{64}, DataType::int32);
    for (int i = 0; i < 60; ++i) {
      std::vector<std::int32_t> values(200, number * 1000 + i);
      const Completion done = pool.transfer_to_gpu(values, target);
      std::vector<std::int32_t> few(64, -i);
      if (random() % 2 == 0) {
        StagingBuffer filled = pool.get_buffer();
        std::memcpy(filled.data(), few.data(), 256);
        pool.transfer_to_gpu(std::move(filled), small);
      } else {
        pool.transfer_to_gpu_sync(few, small);
      }
      done.wait();
      wrong += target.to_vector<std::int32_t>() == values ? 0 : 1;
      wrong += small.to_vector<std::int32_t>() == few ? 0 : 1;
      if (random() % 16 == 0) {
        pool.cleanup();
      }
      if (random() % 8 == 0) {
        const StagingBuffer unused = pool.get_buffer();
      }
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
  EXPECT_EQ(pool.stats().transfers, 120U * kThreads);
  pool.cleanup();
  EXPECT_EQ(pool.stats().total_buffers, 0U);
  expect_all_returned(manager);
}

TEST_P(StressTest, OneCommandPoolServesAllThreads) {
  MemoryManager manager(device_);
  CommandBufferPool pool(device_.make_stream(), 3);
  std::atomic<int> told = 0;
  std::atomic<int> failed = 0;
  std::atomic<int> wrong = 0;
  on_threads([&](int number, std::mt19937_64& random) {
    Tensor tensor(manager, Shape{64}, DataType::int32);
    for (int i = 0; i < 80; ++i) {
      std::optional<CommandBuffer> buffer;
      while (!buffer) {
        const auto code = code_of([&] { buffer = pool.get_buffer(); });
        if (code) {  // Others hold all of them.
          EXPECT_EQ(code, ErrorCode::capacity);
          std::this_thread::yield();
        }
      }
      if (random() % 8 == 0) {
        pool.return_buffer(std::move(*buffer));
        ++told;
        continue;
      }
      const std::int32_t value = number * 1000 + i;
      buffer->fill(tensor, value);
      const bool fails = random() % 8 == 0;
      buffer->launch([fails](const Stream&) {
        if (fails) {
          throw Error(ErrorCode::io, "as told");
        }
      });
      const Completion done =
          pool.execute_async(std::move(*buffer), [&](const std::exception_ptr& error) {
            failed += error ? 1 : 0;
            ++told;
          });
      if (random() % 2 == 0) {
        wrong += code_of([&] { done.wait(); }).has_value() == fails ? 0 : 1;
        if (!fails) {
          wrong += tensor.to_vector<std::int32_t>() == std::vector<std::int32_t>(64, value) ? 0 : 1;
        }
      }
      if (random() % 32 == 0) {
        pool.cleanup();
      }
    }
  });
  pool.cleanup();
  EXPECT_EQ(told, 80 * kThreads) << "every handler once";
  EXPECT_GT(failed, 0);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
  EXPECT_EQ(pool.stats().handler_errors, 0U);
  expect_all_returned(manager);
}

TEST_P(StressTest, HandlersCallTheirOwnPool) {
  CommandBufferPool pool(device_.make_stream(), 2);
  std::atomic<int> runs = 0;
  std::atomic<int> told = 0;
  const auto submit = [&](auto& self, int depth) -> void {
    std::optional<CommandBuffer> buffer = pool.try_get_buffer();
    if (!buffer) {
      return;
    }
    buffer->launch([&](const Stream&) { ++runs; });
    pool.execute_async(std::move(*buffer), [&, depth](const std::exception_ptr&) {
      static_cast<void>(pool.stats());
      if (depth < 50) {
        self(self, depth + 1);
      }
      pool.cleanup();
      ++told;
    });
  };
  submit(submit, 1);
  while (told < 50) {  // Between two of a chain no buffer is in use: that says nothing.
    pool.cleanup();
  }
  EXPECT_EQ(runs, 50);
  pool.cleanup();
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
}

TEST_P(StressTest, ManyThreadsWaitForOneCompletion) {
  CommandBufferPool pool(device_.make_stream(), 4);
  for (int round = 0; round < 40; ++round) {
    std::atomic<bool> ran = false;
    CommandBuffer buffer = pool.get_buffer();
    buffer.launch([&](const Stream&) { ran = true; });
    const Completion done = pool.execute_async(std::move(buffer), [](const std::exception_ptr&) {});
    std::atomic<int> early = 0;
    on_threads([&](int number, std::mt19937_64&) {
      if (number % 2 == 0) {
        done.wait();
      } else {
        while (!done.is_done()) {
          std::this_thread::yield();
        }
      }
      early += ran ? 0 : 1;
    });
    EXPECT_EQ(early, 0);
  }
}

TEST_P(StressTest, TensorsAreSharedAndReleasedByAllThreads) {
  MemoryManager manager(device_);
  std::atomic<int> wrong = 0;
  for (int round = 0; round < 30; ++round) {
    std::optional<Tensor> shared(std::in_place, manager, Shape{64}, DataType::int32);
    shared->copy_from(std::vector<std::int32_t>(64, round));
    std::vector<Tensor> own(kThreads, *shared);
    shared.reset();
    on_threads([&](int number, std::mt19937_64&) {
      Tensor tensor = std::move(own[static_cast<std::size_t>(number)]);
      const Stream stream = device_.make_stream();
      const Tensor copy = tensor.deep_copy(stream);
      const Tensor converted = tensor.convert_to(DataType::float32, stream);
      tensor.release();
      wrong += copy.to_vector<std::int32_t>() == std::vector<std::int32_t>(64, round) ? 0 : 1;
      wrong +=
          converted.to_vector<float>() == std::vector<float>(64, static_cast<float>(round)) ? 0 : 1;
    });
  }
  EXPECT_EQ(wrong, 0);
  expect_all_returned(manager);
}

TEST_P(StressTest, ThreadsWriteRowsOfOneTensorOnTheirOwnStreams) {
  MemoryManager manager(device_);
  std::atomic<int> wrong = 0;
  for (int round = 0; round < 30; ++round) {
    const Tensor all(manager, Shape{kThreads, 256}, DataType::int32);
    on_threads([&](int number, std::mt19937_64&) {
      const Stream stream = device_.make_stream();
      Tensor source(manager, Shape{1, 256}, DataType::int32, DeviceType::gpu, stream);
      source.copy_from(std::vector<std::int32_t>(256, number + round));
      all.slice(number, number + 1).copy_from(source, stream);
    });
    const auto values = all.to_vector<std::int32_t>();
    for (int row = 0; row < kThreads; ++row) {
      const auto begin = values.begin() + row * 256;
      wrong += std::all_of(begin, begin + 256, [&](int v) { return v == row + round; }) ? 0 : 1;
    }
  }
  EXPECT_EQ(wrong, 0);
  expect_all_returned(manager);
}

TEST_P(StressTest, ThePressureCallbackFreesWhatOtherThreadsNeed) {
  std::mutex mutex;
  std::vector<Buffer> victims;
  MemoryManager manager(
      device_, test::Config{.byte_limit = 16 * 1024, .pressure_callback = [&](std::size_t) {
                              const std::scoped_lock lock(mutex);
                              if (victims.empty()) {
                                return false;
                              }
                              victims.pop_back();
                              return true;
                            }});
  std::atomic<int> served = 0;
  on_threads([&](int, std::mt19937_64& random) {
    const Stream stream = device_.make_stream();
    for (int i = 0; i < 150; ++i) {
      const auto code = code_of([&] {
        Buffer buffer = manager.get_buffer(1 + random() % 3000, DeviceType::gpu, stream);
        ++served;
        if (random() % 2 == 0) {
          const std::scoped_lock lock(mutex);
          victims.push_back(std::move(buffer));
        }
      });
      if (code) {
        EXPECT_EQ(code, ErrorCode::out_of_memory);
      }
      EXPECT_LE(manager.stats().reserved_bytes, 16U * 1024);
    }
  });
  victims.clear();
  EXPECT_GT(served, 300);
  expect_all_returned(manager);
}

TEST(LostDeviceStress, EveryThreadEndsAndTheLedgerBalances) {
  for (std::uint64_t seed = 1; seed <= 20 && !testing::Test::HasFailure(); ++seed) {
    MockDevice mock({.random_order = true, .seed = seed});
    const Device device = mock.device();
    MemoryManager manager(device, test::Config{.count_limit = 64});
    {
      StagingBufferPool staging(manager, 2, 128);
      CommandBufferPool commands(device.make_stream(), 2);
      std::atomic<int> submitted = 0;
      std::atomic<int> told = 0;
      std::atomic<int> begun = 0;
      const auto work = [&](int number, std::mt19937_64& random) {
        ++begun;
        const Stream stream = device.make_stream();
        Tensor tensor(manager, Shape{64}, DataType::int32, DeviceType::gpu, stream);
        while (true) {
          switch ((static_cast<std::uint64_t>(number) + random()) % 5) {
            case 0:
              staging.transfer_to_gpu(std::vector<std::int32_t>(64, 1), tensor);
              break;
            case 1: {
              CommandBuffer buffer;
              if (!code_of([&] { buffer = commands.get_buffer(); })) {
                buffer.fill(tensor, 2);
                ++submitted;
                commands.execute_async(std::move(buffer),
                                       [&](const std::exception_ptr&) { ++told; });
              }
              break;
            }
            case 2:
              static_cast<void>(tensor.to_vector<std::int32_t>());
              break;
            case 3:
              manager.get_buffer(random() % 1000 + 1, DeviceType::cpu, stream);
              break;
            default:
              stream.synchronize();
          }
        }
      };
      std::vector<std::future<std::optional<ErrorCode>>> threads;
      for (int number = 0; number < kThreads; ++number) {
        threads.push_back(test::on_thread([&, number] {
          std::mt19937_64 random(seed * 10 + static_cast<std::uint64_t>(number));
          return code_of([&] { work(number, random); });
        }));
      }
      const std::uint64_t enough = 50 * seed;
      test::wait_until([&] { return begun == kThreads && mock.count(MockCall::submit) > enough; });
      mock.lose();
      for (auto& thread : threads) {
        const bool ended = test::comes_to_an_end(thread);
        EXPECT_TRUE(ended);
        if (!ended) {
          staging.cleanup();  // Wakes who waits there, so that this test can end.
        }
        EXPECT_EQ(thread.get(), ErrorCode::device_lost);
      }
      commands.cleanup();
      EXPECT_EQ(told, submitted);
    }
    EXPECT_EQ(manager.stats().current_buffers, 0U);
    test::expect_ledger_balances(manager, mock);
    manager.trim();
    EXPECT_EQ(mock.live_allocations(), 0U);
  }
}

}  // namespace
}  // namespace headrace::core
