// SPDX-License-Identifier: Apache-2.0
#include "headrace/headrace.h"

#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

// Whatever streams the operations on tensors run on, their results are those of running them one
// after another. Random programs are compared with the same program on plain vectors.

namespace headrace::core {
namespace {

using test::code_of;
using test::launch;
using test::state_of;

using Values = std::vector<std::int32_t>;

constexpr std::int64_t kRows = 8;
constexpr std::int64_t kColumns = 16;
constexpr std::size_t kCount = kRows * kColumns;

struct Setup {
  const char* name;
  bool unified = false;
  test::Config config = {};
};

void PrintTo(const Setup& setup, std::ostream* to) {
  *to << setup.name;
}

class Program {
 public:
  Program(const Setup& setup, std::uint64_t seed)
      : random_(seed),
        mock_({.random_order = true, .seed = seed, .unified_memory = setup.unified}),
        manager_(mock_.device(), setup.config),
        streams_{mock_.device().default_stream()},
        staging_(manager_, 2, 200) {  // Smaller than a tensor, so that transfers go in pieces.
    for (int i = 0; i < 3; ++i) {
      streams_.push_back(mock_.device().make_stream());
      pools_.push_back(std::make_unique<CommandBufferPool>(streams_.back(), 2));
    }
    for (int i = 0; i < 5; ++i) {
      pairs_.push_back(fresh());
    }
  }

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      act();
      for (std::uint64_t left = pick(3); left > 0; --left) {
        mock_.step(pick(streams_.size() + 2));
      }
    }
    for (const Pair& pair : pairs_) {
      compare(pair);
    }
    pairs_.clear();
    mock_.complete_all();
    test::expect_ledger_balances(manager_, mock_);
  }

  [[nodiscard]] std::uint64_t comparisons() const { return comparisons_; }
  [[nodiscard]] MockDevice& mock() { return mock_; }

 private:
  struct Pair {
    Tensor tensor;
    Values expected;
  };

  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  Pair& any() { return pairs_[pick(pairs_.size())]; }
  const Stream& stream() { return streams_[pick(streams_.size())]; }

  Values random_values() {
    Values values(kCount);
    std::ranges::generate(values, [this] { return static_cast<std::int32_t>(pick(1U << 20)); });
    return values;
  }

  Pair fresh() {
    const DeviceType type = pick(4) == 0 ? DeviceType::cpu : DeviceType::gpu;
    Pair pair{Tensor(manager_, Shape{kRows, kColumns}, DataType::int32, type, stream()),
              random_values()};
    pair.tensor.copy_from(pair.expected);
    return pair;
  }

  void act() {
    using Action = void (Program::*)();
    static constexpr std::array<Action, 12> kActions{&Program::replace,
                                                     &Program::set_from_host,
                                                     &Program::copy,
                                                     &Program::copy_rows,
                                                     &Program::copy_deep,
                                                     &Program::convert_there_and_back,
                                                     &Program::record_commands,
                                                     &Program::transfer,
                                                     &Program::transfer_filled,
                                                     &Program::write_natively,
                                                     &Program::replace_stream,
                                                     &Program::compare_one};
    (this->*kActions.at(pick(kActions.size())))();
  }

  void replace() {
    Pair& pair = any();
    pair = Pair();  // Gone while work may still use it.
    pair = fresh();
  }

  void set_from_host() {
    Pair& pair = any();
    pair.expected = random_values();
    pair.tensor.copy_from(pair.expected);
  }

  void copy() {
    const Pair& from = any();
    Pair& to = any();
    if (&from != &to) {
      to.tensor.copy_from(from.tensor, stream());
      to.expected = from.expected;
    }
  }

  void copy_rows() {
    const Pair& from = any();
    Pair& to = any();
    if (&from == &to) {
      return;
    }
    const auto begin = static_cast<std::int64_t>(pick(kRows));
    const auto end = begin + 1 + static_cast<std::int64_t>(pick(kRows - begin));
    to.tensor.slice(begin, end).copy_from(from.tensor.slice(begin, end), stream());
    std::copy(from.expected.begin() + begin * kColumns,
              from.expected.begin() + end * kColumns,
              to.expected.begin() + begin * kColumns);
  }

