// SPDX-License-Identifier: Apache-2.0
#include "core/memory_pool.h"
#include "support/core_helpers.h"
#include "support/pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

// The rule that everything else serves: memory is handed out again only to work that comes after
// its last use. Random programs take, use and return buffers on several streams, whose work runs in
// a random order; every use writes a pattern of its own or checks the one that must be there.

namespace headrace::core {
namespace {

using test::bytes_of;
using test::code_of;
using test::expect_ledger_balances;
using test::Findings;
using test::state_of;

struct Setup {
  const char* name;
  bool random_order;  // The device works by itself whenever the host polls or waits.
  std::vector<DeviceType> kinds;
  test::Config config = {};
  bool unified = false;
};

void PrintTo(const Setup& setup, std::ostream* to) {
  *to << setup.name;
}

class Program {
 public:
  Program(const Setup& setup, std::uint64_t seed)
      : setup_(setup),
        random_(seed),
        mock_({.random_order = setup.random_order, .seed = seed, .unified_memory = setup.unified}),
        manager_(mock_.device(), setup.config) {
    for (int i = 0; i < 4; ++i) {
      streams_.push_back(mock_.device().make_stream());
    }
  }

  void run(int steps) {
    for (int i = 0; i < steps && !failed(); ++i) {
      act();
      for (std::uint64_t left = pick(4); left > 0; --left) {
        mock_.step(pick(made_streams_ + 1));
      }
    }
    finish();
  }

  [[nodiscard]] const MemoryStats& stats() const { return stats_; }
  [[nodiscard]] std::uint64_t checks() const { return findings_.checks; }

 private:
  struct Live {
    Buffer buffer;
    void* pointer = nullptr;  // Instead of the buffer, for the raw pair.
    std::size_t bytes = 0;
    std::byte* memory = nullptr;
    std::uint64_t tag = 0;
    Stream home;                // Empty once it was dropped.
    Ticket home_end;            // The end of its work, once it was dropped.
    std::vector<Stream> users;  // Others that were announced with record_use.
  };

  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  bool failed() const { return findings_.damaged != 0 || overlaps_ != 0; }

  void act() {
    const std::uint64_t what = pick(100);
    if (what < 40) {
      take();
    } else if (what < 55) {
      use_at_home();
    } else if (what < 70) {
      use_elsewhere();
    } else if (what < 94) {
      give_back();
    } else if (what < 96) {
      manager_.trim();
    } else if (what < 99) {
      drop_stream();
    } else if (setup_.random_order) {
      streams_[pick(streams_.size())].synchronize();
    }
  }

  void take() {
    constexpr std::array<std::size_t, 5> kSizes{8, 256, 600, 1000, 1024};
    if (live_.size() >= 12) {
      return;
    }
    Live live;
    live.home = streams_[pick(streams_.size())];
    const std::size_t size = kSizes.at(pick(kSizes.size()));
    const DeviceType kind = setup_.kinds[pick(setup_.kinds.size())];
    const bool raw = kind == DeviceType::gpu && pick(4) == 0;
    const auto code = code_of([&] {
      if (raw) {
        live.pointer = manager_.allocate_buffer(size, live.home);
        live.memory = static_cast<std::byte*>(live.pointer);
        live.bytes = size;
      } else {
        live.buffer = manager_.get_buffer(size, kind, live.home);
        live.memory = bytes_of(live.buffer);
        live.bytes = live.buffer.capacity();
      }
    });
    if (code) {
      ASSERT_TRUE(code == ErrorCode::out_of_memory || code == ErrorCode::capacity);
      ++refused_;
      return;
    }
    note_taken(live.memory, live.bytes);
    if (kind == DeviceType::cpu) {
      live.tag = ++last_tag_;
      test::write_pattern(live.memory, live.bytes, live.tag);  // The host may write at once.
    } else {
      write(live, live.home);
    }
    live_.push_back(std::move(live));
  }

  void note_taken(const std::byte* memory, std::size_t bytes) {
    const auto begin = reinterpret_cast<std::uintptr_t>(memory);
    const auto next = taken_.lower_bound(begin);
    if ((next != taken_.end() && next->first < begin + bytes) ||
        (next != taken_.begin() && std::prev(next)->second > begin)) {
      ++overlaps_;
    }
    taken_[begin] = begin + bytes;
  }

  void write(Live& live, const Stream& stream) {
    live.tag = ++last_tag_;
    test::launch(stream, [memory = live.memory, bytes = live.bytes, tag = live.tag] {
      test::write_pattern(memory, bytes, tag);
    });
  }

  void check(const Live& live, const Stream& stream) {
    ++launched_checks_;
    test::launch(stream, [this, memory = live.memory, bytes = live.bytes, tag = live.tag] {
      findings_.check(memory, bytes, tag);
    });
  }

  void use_at_home() {
    if (live_.empty()) {
      return;
    }
    Live& live = live_[pick(live_.size())];
    if (!live.home) {
      return;
    }
    for (const Stream& user :
         live.users) {  // The user's own ordering, before a use after another's.
      state_of(live.home).wait_on(state_of(user).mark());
    }
    check(live, live.home);
    if (pick(2) == 0) {
      write(live, live.home);
    }
  }

