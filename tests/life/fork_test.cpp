// SPDX-License-Identifier: Apache-2.0
#include "core/access.h"
#include "core/device_state.h"
#include "core/process.h"
#include "fork_fixture.h"
#include "support/core_helpers.h"
#include "support/scripted_backend.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <string_view>
#include <sys/mman.h>
#include <thread>
#include <utility>

// A child of fork() has one thread, and locks that nobody will let go. What was made before is dead
// there; what it makes itself works.

namespace headrace::test {
namespace {

/// Throws unless `call` throws the one error that there is for objects of the parent.
void require_refused(const std::string& name, const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    const std::string_view text = error.what();
    require(error.code() == ErrorCode::unsupported &&
                text.find("was made before fork()") != std::string_view::npos,
            name + " throws: " + error.what());
    return;
  }
  throw std::runtime_error(name + " throws nothing");
}

class ForkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kSanitizedAllocator) {
      GTEST_SKIP() << "A sanitizer's own allocator may be locked for ever in the child.";
    }
  }
};

TEST_F(ForkTest, EveryCallOnAnObjectOfTheParentIsRefused) {
  Family family;
  EXPECT_EQ(fault_of_child([&family] {
              for (const Family::Call& call : family.calls()) {
                require_refused(call.name, call.make);
              }
              require(family.completion.is_done(), "a completion of the parent is never done");
              require(family.device.info().spec == "host", "the device forgot what it is");
              const Tensor copy = family.tensor;
              require(copy.shape() == Shape{4}, "the tensor forgot its shape");
            }),
            "");
  EXPECT_FALSE(family.calls().empty());
}

