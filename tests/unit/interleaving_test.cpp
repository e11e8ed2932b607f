// SPDX-License-Identifier: Apache-2.0
#include "core/memory_pool.h"
#include "support/core_helpers.h"
#include "support/pattern.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Small programs, run once for every order in which the host's calls and the streams' work can
// come.

namespace headrace::core {
namespace {

using test::bytes_of;
using test::Findings;
using test::launch;
using test::state_of;

/// A program: calls of the host in order, on a device that works only when told to.
struct Program {
  MockDevice mock;
  std::vector<std::function<void()>> calls;
  std::function<void()> at_the_end = [] {};
  Findings findings;
};

/// Runs a program, made afresh each time, in every order; stops at the first that fails.
class Explorer {
 public:
  explicit Explorer(std::function<std::shared_ptr<Program>()> make) : make_(std::move(make)) {}

  /// \returns In how many orders it ran.
  std::size_t run() {
    std::size_t orders = 0;
    do {
      orders += run_once() ? 1 : 0;
      if (testing::Test::HasFailure()) {
        ADD_FAILURE() << "in the order " << testing::PrintToString(path_)
                      << " (0: the host's next call, n: a piece of work of stream n - 1)";
        break;
      }
    } while (next_path());
    return orders;
  }

 private:
  // Choice 0 is the host's next call, choice n a step of stream n - 1.
  static constexpr std::size_t kChoices = 6;

  /// Follows `path_` and then always the first choice that can go on. \returns Whether the path led
  /// to the end; else no choice from its last place on can go on.
  bool run_once() {
    const std::shared_ptr<Program> program = make_();
    std::size_t next_call = 0;
    for (std::size_t depth = 0;; ++depth) {
      if (next_call == program->calls.size() && program->mock.pending() == 0) {
        path_.resize(depth);
        break;
      }
      if (depth == path_.size()) {
        path_.push_back(0);
      }
      std::size_t& choice = path_[depth];
      while (choice < kChoices && !take(*program, choice, next_call)) {
        ++choice;
      }
      if (choice == kChoices) {
        EXPECT_TRUE(depth + 1 == path_.size() && depth < fixed_)
            << "work is pending that can never go on";
        drain(*program);
        return false;
      }
    }
    program->at_the_end();
    EXPECT_EQ(program->findings.damaged, 0U);
    return true;
  }

  static bool take(Program& program, std::size_t choice, std::size_t& next_call) {
    if (choice != 0) {
      return program.mock.step(choice - 1);
    }
    if (next_call == program.calls.size()) {
      return false;
    }
    program.calls[next_call++]();
    return true;
  }

  static void drain(Program& program) { program.mock.complete_all(); }

  /// Goes to the next choice at the deepest place that has one.
  bool next_path() {
    while (!path_.empty() && ++path_.back() >= kChoices) {
      path_.pop_back();
    }
    fixed_ = path_.size();
    return !path_.empty();
  }

  std::function<std::shared_ptr<Program>()> make_;
  std::vector<std::size_t> path_;
  std::size_t fixed_ = 0;  // Places of the path that come from the run before.
};

/// A program about one manager, two streams, and buffers that check their memory.
struct BufferProgram : Program {
  explicit BufferProgram(const test::Config& config = {}) : manager(mock.device(), config) {}

  Buffer take(const Stream& stream, std::uint64_t tag, DeviceType type = DeviceType::gpu) {
    Buffer buffer = manager.get_buffer(256, type, stream);
    if (type == DeviceType::cpu) {
      test::write_pattern(bytes_of(buffer), buffer.capacity(), tag);
    } else {
      launch(stream, [bytes = bytes_of(buffer), size = buffer.capacity(), tag] {
        test::write_pattern(bytes, size, tag);
      });
    }
    return buffer;
  }
  void check(const Buffer& buffer, const Stream& stream, std::uint64_t tag) {
    launch(stream, [this, bytes = bytes_of(buffer), size = buffer.capacity(), tag] {
      findings.check(bytes, size, tag);
    });
  }
  /// Takes a buffer on `stream`, uses it there and returns it.
  void use(const Stream& stream, std::uint64_t tag, DeviceType type = DeviceType::gpu) {
    const Buffer buffer = take(stream, tag, type);
    check(buffer, stream, tag);
  }

