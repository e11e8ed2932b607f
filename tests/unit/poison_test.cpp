// SPDX-License-Identifier: Apache-2.0
// Under AddressSanitizer nobody may touch memory that is in the pool's hands and in no work's.
#include "core/poison.h"

#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <utility>

namespace headrace::core {
namespace {

using test::launch;

class PoisonTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!kPoisons) {
      GTEST_SKIP() << "needs AddressSanitizer";
    }
  }

  Buffer take(const Stream& stream, std::size_t size) {
    return manager_.get_buffer(size, DeviceType::cpu, stream);
  }
  /// Whether a byte of what `buffer` points at may not be touched.
  static bool is_poisoned([[maybe_unused]] const std::byte* memory,
                          [[maybe_unused]] std::size_t size) {
#ifdef HEADRACE_POISON
    return __asan_region_is_poisoned(const_cast<std::byte*>(memory), size) != nullptr;
#else
    return false;
#endif
  }

  static constexpr std::size_t kSmall = 4096;
  static constexpr std::size_t kLarge = std::size_t{3} << 20;
  MockDevice mock_{{.random_order = true}};
  MemoryManager manager_{mock_.device()};
  Stream stream_ = mock_.device().make_stream();
};

TEST_F(PoisonTest, WhatIsCachedAndOverIsPoisonedUntilItIsTaken) {
  for (const std::size_t size : {kSmall, kLarge}) {
    for (const bool is_used_elsewhere : {false, true}) {  // Then no thread's cache takes it.
      for (int round = 0; round < 2; ++round) {  // Made, and then taken from where it is cached.
        Buffer buffer = take(stream_, size);
        const std::byte* memory = test::bytes_of(buffer);
        EXPECT_FALSE(is_poisoned(memory, size)) << size;
        if (is_used_elsewhere) {
          buffer.record_use(mock_.device().make_stream());
          mock_.device().synchronize();
        }
        buffer.reset();
        EXPECT_TRUE(is_poisoned(memory, size)) << size << is_used_elsewhere;
      }
    }
  }
}

TEST_F(PoisonTest, WhatWorkMayStillUseIsNot) {
  for (const std::size_t size : {kSmall, kLarge}) {
    const Stream stream = mock_.device().make_stream();
    Buffer buffer = take(stream, size);
    const std::byte* memory = test::bytes_of(buffer);
    launch(stream, [] {});
    buffer.reset();
    EXPECT_FALSE(is_poisoned(memory, size)) << size;
    mock_.device().synchronize();
  }
}

TEST_F(PoisonTest, WhatAScopeKeepsIsNotForItsGraphUsesIt) {
  std::optional<CaptureScope> scope(std::in_place, manager_, stream_);
  mock_.set_capturing(stream_, true);
  Buffer buffer = take(stream_, kSmall);
  const std::byte* memory = test::bytes_of(buffer);
  buffer.reset();
  EXPECT_FALSE(is_poisoned(memory, kSmall));
  mock_.set_capturing(stream_, false);
  scope->end_capture();
  EXPECT_FALSE(is_poisoned(memory, kSmall));
}

}  // namespace
}  // namespace headrace::core
