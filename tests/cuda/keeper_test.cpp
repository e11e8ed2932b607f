// SPDX-License-Identifier: Apache-2.0
#include "cuda/round.h"
#include "support/temp_dir.h"

#include <nlohmann/json.hpp>

#include <fstream>

// What launches hold, and traces.

namespace headrace::test {
namespace {

class CudaKeeperTest : public CudaTest {};

/// Tells on which thread it goes, and whether the driver may be called there.
struct Token {
  std::thread::id* thread = nullptr;
  std::atomic<bool>* may_call = nullptr;
  std::atomic<bool>* is_gone = nullptr;
  ~Token() {
    CUcontext context = nullptr;
    *thread = std::this_thread::get_id();
    *may_call = cuda::Driver::find()->cuCtxGetCurrent(&context) == CUDA_SUCCESS;
    *is_gone = true;
  }
};

TEST_F(CudaKeeperTest, WhatALaunchHoldsGoesWhenItsWorkIsDoneAndNotBefore) {
  Queue queue = this->queue();
  const auto memory = block(100);
  std::thread::id thread;
  std::atomic<bool> may_call{false};
  std::atomic<bool> is_gone{false};
  auto token = std::make_shared<Token>();
  token->thread = &thread;
  token->may_call = &may_call;
  token->is_gone = &is_gone;
  driver_->set_manual(true);
  queue.submit({fill(memory->at(), 1, 1, 100),
                launch([token = std::move(token)](NativeHandle) {}),
                fill(memory->at(), 2, 1, 100)});
  const int pieces = driver_->pending();
  queue.signal();
  for (int i = 0; i < pieces; ++i) {
    for (int k = 0; k < 1000; ++k) {
      std::this_thread::yield();
    }
    EXPECT_FALSE(is_gone) << "after " << i << " of " << pieces << " pieces of work";
    EXPECT_EQ(driver_->run(1), 1);
  }
  EXPECT_TRUE(eventually([&] { return is_gone.load(); }));
  driver_->set_manual(false);
  queue.finish();
  EXPECT_TRUE(may_call) << "it went on a thread of the driver's";
  EXPECT_NE(thread, std::this_thread::get_id());
}

TEST_F(CudaKeeperTest, WhatALaunchHoldsStaysThoughItsWorkCannotBeFollowed) {
  for (const char* call : {"cuEventCreate", "cuEventRecord"}) {
    Queue queue = this->queue();
    const auto memory = block(100);
    auto token = std::make_shared<int>(1);
    const std::weak_ptr<int> held = token;
    driver_->set_manual(true);
    driver_->fail(call, 1, CUDA_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(code_of([&] {
                queue.submit({fill(memory->at(), 1, 1, 100),
                              launch([token = std::move(token)](NativeHandle) {})});
              }),
              ErrorCode::out_of_memory);
    EXPECT_TRUE(driver_->pending() == 0 || !held.expired())
        << call << ": work is pending that may use what the launch held";
    driver_->set_manual(false);
  }
}

TEST_F(CudaKeeperTest, AStreamThatGoesWaitsForWhatItsLaunchesHold) {
  const auto memory = block(100);
  const auto token = std::make_shared<int>(1);
  {
    const Queue queue = this->queue();
    for (int i = 0; i < 20; ++i) {
      queue.submit({fill(memory->at(), 1, 1, 100), launch([token](NativeHandle) {})});
    }
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST_F(CudaKeeperTest, WhatALaunchHoldsMayBeTheLastUserOfTheStream) {
  std::atomic<bool> is_gone{false};
  auto queue = std::make_shared<Queue>(this->queue());
  const auto memory = block(100);
  driver_->set_manual(true);
  queue->submit({fill(memory->at(), 1, 1, 100),
                 launch([queue, guard = std::shared_ptr<void>(nullptr, [&](void*) {
                                  is_gone = true;
                                })](NativeHandle) {})});
  queue.reset();
  driver_->set_manual(false);
  EXPECT_TRUE(eventually([&] { return is_gone.load(); }));
  // One is left, on which launches are recorded.
  EXPECT_TRUE(eventually([&] { return driver_->live("stream") == before_["stream"] + 1; }));
}

/// Begin and end of each event of a trace, in microseconds.
std::vector<std::pair<double, double>> spans_of(const Trace& trace, const std::string& name) {
  const TempDir folder;
  trace.write(folder / "trace.json");
  std::ifstream file(folder / "trace.json");
  std::vector<std::pair<double, double>> spans;
  const auto json = nlohmann::json::parse(file);
  for (const auto& event : json.at("traceEvents")) {
    if (event.at("ph") == "X" && event.at("name") == name) {
      const auto begin = event.at("ts").get<double>();
      spans.emplace_back(begin, begin + event.at("dur").get<double>());
    }
  }
  return spans;
}

class CudaTraceTest : public CudaTest {
 protected:
  void expect_spans_in_order(std::vector<Command> commands) {
    const auto trace = std::make_shared<Trace>();
    {
      Queue queue = this->queue();
      queue.submit(commands, trace);
      queue.submit(commands, trace);
      queue.finish();
    }
    std::vector<std::pair<double, double>> all;
    for (const Command& command : commands) {
      const auto spans = spans_of(*trace, command.label);
      ASSERT_EQ(spans.size(), 2U) << command.label;
      all.insert(all.end(), spans[0]);
    }
    constexpr double kClocks = 1;  // microseconds that times are rounded by
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_LE(all[i].first, all[i].second);
      if (i > 0) {
        EXPECT_LE(all[i - 1].second, all[i].first + kClocks) << commands[i].label;
      }
    }
  }

  /// Work that takes a while.
  [[nodiscard]] std::vector<Command> commands(const Block& memory) const {
    std::vector<Command> all;
    for (const char* label : {"one", "two", "three"}) {
      Command command = fill(memory.at(), 1, 1, std::size_t{1} << 20);
      command.label = label;
      all.push_back(std::move(command));
    }
    return all;
  }
};

TEST_F(CudaTraceTest, CommandsHaveSpansInOrder) {
  const auto memory = block(std::size_t{1} << 20);
  expect_spans_in_order(commands(*memory));
}

TEST_F(CudaTraceTest, RecordedCommandsHaveSpansInOrder) {
  const auto memory = block(std::size_t{1} << 20);
  std::vector<Command> all = commands(*memory);
  all.push_back(launch([](NativeHandle) {}));
  expect_spans_in_order(std::move(all));
}

}  // namespace
}  // namespace headrace::test