  void use_elsewhere() {
    if (live_.empty()) {
      return;
    }
    Live& live = live_[pick(live_.size())];
    if (live.pointer != nullptr) {
      return;  // A bare pointer's other user is told at its release.
    }
    const Stream stream = streams_[pick(streams_.size())];
    state_of(stream).wait_on(live.home ? state_of(live.home).mark() : live.home_end);
    for (const Stream& user : live.users) {
      state_of(stream).wait_on(state_of(user).mark());
    }
    check(live, stream);
    if (pick(2) == 0) {
      write(live, stream);
    }
    live.buffer.record_use(stream);
    live.users.push_back(stream);
  }

  void give_back() {
    if (live_.empty()) {
      return;
    }
    std::swap(live_[pick(live_.size())], live_.back());
    Live live = std::move(live_.back());
    live_.pop_back();
    if (live.home && live.users.empty()) {
      check(live, live.home);
    }
    taken_.erase(reinterpret_cast<std::uintptr_t>(live.memory));
    if (live.pointer == nullptr) {
      pick(2) == 0 ? live.buffer.reset() : manager_.return_buffer(std::move(live.buffer));
      return;
    }
    if (pick(2) == 0 && live.home) {
      const Stream last = streams_[pick(streams_.size())];
      state_of(last).wait_on(state_of(live.home).mark());
      check(live, last);
      manager_.release_buffer(live.pointer, last);
    } else {
      manager_.release_buffer(live.pointer);
    }
  }

  void drop_stream() {
    Stream& dropped = streams_[pick(streams_.size())];
    for (Live& live : live_) {
      if (live.home == dropped) {
        live.home_end = state_of(live.home).mark();
        live.home = Stream();
      }
      if (std::erase(live.users, dropped) != 0) {
        // What it did to the buffer stays in order: the next user waits for its end as well.
        const Stream other = streams_[(pick(3) + 1 + index_of(dropped)) % streams_.size()];
        state_of(other).wait_on(state_of(dropped).mark());
        live.buffer.record_use(other);
        live.users.push_back(other);
      }
    }
    dropped = mock_.device().make_stream();
    ++made_streams_;
  }

  [[nodiscard]] std::size_t index_of(const Stream& stream) const {
    return static_cast<std::size_t>(std::ranges::find(streams_, stream) - streams_.begin());
  }

  void finish() {
    while (!live_.empty()) {
      give_back();
    }
    mock_.complete_all();
    EXPECT_EQ(overlaps_, 0U) << "two live buffers share memory";
    EXPECT_EQ(findings_.damaged, 0U) << "memory was handed out before its last use was over";
    EXPECT_EQ(findings_.checks, launched_checks_);
    stats_ = manager_.stats();
    EXPECT_EQ(stats_.current_buffers, 0U);
    EXPECT_EQ(stats_.failures, refused_);
    expect_ledger_balances(manager_, mock_);
    manager_.trim();
    mock_.complete_all();
    manager_.trim();
    EXPECT_EQ(mock_.live_allocations(), 0U);
  }

  const Setup& setup_;
  std::mt19937_64 random_;
  MockDevice mock_;
  MemoryManager manager_;
  std::vector<Stream> streams_;
  std::size_t made_streams_ = 4;
  std::vector<Live> live_;
  std::map<std::uintptr_t, std::uintptr_t> taken_;
  Findings findings_;
  std::uint64_t launched_checks_ = 0;
  std::uint64_t last_tag_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t overlaps_ = 0;
  MemoryStats stats_;
};

class OverlapModelTest : public testing::TestWithParam<Setup> {};

constexpr DeviceType kCpu = DeviceType::cpu;
constexpr DeviceType kGpu = DeviceType::gpu;
constexpr DeviceType kPersistent = DeviceType::persistent_gpu;

INSTANTIATE_TEST_SUITE_P(
    Setups,
    OverlapModelTest,
    testing::Values(Setup{"gpu_manual", false, {kGpu}},
                    Setup{"cpu_manual", false, {kCpu}},
                    Setup{"every_kind_manual", false, {kCpu, kGpu, kPersistent}},
                    Setup{
                        "soft_limit_manual", false, {kGpu, kPersistent}, {.soft_byte_limit = 4096}},
                    Setup{"gpu", true, {kGpu}},
                    Setup{"cpu", true, {kCpu}},
                    Setup{"unified", true, {kCpu, kGpu}, {}, true},
                    Setup{"count_limit", true, {kGpu}, {.count_limit = 6}},
                    Setup{"cpu_count_limit", true, {kCpu}, {.count_limit = 6}},
                    Setup{"byte_limit", true, {kCpu, kGpu, kPersistent}, {.byte_limit = 6144}},
                    Setup{"soft_limit", true, {kCpu, kGpu}, {.soft_byte_limit = 4096}},
                    Setup{"every_limit",
                          true,
                          {kCpu, kGpu},
                          {.byte_limit = 8192, .soft_byte_limit = 3072, .count_limit = 9}}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_P(OverlapModelTest, MemoryIsHandedOutOnlyAfterItsLastUse) {
  std::uint64_t checks = 0;
  std::uint64_t hits = 0;
  std::uint64_t waits = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Program program(GetParam(), seed);
    program.run(1500);
    checks += program.checks();
    hits += program.stats().hits;
    waits += program.stats().stream_waits + program.stats().host_waits;
    if (HasFailure()) {
      break;
    }
  }
  EXPECT_GT(checks, 5000U);
  EXPECT_GT(hits, 300U) << "without reuse nothing was tested";
  const test::Config& config = GetParam().config;
  if (config.byte_limit + config.soft_byte_limit + config.count_limit != 0) {
    EXPECT_GT(waits, 50U) << "without waiting the limits were not tested";
  }
}

}  // namespace
}  // namespace headrace::core
