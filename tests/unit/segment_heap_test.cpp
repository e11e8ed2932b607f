// SPDX-License-Identifier: Apache-2.0
#include "core/segment_heap.h"

#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace headrace::core {
namespace {

using test::launch;
using test::shared_state_of;
using test::state_of;

constexpr std::size_t kKiB = 1024;

class SegmentHeapTest : public testing::Test {
 protected:
  void add(std::size_t size) {
    next_address_ += std::uint64_t{1} << 32;
    heap_.add({.handle = next_address_, .size = size, .kind = HandleKind::pointer}, size);
  }

  /// The end of the work that `stream` has now, and gives it some.
  static UseList work_on(const Stream& stream) {
    launch(stream, [] {});
    UseList uses;
    uses.add(state_of(stream).stamp());
    return uses;
  }

  void expect_sound() const {
    std::map<const Segment*, std::size_t> end;
    std::size_t free_bytes = 0;
    std::size_t largest = 0;
    const Span* last = nullptr;
    heap_.for_each([&](const Span& span) {
      EXPECT_EQ(span.offset, end[span.segment]) << "a gap or an overlap";
      EXPECT_GT(span.size, 0U);
      EXPECT_EQ(span.before, span.offset == 0 ? nullptr : last);
      end[span.segment] += span.size;
      free_bytes += span.is_free ? span.size : 0;
      largest = std::max(largest, span.is_free ? span.size : 0);
      last = &span;
    });
    std::size_t bytes = 0;
    for (const auto& [segment, covered] : end) {
      EXPECT_EQ(covered, segment->size);
      bytes += covered;
    }
    EXPECT_EQ(bytes, heap_.bytes());
    EXPECT_EQ(free_bytes, heap_.free_bytes());
    EXPECT_EQ(largest, heap_.largest_free());
    EXPECT_EQ(end.size(), heap_.segment_count());
  }

