// SPDX-License-Identifier: Apache-2.0
// Small parts of the program: shares, the progress line, what bounds a run, amounts.
#include "cli/amounts.h"
#include "cli/bound_by.h"
#include "cli/digest.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/share.h"

#include <gmock/gmock.h>

#include <array>

namespace headrace::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

Share share(std::uint64_t samples, std::uint64_t batch, Shard shard, Tail tail) {
  return {.dataset_size = samples, .batch_size = batch, .shard = shard, .tail = tail};
}

TEST(Share, RanksTogetherHaveEverySample) {
  for (std::uint64_t samples = 0; samples < 40; ++samples) {
    for (std::uint64_t ranks = 1; ranks < 5; ++ranks) {
      std::uint64_t kept = 0;
      std::uint64_t dropped = 0;
      for (std::uint64_t rank = 0; rank < ranks; ++rank) {
        kept += share(samples, 3, {rank, ranks}, Tail::pad_zero).of_epoch(0);
        dropped += share(samples, 3, {rank, ranks}, Tail::drop).of_epoch(0);
      }
      EXPECT_EQ(kept, samples);
      EXPECT_EQ(dropped, samples / (3 * ranks) * (3 * ranks));
    }
  }
}

TEST(Share, RunEndsWhereItsEpochsEnd) {
  Share whole = share(10, 4, {}, Tail::short_batch);
  EXPECT_EQ(whole.of_run(3), 30);
  EXPECT_EQ(whole.of_run(0), 0);
  whole.start.epoch = 1;
  whole.start.place = 8;
  whole.start.early = {{.epoch = 1, .begin = 9, .end = 10}, {.epoch = 2, .begin = 0, .end = 5}};
  EXPECT_EQ(whole.of_epoch(0), 0);
  EXPECT_EQ(whole.of_epoch(1), 1);
  EXPECT_EQ(whole.of_epoch(2), 5);
  EXPECT_EQ(whole.of_run(1), 0);
  EXPECT_EQ(whole.of_run(2), 1);
  EXPECT_EQ(whole.of_run(5), 1 + 5 + 10 + 10);
}

TEST(OrderDigest, KnowsOrderAndEpochsButNoBatches) {
  const std::array<std::uint64_t, 4> ids{3, 1, 2, 0};
  OrderDigest whole;
  whole.add(0, ids);
  OrderDigest pieces;
  pieces.add(0, std::span(ids).first(1));
  pieces.add(0, {});
  pieces.add(0, std::span(ids).subspan(1));
  EXPECT_EQ(whole.value(), pieces.value());
  OrderDigest later;
  later.add(1, ids);
  EXPECT_NE(whole.value(), later.value());
  OrderDigest split;
  split.add(0, std::span(ids).first(2));
  split.add(1, std::span(ids).subspan(2));
  EXPECT_NE(whole.value(), split.value());
  EXPECT_NE(whole.value(), OrderDigest().value());
}

constexpr Standing kHalf{.samples = 500'000,
                         .total = 1'000'000,
                         .bytes = 2'000'000'000,
                         .queued = 2,
                         .capacity = 3,
                         .seconds = 4};

TEST(ProgressLine, FitsEveryWidth) {
  for (std::size_t width = 0; width < 200; ++width) {
    for (const Standing& standing : {kHalf, Standing{}, Standing{.samples = 7, .seconds = 1}}) {
      EXPECT_LE(progress_line(standing, width).size(), width);
    }
  }
}

TEST(ProgressLine, ShowsAllWhereThereIsRoom) {
  const std::string line = progress_line(kHalf, 100);
  EXPECT_EQ(line,
            " 50 % [===============>              ]  ETA 0:04  125 k samples/s  0.50 GB/s  "
            "queue 2/3");
  EXPECT_THAT(progress_line(kHalf, 40), testing::AllOf(HasSubstr("ETA"), Not(HasSubstr("queue"))));
}

TEST(ProgressLine, RunWithoutEndHasNoBar) {
  Standing standing = kHalf;
  standing.total = 0;
  EXPECT_THAT(progress_line(standing, 100),
              testing::AllOf(HasSubstr("500 k"), Not(HasSubstr("%")), Not(HasSubstr("ETA"))));
}

TEST(ProgressLine, OfARunThatGoesOnRatesAreItsOwn) {
  Standing standing = kHalf;
  standing.before = 400'000;
  EXPECT_THAT(
      progress_line(standing, 100),
      testing::AllOf(HasSubstr(" 50 %"), HasSubstr("25.0 k samples/s"), HasSubstr("ETA 0:20")));
}

TEST(BoundBy, FollowsItsTable) {
  AsyncDataLoaderStats stats;
  stats.workers = 2;
  stats.read.total_us = 8e6;
  stats.wait_for_batch.total_us = 4.5e6;
  Load load{.seconds = 5, .processor_seconds = 8};
  EXPECT_EQ(bound_by(stats, load), BoundBy::decode);
  load.storage_reads = 100;
  EXPECT_EQ(bound_by(stats, load), BoundBy::decode);
  load.processor_seconds = 1;
  EXPECT_EQ(bound_by(stats, load), BoundBy::storage);
  stats.read.total_us = 0.2e6;
  EXPECT_EQ(bound_by(stats, {.seconds = 5}), BoundBy::decode);  // both wait for each other
  EXPECT_EQ(bound_by(stats, {.seconds = 10}), BoundBy::consumer);
  stats.pinned_bytes = 1;
  EXPECT_EQ(bound_by(stats, load), BoundBy::link);
  stats.slots_replaced = 1;
  EXPECT_EQ(bound_by(stats, load), BoundBy::held);
  stats.wait_for_batch.total_us = 0.4e6;
  EXPECT_EQ(bound_by(stats, load), BoundBy::consumer);
  EXPECT_EQ(bound_by({}, {}), BoundBy::consumer);
}

TEST(ReportText, TellsWhatTheTraceLost) {
  Report report;
  EXPECT_THAT(to_text(report), Not(HasSubstr("trace")));
  report.trace_events = 1000;
  report.trace_dropped = 7;
  EXPECT_THAT(to_text(report),
              HasSubstr("trace        the last 1000 events; 7 before them dropped"));
}

TEST(Amounts, HaveThreeDigits) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1.00 KiB");
  EXPECT_EQ(bytes_text(123 << 20), "123 MiB");
  EXPECT_EQ(bytes_text(UINT64_MAX), "16.0 EiB");
  EXPECT_EQ(count_text(1797), "1797");
  EXPECT_EQ(count_text(35940), "35.9 k");
  EXPECT_EQ(count_text(4.469e6), "4.47 M");
  EXPECT_EQ(count_text(16.1e6), "16.1 M");
  EXPECT_EQ(time_text(9.87e-9), "9.87 ns");
  EXPECT_EQ(time_text(0.0000012), "1.20 us");
  EXPECT_EQ(time_text(0.0123), "12.3 ms");
  EXPECT_EQ(time_text(75), "75.0 s");
  EXPECT_EQ(clock_text(6.2), "0:07");
  EXPECT_EQ(clock_text(3723), "1:02:03");
}

}  // namespace
}  // namespace headrace::cli