  MemoryManager manager;
  std::optional<Stream> a = mock.device().make_stream();
  std::optional<Stream> b = mock.device().make_stream();
  std::optional<Buffer> held;
};

struct Case {
  const char* name;
  test::Config config;
};

void PrintTo(const Case& each, std::ostream* to) {
  *to << each.name;
}

class InterleavingTest : public testing::TestWithParam<Case> {
 protected:
  static std::size_t explore(const std::function<void(BufferProgram&)>& build) {
    return Explorer([&] {
             auto program = std::make_shared<BufferProgram>(GetParam().config);
             build(*program);
             return program;
           })
        .run();
  }
};

INSTANTIATE_TEST_SUITE_P(Limits,
                         InterleavingTest,
                         testing::Values(Case{"none", {}},
                                         Case{"count", {.count_limit = 1}},
                                         Case{"soft", {.soft_byte_limit = 256}}),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_P(InterleavingTest, MemoryGoesFromStreamToStreamAndBack) {
  const std::size_t orders = explore([](BufferProgram& p) {
    p.calls = {[&p] { p.use(*p.a, 1); }, [&p] { p.use(*p.b, 2); }, [&p] { p.use(*p.a, 3); }};
    p.at_the_end = [&p] { EXPECT_EQ(p.findings.checks, 3U); };
  });
  EXPECT_GT(orders, 5U);
}

TEST_P(InterleavingTest, ARecordedUseHoldsTheMemory) {
  const std::size_t orders = explore([](BufferProgram& p) {
    p.calls = {[&p] {
                 const Buffer buffer = p.take(*p.a, 1);
                 state_of(*p.b).wait_on(state_of(*p.a).mark());
                 p.check(buffer, *p.b, 1);
                 buffer.record_use(*p.b);
               },
               [&p] { p.use(*p.a, 2); },
               [&p] { p.use(*p.b, 3); }};
    p.at_the_end = [&p] { EXPECT_EQ(p.findings.checks, 3U); };
  });
  EXPECT_GT(orders, 5U);
}

TEST_P(InterleavingTest, AStreamThatGoesAwayIsStillWaitedFor) {
  const std::size_t orders = explore([](BufferProgram& p) {
    p.calls = {[&p] { p.use(*p.a, 1); }, [&p] { p.a.reset(); }, [&p] { p.use(*p.b, 2); }};
    p.at_the_end = [&p] { EXPECT_EQ(p.findings.checks, 2U); };
  });
  EXPECT_GT(orders, 5U);
}

TEST_P(InterleavingTest, ABufferReturnedAfterItsStreamWentIsStillWaitedFor) {
  const std::size_t orders = explore([](BufferProgram& p) {
    p.calls = {[&p] {
                 p.held = p.take(*p.a, 1);
                 p.check(*p.held, *p.a, 1);
               },
               [&p] { p.a.reset(); },
               [&p] { p.held.reset(); },
               [&p] { p.use(*p.b, 2); }};
    p.at_the_end = [&p] { EXPECT_EQ(p.findings.checks, 2U); };
  });
  EXPECT_GT(orders, 5U);
}

TEST_P(InterleavingTest, AnAdoptedStreamIsWaitedFor) {
  const std::size_t orders = explore([](BufferProgram& p) {
    p.calls = {[&p] {
                 const Stream adopted = p.mock.device().adopt_stream(p.a->native_handle());
                 p.use(adopted, 1);
               },
               [&p] { p.use(*p.b, 2); },
               [&p] { p.use(*p.a, 3); }};
    p.at_the_end = [&p] { EXPECT_EQ(p.findings.checks, 3U); };
  });
  EXPECT_GT(orders, 5U);
}

TEST_P(InterleavingTest, MemoryTrimmedBetweenIsNotInUse) {
  const std::size_t orders = explore([](BufferProgram& p) {
    p.calls = {[&p] { p.use(*p.a, 1); }, [&p] { p.manager.trim(); }, [&p] { p.use(*p.b, 2); }};
    p.at_the_end = [&p] { EXPECT_EQ(p.findings.checks, 2U); };
  });
  EXPECT_GT(orders, 5U);
}

TEST(Interleaving, CpuMemoryIsWrittenByTheHostOnlyWhenNoWorkUsesIt) {
  const std::size_t orders =
      Explorer([] {
        auto p = std::make_shared<BufferProgram>();
        BufferProgram* program = p.get();
        for (std::uint64_t tag = 1; tag <= 4; ++tag) {
          p->calls.emplace_back([program, tag] {
            program->use(tag % 2 == 0 ? *program->a : *program->b, tag, DeviceType::cpu);
          });
        }
        return p;
      }).run();
  EXPECT_GT(orders, 100U);
}

// --- Tensors: every operation comes after those before it that touch the same storage

struct TensorProgram : Program {
  TensorProgram() {
    for (int i = 0; i < 3; ++i) {
      streams.push_back(mock.device().make_stream());
    }
    for (int i = 0; i < 3; ++i) {
      tensors.emplace_back(manager, Shape{64}, DataType::int32);
      set(i, -1 - i);
    }
  }
  std::byte* memory(int tensor) const {
    return tensors[static_cast<std::size_t>(tensor)].native_handle().as_pointer<std::byte>();
  }
  void set(int tensor, std::int32_t value) const {
    for (std::size_t i = 0; i < 64; ++i) {
      std::memcpy(memory(tensor) + 4 * i, &value, 4);
    }
  }
  [[nodiscard]] std::int32_t value(int tensor) const {
    std::int32_t value = 0;
    std::memcpy(&value, memory(tensor), 4);
    return value;
  }
  void copy(int from, int to, int stream) {
    tensors[static_cast<std::size_t>(to)].copy_from(tensors[static_cast<std::size_t>(from)],
                                                    streams[static_cast<std::size_t>(stream)]);
  }
  /// Work of the user's own that writes.
  void write(int tensor, std::int32_t new_value, int stream) {
    const Tensor& t = tensors[static_cast<std::size_t>(tensor)];
    const Stream& s = streams[static_cast<std::size_t>(stream)];
    t.wait_on(s);
    launch(s, [this, tensor, new_value] { set(tensor, new_value); });
    t.record_use(s);
  }

  MemoryManager manager{mock.device()};
  std::vector<Stream> streams;
  std::vector<Tensor> tensors;
};

std::size_t explore_tensors(const std::function<void(TensorProgram&)>& build,
                            const std::vector<std::int32_t>& expected) {
  return Explorer([&] {
           auto program = std::make_shared<TensorProgram>();
           TensorProgram* p = program.get();
           build(*program);
           program->at_the_end = [p, &expected] {
             for (int tensor = 0; tensor < 3; ++tensor) {
               EXPECT_EQ(p->value(tensor), expected[static_cast<std::size_t>(tensor)]) << tensor;
             }
           };
           return program;
         })
      .run();
}

TEST(Interleaving, AReadComesAfterTheWriteOnAnotherStream) {
  const std::size_t orders = explore_tensors(
      [](TensorProgram& p) {
        p.calls = {
            [&p] { p.write(0, 7, 0); }, [&p] { p.copy(0, 1, 1); }, [&p] { p.copy(1, 2, 2); }};
      },
      {7, 7, 7});
  EXPECT_GT(orders, 5U);
}

TEST(Interleaving, AWriteComesAfterTheReadsOnOtherStreams) {
  const std::size_t orders = explore_tensors(
      [](TensorProgram& p) {
        p.calls = {
            [&p] { p.copy(0, 1, 0); }, [&p] { p.copy(0, 2, 1); }, [&p] { p.write(0, 7, 2); }};
      },
      {7, -1, -1});
  EXPECT_GT(orders, 5U);
}

TEST(Interleaving, AWriteComesAfterTheWriteOnAnotherStream) {
  const std::size_t orders = explore_tensors(
      [](TensorProgram& p) {
        p.calls = {[&p] { p.copy(1, 0, 0); }, [&p] { p.copy(2, 0, 1); }, [&p] { p.copy(0, 1, 2); }};
      },
      {-3, -3, -3});
  EXPECT_GT(orders, 5U);
}

TEST(Interleaving, AReadOnTheWritersStreamAfterAnotherReadStillComesBeforeTheNextWrite) {
  const std::size_t orders = explore_tensors(
      [](TensorProgram& p) {
        p.calls = {[&p] { p.write(0, 5, 0); },
                   [&p] { p.copy(0, 1, 1); },
                   [&p] { p.copy(0, 2, 0); },
                   [&p] { p.write(0, 6, 2); }};
      },
      {6, 5, 5});
  EXPECT_GT(orders, 5U);
}

TEST(Interleaving, ATensorDroppedWhileItIsReadKeepsItsMemoryUntilThen) {
  const std::size_t orders = explore_tensors(
      [](TensorProgram& p) {
        p.calls = {[&p] { p.copy(0, 1, 1); },
                   [&p] {
                     p.tensors[0] = Tensor();
                     p.tensors[0] = Tensor(p.manager, Shape{64}, DataType::int32);
                     p.write(0, 9, 0);
                   },
                   [&p] { p.copy(0, 2, 2); }};
      },
      {9, -1, 9});
  EXPECT_GT(orders, 5U);
}

}  // namespace
}  // namespace headrace::core