  MockDevice mock_;
  Stream a_ = mock_.device().make_stream();
  Stream b_ = mock_.device().make_stream();
  SegmentHeap heap_;
  std::uint64_t next_address_ = 0;
};

TEST_F(SegmentHeapTest, TakesTheSmallestSpanThatIsLargeEnough) {
  add(8 * kKiB);
  add(2 * kKiB);
  add(4 * kKiB);
  const Span* span = heap_.take(2 * kKiB, &state_of(a_));
  ASSERT_NE(span, nullptr);
  EXPECT_EQ(span->segment->size, 2 * kKiB);
  EXPECT_EQ(heap_.take(kKiB, &state_of(a_))->segment->size, 4 * kKiB);
  EXPECT_EQ(heap_.take(16 * kKiB, &state_of(a_)), nullptr);
  expect_sound();
}

TEST_F(SegmentHeapTest, OfEqualSpansTheOldestSegmentIsFilledFirst) {
  add(2 * kKiB);
  add(2 * kKiB);
  EXPECT_EQ(heap_.take(kKiB, nullptr)->segment->number, 1U);
  EXPECT_EQ(heap_.take(kKiB, nullptr)->segment->number, 1U);
  EXPECT_EQ(heap_.take(kKiB, nullptr)->segment->number, 2U);
}

TEST_F(SegmentHeapTest, WhatIsLeftOverIsFreeAndComesTogetherAgain) {
  add(4 * kKiB);
  std::vector<Span*> taken;
  for (int i = 0; i < 4; ++i) {
    taken.push_back(heap_.take(kKiB, nullptr));
    expect_sound();
  }
  EXPECT_EQ(heap_.take(256, nullptr), nullptr);
  for (const std::size_t i : {1U, 3U, 2U, 0U}) {
    heap_.give(taken[i], {});
    expect_sound();
  }
  EXPECT_EQ(heap_.largest_free(), 4 * kKiB);
}

TEST_F(SegmentHeapTest, WhatAStreamUsesIsItsOwnUntilTheWorkIsDone) {
  add(2 * kKiB);
  heap_.give(heap_.take(2 * kKiB, &state_of(a_)), work_on(a_));
  EXPECT_EQ(heap_.take(kKiB, &state_of(b_)), nullptr);
  EXPECT_EQ(heap_.take(kKiB, nullptr), nullptr) << "the host is on no stream";
  Span* own = heap_.take(kKiB, &state_of(a_));
  ASSERT_NE(own, nullptr);
  heap_.refresh();
  mock_.complete_all();
  heap_.refresh();
  EXPECT_NE(heap_.take(kKiB, &state_of(b_)), nullptr);
  expect_sound();
}

TEST_F(SegmentHeapTest, NeighboursOfTwoStreamsStayApart) {
  add(2 * kKiB);
  Span* first = heap_.take(kKiB, &state_of(a_));
  Span* second = heap_.take(kKiB, &state_of(b_));
  heap_.give(first, work_on(a_));
  heap_.give(second, work_on(b_));
  EXPECT_EQ(heap_.largest_free(), kKiB) << "joined, neither stream could use either at once";
  heap_.refresh();
  EXPECT_EQ(heap_.largest_free(), kKiB);
  EXPECT_EQ(heap_.take_run(2 * kKiB, &state_of(a_), SegmentHeap::Ready::at_once), nullptr);
  mock_.complete_all();
  heap_.refresh();
  EXPECT_EQ(heap_.largest_free(), 2 * kKiB);
}

TEST_F(SegmentHeapTest, ARunTakesNeighboursThatTheStreamMayUse) {
  add(3 * kKiB);
  Span* first = heap_.take(kKiB, &state_of(a_));
  Span* second = heap_.take(kKiB, &state_of(a_));
  heap_.give(first, work_on(a_));
  heap_.give(second, {});
  EXPECT_EQ(heap_.take(3 * kKiB, &state_of(a_)), nullptr);
  EXPECT_EQ(heap_.take_run(3 * kKiB, &state_of(b_), SegmentHeap::Ready::at_once), nullptr);
  const Span* run = heap_.take_run(3 * kKiB, &state_of(a_), SegmentHeap::Ready::at_once);
  ASSERT_NE(run, nullptr);
  EXPECT_EQ(run->size, 3 * kKiB);
  EXPECT_TRUE(run->uses.is_only_on(state_of(a_)));
  expect_sound();
}

TEST_F(SegmentHeapTest, ARunOfAnyKnowsEveryUse) {
  add(2 * kKiB);
  Span* first = heap_.take(kKiB, &state_of(a_));
  Span* second = heap_.take(kKiB, &state_of(b_));
  heap_.give(first, work_on(a_));
  heap_.give(second, work_on(b_));
  const Span* run = heap_.take_run(2 * kKiB, &state_of(a_), SegmentHeap::Ready::any);
  ASSERT_NE(run, nullptr);
  EXPECT_EQ(run->uses.size(), 2U);
}

TEST_F(SegmentHeapTest, ARunLeavesOutWhatItDoesNotNeed) {
  add(9 * kKiB);
  Span* first = heap_.take(kKiB, &state_of(a_));
  heap_.give(first, work_on(a_));
  const Span* run = heap_.take_run(8 * kKiB, &state_of(b_), SegmentHeap::Ready::any);
  ASSERT_NE(run, nullptr);
  EXPECT_EQ(run->offset, kKiB);
  EXPECT_TRUE(run->uses.empty()) << "nobody waits for the span in front";
  expect_sound();
}

TEST_F(SegmentHeapTest, RemovesWholeSegmentsThatNobodyUses) {
  add(kKiB);
  add(kKiB);
  add(kKiB);
  Span* held = heap_.take(256, nullptr);
  Span* used = heap_.take(kKiB, &state_of(a_));
  heap_.give(used, work_on(a_));
  EXPECT_EQ(heap_.remove_free(SegmentHeap::Ready::at_once).size(), 1U) << "neither held nor used";
  const auto rest = heap_.remove_free(SegmentHeap::Ready::any);
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].uses.size(), 1U) << "whoever buries it must know";
  heap_.give(held, {});
  EXPECT_EQ(heap_.remove_free(SegmentHeap::Ready::at_once).size(), 1U);
  EXPECT_EQ(heap_.bytes(), 0U);
}

TEST_F(SegmentHeapTest, RandomProgramsKeepItSound) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::vector<Span*> taken;
    std::set<std::pair<const Segment*, std::size_t>> live;
    for (int step = 0; step < 600 && !HasFailure(); ++step) {
      const Stream& stream = random() % 2 == 0 ? a_ : b_;
      switch (random() % 8) {
        case 0:
          add((1 + random() % 16) * kKiB);
          break;
        case 1:
          mock_.complete_all();
          heap_.refresh();
          break;
        case 2:
          heap_.remove_free(SegmentHeap::Ready::at_once);
          break;
        case 3:
        case 4:
          if (!taken.empty()) {
            std::swap(taken[random() % taken.size()], taken.back());
            heap_.give(taken.back(), random() % 3 == 0 ? UseList{} : work_on(stream));
            taken.pop_back();
          }
          break;
        default: {
          const std::size_t size = (1 + random() % 24) * 256;
          Span* span = random() % 2 == 0
                           ? heap_.take(size, &state_of(stream))
                           : heap_.take_run(size, &state_of(stream), SegmentHeap::Ready::at_once);
          if (span != nullptr) {
            EXPECT_EQ(span->size, size);
            EXPECT_FALSE(span->is_free);
            EXPECT_TRUE(span->uses.all_complete_or_on(state_of(stream)))
                << "memory that the other stream still uses";
            taken.push_back(span);
          }
        }
      }
      expect_sound();
    }
    for (Span* span : taken) {
      heap_.give(span, {});
    }
    heap_.refresh();  // Records the markers.
    mock_.complete_all();
    heap_.refresh();
    expect_sound();
    heap_.remove_free(SegmentHeap::Ready::at_once);
    EXPECT_EQ(heap_.bytes(), 0U) << "everything comes together again";
  }
}

}  // namespace
}  // namespace headrace::core
