// SPDX-License-Identifier: Apache-2.0
#include "core/biased_lock.h"

#include "support/weak_memory.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <memory>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <thread>
#include <vector>

namespace headrace::core {
namespace {

using test::ModelAtomic;
using test::ModelData;
using test::WeakMemory;

// What is made weaker than the header asks, to see that it is noticed.
enum class Weak { nothing, leave, owner_look, stopper_look, resume, barrier, owner_exchange, stop };

template <Weak kWeak, bool kHasBarrier>
struct ModelPlatform {
  struct Order {
    template <class T>
    static std::memory_order of_store(std::memory_order asked, T value) {
      // Thread 0 is the owner. Its `leave` is the one store of false; the others' `resume` is the
      // one store that is not relaxed anyway.
      const bool is_owner = WeakMemory::self() == 0;
      const bool weakened = (kWeak == Weak::leave && value == T{} && is_owner) ||
                            (kWeak == Weak::resume && !is_owner);
      return weakened ? std::memory_order_relaxed : asked;
    }
    static std::memory_order of_load(std::memory_order asked) {
      const bool is_owner = WeakMemory::self() == 0;
      const bool weakened =
          (kWeak == Weak::owner_look && is_owner) || (kWeak == Weak::stopper_look && !is_owner);
      return weakened ? std::memory_order_relaxed : asked;
    }
  };
  template <class T>
  class Atomic : public ModelAtomic<T, Order> {
   public:
    using ModelAtomic<T, Order>::ModelAtomic;
    T exchange(T value, std::memory_order asked) {
      const bool is_owner = WeakMemory::self() == 0;
      const bool weakened =
          (kWeak == Weak::owner_exchange && is_owner) || (kWeak == Weak::stop && !is_owner);
      return ModelAtomic<T, Order>::exchange(value, weakened ? std::memory_order_relaxed : asked);
    }
  };
  static bool has_heavy_barrier() { return kHasBarrier; }
  static void heavy_barrier() {
    if (kHasBarrier && kWeak != Weak::barrier) {
      WeakMemory::current().heavy_barrier();
    }
  }
  static void light_barrier() {}
  static void pause() { WeakMemory::current().pause(); }
};

struct Result {
  std::size_t orders;
  std::string failure;
};

/// An owner that goes in, only freely until the last time, beside a thread that stops it.
template <Weak kWeak, bool kHasBarrier, int kEntries = 2, int kStops = 1>
Result explore() {
  using Platform = ModelPlatform<kWeak, kHasBarrier>;
  struct Shared {
    BasicBiasedLock<Platform> lock;
    ModelData data;
    bool owner_is_inside = false;
    bool other_is_inside = false;
  };
  WeakMemory memory;
  const std::size_t orders = memory.explore([] {
    auto shared = std::make_shared<Shared>();
    std::vector<std::function<void()>> bodies;
    bodies.emplace_back([shared] {
      for (int i = 0; i < kEntries; ++i) {
        const bool is_last = i + 1 == kEntries;
        if (is_last ? shared->lock.try_enter() : shared->lock.try_enter_freely()) {
          shared->owner_is_inside = true;
          if (shared->other_is_inside) {
            WeakMemory::current().fail("two are inside");
          }
          shared->data.touch();
          shared->owner_is_inside = false;
          shared->lock.leave();
        }
      }
    });
    bodies.emplace_back([shared] {
      for (int i = 0; i < kStops; ++i) {
        shared->lock.stop();
        Platform::heavy_barrier();
        shared->lock.await_owner();
        shared->other_is_inside = true;
        if (shared->owner_is_inside) {
          WeakMemory::current().fail("two are inside");
        }
        shared->data.touch();
        shared->other_is_inside = false;
        shared->lock.resume();
      }
    });
    return bodies;
  });
  return {orders, memory.failure()};
}

template <bool kHasBarrier>
void expect_right_in_every_order() {
  for (const Result& result :
       {explore<Weak::nothing, kHasBarrier, 2, 1>(), explore<Weak::nothing, kHasBarrier, 1, 2>()}) {
    EXPECT_EQ(result.failure, "") << "after " << result.orders << " orders";
    EXPECT_GT(result.orders, 300U);
  }
}

TEST(BiasedLock, IsRightInEveryOrderWithABarrier) {
  expect_right_in_every_order<true>();
}

TEST(BiasedLock, IsRightInEveryOrderWithoutABarrier) {
  expect_right_in_every_order<false>();
}

// The proof that the search can fail: each ordering in the header, weakened alone.
TEST(BiasedLock, EveryOrderingInTheHeaderIsNeeded) {
  EXPECT_NE((explore<Weak::barrier, true>().failure), "");
  EXPECT_NE((explore<Weak::leave, true>().failure), "");
  EXPECT_NE((explore<Weak::stopper_look, true>().failure), "");
  EXPECT_NE((explore<Weak::resume, true>().failure), "");
  EXPECT_NE((explore<Weak::owner_look, true>().failure), "");
  EXPECT_NE((explore<Weak::owner_exchange, false>().failure), "");
  EXPECT_NE((explore<Weak::stop, false>().failure), "");
}

TEST(BiasedLock, TheStoppedOwnerStaysOutUntilItMayGoOn) {
  NativePlatform::find_heavy_barrier();
  BiasedLock lock;
  EXPECT_TRUE(lock.try_enter());
  lock.leave();
  lock.stop();
  NativePlatform::heavy_barrier();
  lock.await_owner();
  EXPECT_FALSE(lock.try_enter());
  lock.resume();
  EXPECT_TRUE(lock.try_enter());
  lock.leave();
}

TEST(BiasedLock, GuardsPlainDataOnRealThreadsStress) {
  NativePlatform::find_heavy_barrier();
  BiasedLock lock;
  std::uint64_t guarded = 0;  // Plain: a fault shows as a lost addition, or to a race detector.
  std::uint64_t by_owner = 0;
  std::atomic<bool> is_over = false;
  std::thread owner([&] {
    while (!is_over.load()) {
      if (lock.try_enter()) {
        ++guarded;
        lock.leave();
        ++by_owner;
      }
    }
  });
  constexpr std::uint64_t kStops = 20'000;
  for (std::uint64_t i = 0; i < kStops; ++i) {
    lock.stop();
    NativePlatform::heavy_barrier();
    lock.await_owner();
    ++guarded;
    lock.resume();
  }
  is_over = true;
  owner.join();
  EXPECT_EQ(guarded, by_owner + kStops);
}

// Has the kernel refuse membarrier's commands from `least` on, as a sandbox does that the program
// enters late. For death tests: there is no way back.
void refuse_membarriers(std::uint32_t least) {
  const std::uint32_t number = offsetof(seccomp_data, nr);
  const std::uint32_t command = offsetof(seccomp_data, args[0]);  // Little-endian: its low half.
  std::array<sock_filter, 6> filter{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, command),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, least, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{filter.size(), filter.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("seccomp");
    std::_Exit(3);
  }
}

TEST(BiasedLockDeathTest, WithoutTheFastBarrierTheSlowOneServes) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        NativePlatform::find_heavy_barrier();
        refuse_membarriers(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        NativePlatform::heavy_barrier();
        std::_Exit(0);
      },
      testing::ExitedWithCode(0),
      "");
}

TEST(BiasedLockDeathTest, WithoutAnyBarrierTheProgramEndsAndSaysWhy) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  NativePlatform::find_heavy_barrier();
  if (!NativePlatform::has_heavy_barrier()) {
    GTEST_SKIP() << "this kernel has no membarrier, so that nobody relies on it";
  }
  EXPECT_DEATH(
      {
        NativePlatform::find_heavy_barrier();
        refuse_membarriers(0);
        NativePlatform::heavy_barrier();
        std::_Exit(0);
      },
      "headrace: membarrier");
}

}  // namespace
}  // namespace headrace::core
