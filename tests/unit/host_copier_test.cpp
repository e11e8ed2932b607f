// SPDX-License-Identifier: Apache-2.0
#include "core/host_copier.h"

#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <sys/mman.h>
#include <thread>
#include <vector>

namespace headrace::core {
namespace {

using test::wait_until;

constexpr std::size_t kShared = HostCopier::kSharedBytes;
constexpr std::size_t kPiece = HostCopier::kPieceBytes;

std::vector<std::byte> pattern(std::size_t bytes, unsigned seed = 0) {
  std::vector<std::byte> values(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    values[i] = static_cast<std::byte>((i + seed) * 2654435761U >> 13);
  }
  return values;
}

TEST(HostCopierTest, ASmallMachinesCallersCopyAlone) {
  EXPECT_EQ(copying_threads(0), 0U);  // not known
  EXPECT_EQ(copying_threads(1), 0U);
  EXPECT_EQ(copying_threads(2), 0U);
  EXPECT_EQ(copying_threads(3), 2U);
  EXPECT_EQ(copying_threads(8), 7U);
  EXPECT_EQ(copying_threads(9), 8U);
  EXPECT_EQ(copying_threads(256), 8U);
}

using Copy = void (HostCopier::*)(std::byte*, const std::byte*, std::size_t);

class HostCopyTest : public testing::TestWithParam<Copy> {};

TEST_P(HostCopyTest, CopiesEveryByteAndNoOther) {
  for (const unsigned threads : {0U, 1U, 3U}) {
    HostCopier copier(threads);
    for (const std::size_t bytes : {std::size_t{0},
                                    std::size_t{1},
                                    std::size_t{63},
                                    std::size_t{200},
                                    kShared - 1,
                                    kShared,
                                    kShared + 1,
                                    kShared + kPiece - 1,
                                    3 * kShared + kPiece + 5}) {
      const std::vector<std::byte> from = pattern(bytes, threads);
      for (const std::size_t offset : {1, 16, 37, 64}) {
        std::vector<std::byte> to(bytes + offset + 1, std::byte{0xEE});
        (copier.*GetParam())(to.data() + offset, from.data(), bytes);
        EXPECT_TRUE(std::equal(from.begin(), from.end(), to.data() + offset)) << bytes;
        EXPECT_EQ(to[offset - 1], std::byte{0xEE}) << bytes;
        EXPECT_EQ(to.back(), std::byte{0xEE}) << bytes;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Copies,
                         HostCopyTest,
                         testing::Values(&HostCopier::copy, &HostCopier::copy_for_device),
                         [](const auto& copy) { return copy.index == 0 ? "host" : "device"; });

TEST(HostCopierTest, SmallWorkStaysWithItsCaller) {
  HostCopier copier(3);
  std::atomic<int> calls = 0;
  copier.in_pieces(kShared - 1,
                   kPiece,
                   [&, caller = std::this_thread::get_id()](std::size_t, std::size_t bytes) {
                     EXPECT_EQ(std::this_thread::get_id(), caller);
                     EXPECT_EQ(bytes, kShared - 1);
                     ++calls;
                   });
  EXPECT_EQ(calls, 1);
}

// The caller keeps its piece until another thread has begun one: alone it would never end. Again
// and again, for threads that sleep must be woken.
TEST(HostCopierTest, OtherThreadsTakePartInLargeWork) {
  HostCopier copier(2);
  const std::thread::id caller = std::this_thread::get_id();
  for (int round = 0; round < 50; ++round) {
    std::atomic<bool> helped = false;
    copier.in_pieces(kShared, kPiece, [&](std::size_t, std::size_t) {
      if (std::this_thread::get_id() != caller) {
        helped = true;
      }
      wait_until([&] { return helped.load(); });
    });
    EXPECT_TRUE(helped);
    if (round % 2 == 0) {  // After a while they sleep, else they are still there.
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

// The source may be changed right after the call, so that no piece may still be read then.
TEST(HostCopierTest, ReturnsWhenThePiecesOfOthersAreDoneToo) {
  HostCopier copier(2);
  const std::thread::id caller = std::this_thread::get_id();
  constexpr std::size_t kPieces = kShared / kPiece;
  std::atomic<std::size_t> begun = 0;
  std::atomic<std::size_t> done = 0;
  copier.in_pieces(kShared, kPiece, [&](std::size_t, std::size_t) {
    ++begun;
    if (std::this_thread::get_id() == caller) {
      wait_until([&] { return begun > done + 1 || begun == kPieces; });
    } else {  // The last to go on, and then not at once.
      wait_until([&] { return begun == kPieces; });
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ++done;
  });
  EXPECT_EQ(done, kPieces);
}

// Of pages that nobody wrote the system keeps none; of those around the place none is written.
TEST(HostCopierTest, TouchesEveryPageOfAPlaceAndNothingElse) {
  constexpr std::size_t kPage = 4096;
  constexpr std::size_t kRoom = HostCopier::kTouchedBytes * 3;
  for (const std::size_t offset : {std::size_t{0}, std::size_t{16}, kPage * 3 + 16}) {
    void* const room = mmap(
        nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT_NE(room, MAP_FAILED);
    auto* const bytes = static_cast<std::byte*>(room);
    std::fill_n(bytes + kRoom - 2 * kPage, 2 * kPage, std::byte{1});
    std::fill_n(bytes, offset, std::byte{1});
    const std::size_t size = kRoom - 2 * kPage - offset;
    HostCopier copier(2);
    copier.touch(bytes + offset, size);
    std::vector<unsigned char> resident(kRoom / kPage);
    ASSERT_EQ(mincore(room, kRoom, resident.data()), 0);
    EXPECT_EQ(std::ranges::count_if(resident, [](unsigned char page) { return page % 2 == 0; }), 0);
    EXPECT_EQ(std::count(bytes, bytes + offset, std::byte{1}), static_cast<std::ptrdiff_t>(offset));
    EXPECT_EQ(bytes[kRoom - 2 * kPage], std::byte{1});
    munmap(room, kRoom);
  }
}

TEST(HostCopierTest, ManyCallersShareTheThreadsStress) {
  HostCopier copier(3);
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> callers;
  for (unsigned t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      for (unsigned i = 0; i < 20; ++i) {
        std::vector<std::byte> from = pattern(kShared + (t * 7919 + i * 104729) % kShared, t + i);
        const std::vector<std::byte> expected = from;
        std::vector<std::byte> to(from.size());
        copier.copy(to.data(), from.data(), from.size());
        std::ranges::fill(from, std::byte{0});  // The source is the caller's again.
        wrong += to == expected ? 0 : 1;
      }
    });
  }
  callers.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(HostCopierTest, EndsWithOrWithoutHavingCopied) {
  { const HostCopier unused(3); }
  for (int i = 0; i < 50; ++i) {
    HostCopier copier(3);
    const std::vector<std::byte> from = pattern(kShared);
    std::vector<std::byte> to(kShared);
    copier.copy(to.data(), from.data(), kShared);
    EXPECT_EQ(to, from);
  }
}

}  // namespace
}  // namespace headrace::core
