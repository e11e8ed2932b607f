// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/allocation_trace.h"
#include "support/core_helpers.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// A log says what was taken and returned, in an order that can have been.

namespace headrace::core {
namespace {

using replay::AllocationTrace;
using replay::Operation;
using test::code_of;
using test::launch;
using test::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;

class AllocationLogTest : public testing::Test {
 protected:
  MemoryManagerConfig config() const {
    MemoryManagerConfig config;
    config.allocation_log = path_;
    return config;
  }
  /// The lines of the log without their times, which differ from run to run.
  [[nodiscard]] std::vector<std::string> events() const {
    std::ifstream file(path_);
    std::vector<std::string> events;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("#") || line == "headrace allocation log 1") {
        continue;
      }
      std::istringstream words(line);
      std::string event;
      std::string time;
      std::string rest;
      words >> event >> time;
      std::getline(words, rest);
      events.push_back(event + rest);
    }
    return events;
  }
  static std::string id_of(const Stream& stream) {
    return std::to_string(StreamAccess::id(stream));
  }

  TempDir folder_;
  std::filesystem::path path_ = folder_ / "takes.log";
  MockDevice mock_;
  Stream stream_ = mock_.device().make_stream();
};

TEST_F(AllocationLogTest, HoldsEveryTakeAndReturn) {
  const std::string s = id_of(stream_);
  {
    const MemoryManager manager(mock_.device(), config());
    MemoryManager m = manager;
    Buffer a = m.get_buffer(1000, DeviceType::gpu, stream_);
    Buffer b = m.get_buffer(3 << 20, DeviceType::persistent_gpu, stream_);
    a.reset();
    Buffer c = m.get_buffer(1000, DeviceType::gpu, stream_);
    const Buffer nothing = m.get_buffer(0, DeviceType::cpu, stream_);
    m.return_buffer(std::move(b));
    void* raw = m.allocate_buffer(77, stream_);
    m.release_buffer(raw, stream_);
  }
  EXPECT_THAT(events(),
              ElementsAre("take 0 0 1000 gpu " + s,
                          "take 0 1 3145728 persistent_gpu " + s,
                          "return 0 0 1000 gpu " + s,
                          "take 0 2 1000 gpu " + s,
                          "take 0 3 0 cpu " + s,
                          "return 0 1 3145728 persistent_gpu " + s,
                          "take 0 4 77 gpu " + s,
                          "return 0 4 77 gpu " + s,
                          "return 0 3 0 cpu " + s,
                          "return 0 2 1000 gpu " + s));
}

TEST_F(AllocationLogTest, HoldsReturnsAfterTheManagersEnd) {
  Buffer kept;
  {
    MemoryManager manager(mock_.device(), config());
    kept = manager.get_buffer(500, DeviceType::gpu, stream_);
  }
  EXPECT_THAT(events(), ElementsAre("take 0 0 500 gpu " + id_of(stream_)))
      << "what is known when the last handle goes is in the file";
  kept.reset();
  EXPECT_THAT(
      events(),
      ElementsAre("take 0 0 500 gpu " + id_of(stream_), "return 0 0 500 gpu " + id_of(stream_)));
}

TEST_F(AllocationLogTest, HoldsTakesThatFailed) {
  MockDevice mock({.random_order = true});  // Short of memory, the pool waits for all streams.
  const Stream stream = mock.device().make_stream();
  MemoryManagerConfig limited = config();
  limited.byte_limit = 4096;
  {
    MemoryManager manager(mock.device(), limited);
    const Buffer taken = manager.get_buffer(4096, DeviceType::gpu, stream);
    EXPECT_EQ(code_of([&] { manager.get_buffer(100, DeviceType::gpu, stream); }),
              ErrorCode::out_of_memory);
  }
  const std::string s = id_of(stream);
  EXPECT_THAT(
      events(),
      ElementsAre("take 0 0 4096 gpu " + s, "fail 0 - 100 gpu " + s, "return 0 0 4096 gpu " + s));
}

TEST_F(AllocationLogTest, ABlockThatNobodyGotIsNotReturned) {
  const Stream other = mock_.device().make_stream();
  MemoryManagerConfig limited = config();
  limited.byte_limit = 4096;
  {
    MemoryManager manager(mock_.device(), limited);
    Buffer used = manager.get_buffer(4096, DeviceType::gpu, stream_);
    launch(stream_, [] {});
    used.reset();
    mock_.fail(MockCall::wait_for, 1);
    EXPECT_EQ(code_of([&] { manager.get_buffer(4096, DeviceType::gpu, other); }),
              ErrorCode::internal);
    mock_.complete_all();
  }
  const std::string s = id_of(stream_);
  EXPECT_THAT(events(),
              ElementsAre("take 0 0 4096 gpu " + s,
                          "return 0 0 4096 gpu " + s,
                          "fail 0 - 4096 gpu " + id_of(other)));
}

TEST_F(AllocationLogTest, StressOfThreadsIsInAValidOrder) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kTakes = 4000;
  {
    MemoryManager manager(mock_.device(), config());
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([this, manager, t]() mutable {
        std::mt19937 random(static_cast<unsigned>(t));
        std::vector<Buffer> held;
        for (std::size_t i = 0; i < kTakes; ++i) {
          held.push_back(manager.get_buffer(1000, DeviceType::gpu, stream_));
          while (!held.empty() && random() % 3 != 0) {
            held.pop_back();
          }
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  const AllocationTrace trace = replay::read_trace(path_);  // Refuses any other order.
  EXPECT_EQ(trace.buffers, kThreads * kTakes);
  EXPECT_EQ(std::ranges::count(trace.operations, true, &Operation::is_take), kThreads * kTakes);
  EXPECT_EQ(std::ranges::count(trace.operations, false, &Operation::is_take), kThreads * kTakes);
}

TEST_F(AllocationLogTest, ThatCannotBeOpenedIsAnErrorBeforeThereIsAManager) {
  MemoryManagerConfig wrong;
  wrong.allocation_log = folder_ / "no" / "such.log";
  try {
    const MemoryManager manager(mock_.device(), wrong);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::io);
    EXPECT_THAT(error.what(), HasSubstr(wrong.allocation_log.string()));
    EXPECT_THAT(error.what(), HasSubstr("No such file"));
  }
}

TEST_F(AllocationLogTest, ThatCannotGoOnIsCountedOnceAndStopsNobody) {
  if (!std::filesystem::exists("/dev/full")) {
    GTEST_SKIP() << "there is no /dev/full here";
  }
  MemoryManagerConfig full;
  full.allocation_log = "/dev/full";
  MemoryManager manager(mock_.device(), full);
  testing::internal::CaptureStderr();
  for (int i = 0; i < 10'000; ++i) {  // More than is written at a time.
    manager.get_buffer(1000, DeviceType::gpu, stream_).reset();
  }
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("/dev/full"));
  EXPECT_EQ(manager.stats().release_errors, 1U);
  EXPECT_EQ(manager.stats().current_buffers, 0U);
}

TEST_F(AllocationLogTest, OffMakesNoFile) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  {
    MemoryManager manager(mock_.device());
    manager.get_buffer(1000, DeviceType::gpu, stream_).reset();
  }
  std::filesystem::current_path(before);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

}  // namespace
}  // namespace headrace::core