  void copy_deep() {
    const Pair& from = any();
    Pair copy{from.tensor.deep_copy(stream()), from.expected};
    any() = std::move(copy);
  }

  void convert_there_and_back() {
    const Pair& from = any();
    Pair copy{
        from.tensor.convert_to(DataType::float64, stream()).convert_to(DataType::int32, stream()),
        from.expected};
    any() = std::move(copy);
  }

  void record_commands() {
    CommandBufferPool& pool = *pools_[pick(pools_.size())];
    const Pair& from = any();
    Pair& to = any();
    CommandBuffer buffer = pool.get_buffer();
    const auto value = static_cast<std::int32_t>(pick(1000));
    if (&from != &to && pick(2) == 0) {
      buffer.copy(from.tensor, to.tensor);
      to.expected = from.expected;
    }
    buffer.fill(to.tensor.slice(0, 2), value);
    std::fill_n(to.expected.begin(), 2 * kColumns, value);
    pool.execute_async(std::move(buffer));
  }

  void transfer() {
    Pair& to = any();
    to.expected = random_values();
    Values source = to.expected;
    staging_.transfer_to_gpu(source, to.tensor);
    std::ranges::fill(source, -1);  // It was read before the call returned.
  }

  void transfer_filled() {
    Pair& to = any();
    StagingBuffer filled = staging_.get_buffer();
    const Values source = random_values();
    const std::int64_t rows = 3;  // As many as fit.
    std::memcpy(filled.data(), source.data(), rows * kColumns * sizeof(std::int32_t));
    staging_.transfer_to_gpu(std::move(filled), to.tensor.slice(1, 1 + rows));
    std::copy_n(source.begin(), rows * kColumns, to.expected.begin() + kColumns);
  }

  void write_natively() {
    Pair& pair = any();
    const Stream& on = stream();
    pair.tensor.wait_on(on);
    launch(on, [memory = pair.tensor.native_handle().as_pointer<std::byte>()] {
      for (std::size_t i = 0; i < kCount; ++i) {
        std::int32_t value = 0;
        std::memcpy(&value, memory + 4 * i, 4);
        value ^= 0x55;
        std::memcpy(memory + 4 * i, &value, 4);
      }
    });
    pair.tensor.record_use(on);
    for (std::int32_t& value : pair.expected) {
      value ^= 0x55;
    }
  }

  void replace_stream() {
    if (pick(5) == 0) {
      streams_[1 + pick(streams_.size() - 1)] = mock_.device().make_stream();
    }
  }

  void compare_one() { compare(any()); }

  void compare(const Pair& pair) {
    ++comparisons_;
    EXPECT_EQ(pair.tensor.to_vector<std::int32_t>(), pair.expected);
  }

  std::mt19937_64 random_;
  MockDevice mock_;
  MemoryManager manager_;
  std::vector<Stream> streams_;
  StagingBufferPool staging_;
  std::vector<std::unique_ptr<CommandBufferPool>> pools_;
  std::vector<Pair> pairs_;
  std::uint64_t comparisons_ = 0;
};

class TensorOrderModelTest : public testing::TestWithParam<Setup> {};

INSTANTIATE_TEST_SUITE_P(Setups,
                         TensorOrderModelTest,
                         testing::Values(Setup{"separate"},
                                         Setup{"unified", true},
                                         Setup{"count_limit", false, {.count_limit = 24}},
                                         Setup{"soft_limit", false, {.soft_byte_limit = 4096}}),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_P(TensorOrderModelTest, OperationsOnAnyStreamsGiveWhatOneAfterAnotherWouldGive) {
  std::uint64_t comparisons = 0;
  for (std::uint64_t seed = 1; seed <= 10 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Program program(GetParam(), seed);
    program.run(1500);
    comparisons += program.comparisons();
    EXPECT_GT(program.mock().count(MockCall::wait_for), 200U) << "streams had to wait";
  }
  EXPECT_GT(comparisons, 1000U);
}

}  // namespace
}  // namespace headrace::core
