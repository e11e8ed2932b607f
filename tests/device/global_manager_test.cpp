// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <array>
#include <cstdio>
#include <cstdlib>

// The global manager is the process's own, so each test runs in a process of its own.

namespace headrace::test {
namespace {

constexpr int kSuccess = 42;

/// Runs `body` in a new process, which must find all its conditions true.
void in_another_process(const std::function<bool()>& body) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const bool is_right = body();
        std::_Exit(is_right ? kSuccess : 1);
      },
      testing::ExitedWithCode(kSuccess),
      "");
}

bool expect(bool condition, const char* text) {
  if (!condition) {
    std::fprintf(stderr, "not true: %s\n", text);
  }
  return condition;
}
#define HEADRACE_TRUE(condition) expect(condition, #condition)

TEST(GlobalManagerTest, UseBeforeInitialisationIsAClearError) {
  in_another_process([] {
    return HEADRACE_TRUE(code_of([] { global_memory_manager(); }) == ErrorCode::invalid_argument) &&
           HEADRACE_TRUE(text_of([] {
                           global_memory_manager();
                         }).find("initialize_global_memory_manager") != std::string::npos) &&
           HEADRACE_TRUE(code_of([] { get_device(); }) == ErrorCode::invalid_argument) &&
           HEADRACE_TRUE(code_of([] {
                           const Tensor tensor({2, 2}, DataType::float32);
                         }) == ErrorCode::invalid_argument);
  });
}

TEST(GlobalManagerTest, TheFirstCallWins) {
  in_another_process([] {
    const Device host = open_device("host");
    const MockDevice mock;
    initialize_global_memory_manager(host);
    const MemoryManager first = global_memory_manager();
    initialize_global_memory_manager(mock.device());
    return HEADRACE_TRUE(get_device() == host) && HEADRACE_TRUE(global_memory_manager() == first) &&
           HEADRACE_TRUE(first.device() == host);
  });
}

TEST(GlobalManagerTest, NoDeviceIsRefusedAndDoesNotWin) {
  in_another_process([] {
    const bool refused = HEADRACE_TRUE(
        code_of([] { initialize_global_memory_manager(Device()); }) == ErrorCode::invalid_argument);
    initialize_global_memory_manager(open_device("host"));
    return refused && HEADRACE_TRUE(get_device() == open_device("host"));
  });
}

TEST(GlobalManagerTest, TensorsWithoutAManagerUseIt) {
  in_another_process([] {
    initialize_global_memory_manager(open_device("host"));
    Tensor tensor({2, 3}, DataType::float32, DeviceType::persistent_gpu);
    tensor.copy_from(sequence<float>(6));
    return HEADRACE_TRUE(global_memory_manager().stats().current_buffers == 1) &&
           HEADRACE_TRUE(tensor.device_type() == DeviceType::persistent_gpu) &&
           HEADRACE_TRUE(tensor.to_vector<float>() == sequence<float>(6));
  });
}

TEST(GlobalManagerTest, ManyThreadsInitialiseOneManager) {
  in_another_process([] {
    const Device host = open_device("host");
    std::array<MemoryManager, 8> seen;
    std::vector<std::jthread> threads;
    for (MemoryManager& mine : seen) {
      threads.emplace_back([&mine, &host] {
        initialize_global_memory_manager(host);
        mine = global_memory_manager();
      });
    }
    threads.clear();
    return HEADRACE_TRUE(std::ranges::all_of(
        seen, [](const MemoryManager& one) { return one == global_memory_manager(); }));
  });
}

Tensor& kept_for_ever() {
  static Tensor tensor;
  return tensor;
}

TEST(GlobalManagerTest, AStaticTensorMayOutliveMain) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        kept_for_ever();  // destroyed after what is made from now on
        initialize_global_memory_manager(open_device("host"));
        kept_for_ever() = Tensor({1000}, DataType::float32);
        kept_for_ever().copy_from(sequence<float>(1000));
        kept_for_ever() = kept_for_ever().convert_to(DataType::int32);
        std::exit(kSuccess);
      },
      testing::ExitedWithCode(kSuccess),
      "");
}

}  // namespace
}  // namespace headrace::test
