// SPDX-License-Identifier: Apache-2.0
#include "backends/shared/keeper.h"

#include "headrace/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace headrace::backends {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;
using testing::ElementsAre;

/// Calls one function when it is to finish, and another when it goes.
class Work final : public Kept {
 public:
  Work(std::function<void()> finish, std::function<void()> drop)
      : finish_(std::move(finish)), drop_(std::move(drop)) {}
  ~Work() override { drop_(); }
  void finish() noexcept override { finish_(); }

 private:
  const std::function<void()> finish_;
  std::function<void()> drop_;
};

void nothing() {}

KeptOne one(
    std::function<void()> finish, std::function<void()> drop = [] {}) {
  KeptOne made;
  made.push_back(std::make_unique<Work>(std::move(finish), std::move(drop)));
  return made;
}

TEST(KeeperTest, WhatIsKeptFinishesAndIsThenDroppedOneAfterAnother) {
  Keeper keeper;
  keeper.start();
  std::vector<std::string> seen;  // of the keeper's thread's, until all is dropped
  for (const std::string number : {"1", "2"}) {
    keeper.keep(one([&seen, number] { seen.push_back("finish " + number); },
                    [&seen, number] { seen.push_back("drop " + number); }));
  }
  EXPECT_EQ(keeper.kept(), 2U);
  EXPECT_TRUE(keeper.wait_for_dropped(2, hours(1)));
  EXPECT_EQ(keeper.dropped(), 2U);
  EXPECT_THAT(seen, ElementsAre("finish 1", "drop 1", "finish 2", "drop 2"));
}

TEST(KeeperTest, WhatHasNotFinishedIsNotDropped) {
  Keeper keeper;
  keeper.start();
  std::promise<void> done;
  keeper.keep(one([&] { done.get_future().wait(); }));
  EXPECT_FALSE(keeper.wait_for_dropped(1, nanoseconds(1)));
  EXPECT_EQ(keeper.dropped(), 0U);
  done.set_value();
  EXPECT_TRUE(keeper.wait_for_dropped(1, hours(1)));
}

TEST(KeeperTest, WhatIsDroppedMayNotWaitForItself) {
  Keeper keeper;
  keeper.start();
  std::optional<ErrorCode> code;
  keeper.keep(one(nothing, [&] {
    try {
      keeper.wait_for_dropped(1, hours(1));
    } catch (const Error& error) {
      code = error.code();
    }
  }));
  EXPECT_TRUE(keeper.wait_for_dropped(1, hours(1)));
  EXPECT_EQ(code, ErrorCode::invalid_argument);
}

TEST(KeeperTest, ItGoesWhenAllIsDropped) {
  int dropped = 0;
  {
    Keeper keeper;
    keeper.start();
    for (int i = 0; i < 20; ++i) {
      keeper.keep(one(nothing, [&] { ++dropped; }));
    }
  }
  EXPECT_EQ(dropped, 20);
}

// Its thread may still be in `set_value` when the test goes on, so the promise is the work's.
TEST(KeeperTest, WhatIsDroppedMayDestroyIt) {
  auto keeper = std::make_shared<Keeper>();
  const auto thread = std::make_shared<std::promise<std::thread::id>>();
  std::promise<void> may_go;
  keeper->start();
  keeper->keep(one([&] { may_go.get_future().wait(); },
                   [thread, last = keeper]() mutable {
                     last.reset();
                     thread->set_value(std::this_thread::get_id());
                   }));
  keeper.reset();
  may_go.set_value();
  EXPECT_NE(thread->get_future().get(), std::this_thread::get_id());
}

TEST(KeeperTest, OfALostDeviceItDoesNotWaitButDropsWhatItKept) {
  const auto dropped = std::make_shared<std::promise<bool>>();
  std::promise<void> may_go;
  {
    Keeper keeper;
    keeper.start();
    keeper.keep(one([&] { may_go.get_future().wait(); }, [dropped] { dropped->set_value(true); }));
    keeper.detach();
  }
  may_go.set_value();  // It would not come to this.
  EXPECT_TRUE(dropped->get_future().get());
}

}  // namespace
}  // namespace headrace::backends