TEST_F(ForkTest, TheParentGoesOnUnharmed) {
  Family family;
  ASSERT_EQ(fault_of_child([&family] { family.give_back(); }), "");
  EXPECT_EQ(family.tensor.to_vector<float>(), std::vector<float>(4, 5));
  EXPECT_EQ(testing::checked_labels(family.batch), (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_TRUE(family.loader.get_batch().has_value());
  EXPECT_EQ(family.pool.stats().available, 0U);
  family.give_back();
  EXPECT_EQ(family.pool.stats().available, 1U);
  work_as_usual(family.device);
}

// Pinned memory may not be mapped in a child at all.
TEST_F(ForkTest, AChildReadsNothingOfTheMemoryThatAResourceGetsBack) {
  constexpr std::size_t kPage = 4096;
  HostMemoryResource resource{MemoryManager(open_device("host"))};
  auto* const place = static_cast<std::byte*>(resource.allocate(std::size_t{1} << 20, kPage));
  EXPECT_EQ(fault_of_child([&] {
              require(mprotect(place - kPage, 2 * kPage, PROT_NONE) == 0, "no page is closed");
              resource.deallocate(place, std::size_t{1} << 20, kPage);
              require(mprotect(place - kPage, 2 * kPage, PROT_READ | PROT_WRITE) == 0,
                      "no page is opened");
            }),
            "");
  resource.deallocate(place, std::size_t{1} << 20, kPage);
  EXPECT_EQ(resource.manager().stats().current_buffers, 0U);
}

TEST_F(ForkTest, AChildDestroysWhatItWasLeft) {
  for (const Ending ending : {Ending::exit, Ending::quick}) {
    auto family = std::make_unique<Family>();
    EXPECT_EQ(fault_of_child([&family] { family = nullptr; }, ending), "");
    EXPECT_EQ(fault_of_child(
                  [&family] {
                    family->give_back();
                    family = nullptr;
                  },
                  ending),
              "");
  }
}

TEST_F(ForkTest, AChildExitsWithStaticObjectsOfTheParents) {
  static std::optional<Family> family;
  family.emplace();
  EXPECT_EQ(fault_of_child([] {}, Ending::exit), "");
  EXPECT_EQ(fault_of_child([] {}, Ending::quick), "");
  EXPECT_EQ(fault_of_child([] { work_as_usual(open_device("host")); }, Ending::exit), "");
  family.reset();
}

TEST_F(ForkTest, WhatTheThreadKeptIsNoHitInTheChild) {
  MemoryManager manager(open_device("host"));
  manager.get_buffer(kBytes).reset();
  Buffer held = manager.get_buffer(kBytes);
  manager.get_buffer(kBytes).reset();
  ASSERT_GE(manager.stats().hits, 1U);
  EXPECT_EQ(fault_of_child([&] {
              require_refused("a take", [&manager] { manager.get_buffer(kBytes); });
              held.reset();  // It must not become what the next take finds.
              require_refused("a second take", [&manager] { manager.get_buffer(kBytes); });
            }),
            "");
}

TEST_F(ForkTest, AChildWorksAsAProcessThatNeverForked) {
  const Device device = open_device("host");
  work_as_usual(device);
  const std::size_t devices = list_devices().size();
  for (const Ending ending : {Ending::exit, Ending::quick}) {
    EXPECT_EQ(fault_of_child(
                  [&device, devices] {
                    const Device mine = open_device("host");
                    require(!(mine == device), "the device of the parent was handed out");
                    require(mine == open_device(), "the child's own device is not kept");
                    require(list_devices().size() == devices, "the backends were lost");
                    work_as_usual(mine);
                  },
                  ending),
              "");
  }
  work_as_usual(device);
}

TEST_F(ForkTest, ObjectsOfParentAndChildDoNotMix) {
  Family family;
  EXPECT_EQ(fault_of_child([&family] {
              const MemoryManager mine(open_device("host"));
              MemoryManager manager = mine;
              Tensor tensor(manager, Shape{4}, DataType::float32);
              StagingBufferPool staging(manager, 1, kBytes);
              const Stream stream = manager.device().make_stream();
              require_refused("copy", [&] { tensor.copy_from(family.tensor); });
              require_refused("copy to", [&] { family.tensor.copy_from(tensor); });
              require_refused("take on a stream",
                              [&] { manager.get_buffer(kBytes, DeviceType::gpu, family.stream); });
              require_refused("wait", [&] { stream.wait_for(family.completion); });
              require_refused("transfer", [&] {
                staging.transfer_to_gpu(std::vector<float>(4), family.tensor);
              });
              family.give_back();
              work_as_usual(manager.device());
            }),
            "");
}

TEST_F(ForkTest, AGrandchildIsAChildToo) {
  Family family;
  EXPECT_EQ(fault_of_child([&family] {
              Family mine;
              const std::string fault = fault_of_child([&] {
                for (const Family::Call& call : family.calls()) {
                  require_refused(call.name, call.make);
                }
                for (const Family::Call& call : mine.calls()) {
                  require_refused(call.name, call.make);
                }
                family.give_back();
                mine.give_back();
                work_as_usual(open_device("host"));
              });
              require(fault.empty(), "in the grandchild: " + fault);
              mine.give_back();
            }),
            "");
}

TEST_F(ForkTest, AChildMakesAGlobalManagerOfItsOwn) {
  EXPECT_EQ(fault_of_child([] {
              initialize_global_memory_manager(open_device("host"));
              const Device parents = get_device();
              const std::string fault = fault_of_child([&parents] {
                require_refused("global_memory_manager", [] { global_memory_manager(); });
                require_refused("get_device", [] { get_device(); });
                require_refused("a dead device",
                                [&] { initialize_global_memory_manager(parents); });
                initialize_global_memory_manager(open_device("host"));
                const MemoryManager mine = global_memory_manager();
                initialize_global_memory_manager(open_device("host"));
                require(mine == global_memory_manager(), "the first call did not win");
                const Tensor tensor(Shape{4}, DataType::float32);
              });
              require(fault.empty(), fault);
              require(get_device() == parents, "the parent lost its manager");
            }),
            "");
}

TEST_F(ForkTest, AnotherThreadMayBeInTheMiddleOfATake) {
  const auto backend = std::make_shared<ScriptedDevice>();
  auto device =
      std::optional(core::DeviceAccess::make(core::make_shared_here<core::DeviceState>(backend)));
  auto manager = std::optional(MemoryManager(*device));
  auto other = std::optional(device->make_stream());
  const std::shared_ptr<ScriptedStream> used = backend->streams.back();
  Buffer held = manager->get_buffer(kBytes);
  Buffer loose = manager->get_buffer(kBytes);
  static_cast<void>(other->native_handle());  // Work may come unseen, so a marker must be recorded.
  loose.record_use(*other);
  loose.reset();

  // Whoever asks whether the loose buffer is free has the pool's lock and the stream's.
  std::promise<void> is_inside;
  std::promise<void> may_go_on;
  used->on_signal = [&, is_first = true](MarkerSerial) mutable {
    if (std::exchange(is_first, false)) {
      is_inside.set_value();
      may_go_on.get_future().wait();
    }
  };
  std::thread taker([&] { manager->get_buffer(kBytes).reset(); });
  is_inside.get_future().wait();
  const std::string fault = fault_of_child(
      [&] {
        require_refused("stats", [&] { static_cast<void>(manager->stats()); });
        require_refused("synchronize", [&] { other->synchronize(); });
        held.reset();
        other.reset();
        manager.reset();
        device.reset();
        work_as_usual(open_device("host"));
      },
      Ending::quick,
      std::chrono::seconds(10));
  may_go_on.set_value();
  taker.join();
  EXPECT_EQ(fault, "");
}

/// A backend whose devices one thread may be looking for when another forks.
class SlowBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "slow"; }
  std::vector<DeviceInfo> devices() override {
    if (is_slow && getpid() == maker) {
      is_slow = false;
      is_inside.set_value();
      may_go_on.get_future().wait();
    }
    return {};
  }
  std::shared_ptr<BackendDevice> open(int) override { return nullptr; }

  const pid_t maker = getpid();
  static inline std::atomic<bool> is_slow = false;
  static inline std::promise<void> is_inside;
  static inline std::promise<void> may_go_on;
};

TEST_F(ForkTest, AnotherThreadMayBeInTheMiddleOfACallOfABackend) {
  register_backend(std::make_unique<SlowBackend>());
  SlowBackend::is_slow = true;
  std::thread looker([] { list_devices(); });
  SlowBackend::is_inside.get_future().wait();
  const std::string fault = fault_of_child(
      [] { work_as_usual(open_device("host")); }, Ending::quick, std::chrono::seconds(10));
  SlowBackend::may_go_on.set_value();
  looker.join();
  EXPECT_EQ(fault, "");
}

TEST_F(ForkTest, NobodyHoldsTheProcesssTablesAtAFork) {
  std::promise<void> is_held;
  std::thread holder([&is_held] {
    const std::scoped_lock lock(core::tables_mutex());
    is_held.set_value();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // The fork comes meanwhile.
  });
  is_held.get_future().wait();
  EXPECT_EQ(
      fault_of_child(
          [] { work_as_usual(open_device("host")); }, Ending::quick, std::chrono::seconds(10)),
      "");
  holder.join();
}

/// Threads that are always inside something.
class Crowd {
 public:
  explicit Crowd(Family& family) {
    add([manager = family.manager]() mutable {
      std::vector<Buffer> buffers;
      for (std::size_t i = 1; i < 100; ++i) {
        buffers.push_back(manager.get_buffer(i * 100));
      }
    });
    add([manager = family.manager]() mutable {
      manager.trim();
      static_cast<void>(manager.pool_stats());
      manager.release_buffer(manager.allocate_buffer(kBytes));
    });
    add([] {
      static_cast<void>(list_devices());
      static_cast<void>(open_device("host").make_stream());
      initialize_global_memory_manager(open_device("host"));
      static_cast<void>(global_memory_manager());
    });
    add([&family] {
      CommandBuffer filling = family.commands.get_buffer();
      filling.fill(family.tensor, 5);
      family.commands.execute_async(std::move(filling), [](const std::exception_ptr&) {});
    });
    add([&family] { family.staging.transfer_to_gpu(std::vector<float>(4, 5), family.tensor); });
    add([&family] {
      static_cast<void>(family.loader.get_batch());
      static_cast<void>(family.loader.stats());
    });
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd() {
    is_over_ = true;
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

 private:
  void add(std::function<void()> act) {
    threads_.emplace_back([this, act = std::move(act)] {
      while (!is_over_) {
        act();
      }
    });
  }

  std::atomic<bool> is_over_{false};
  std::vector<std::thread> threads_;
};

TEST_F(ForkTest, StressTwoHundredForksOfABusyProcess) {
  auto family = std::make_unique<Family>();
  {
    const Crowd crowd(*family);
    for (int i = 0; i < 200 && !HasFailure(); ++i) {
      EXPECT_EQ(fault_of_child(
                    [&family, i] {
                      require_refused("get_batch", [&] { family->loader.get_batch(); });
                      require_refused("stats", [&] { static_cast<void>(family->manager.stats()); });
                      family->give_back();
                      family = nullptr;
                      if (i % 10 == 0) {
                        work_as_usual(open_device("host"));
                      } else {
                        MemoryManager(open_device("host")).get_buffer(kBytes).reset();
                      }
                    },
                    i % 2 == 0 ? Ending::exit : Ending::quick),
                "")
          << "fork " << i;
    }
  }
  family->give_back();
  work_as_usual(family->device);
}

}  // namespace
}  // namespace headrace::test
