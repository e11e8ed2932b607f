// SPDX-License-Identifier: Apache-2.0
// Each fault that --verify is there for, made on purpose.
#include "cli/verify.h"

#include "headrace/source.h"

#include <gmock/gmock.h>

#include <array>
#include <cstdint>
#include <numeric>

namespace headrace::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kSamples = 10;
constexpr std::uint64_t kBatch = 4;

class VerifierTest : public testing::Test {
 protected:
  VerifierTest() {
    std::iota(inputs_.begin(), inputs_.end(), std::uint8_t{0});
    std::iota(labels_.begin(), labels_.end(), std::int32_t{100});
  }

  std::shared_ptr<SampleSource> source() const {
    return open_memory(std::as_bytes(std::span(inputs_)),
                       std::as_bytes(std::span(labels_)),
                       {.input_shape = Shape{3},
                        .input_dtype = DataType::uint8,
                        .label_shape = {},
                        .label_dtype = DataType::int32,
                        .fields = {}});
  }

  Verifier verifier(std::uint64_t epochs = 1, Share share = {}) const {
    share.dataset_size = kSamples;
    share.batch_size = kBatch;
    return {source(), {}, share, epochs, 0};
  }

  // A batch as it should be, of samples in any order.
  HostBatch batch(std::vector<std::uint64_t> ids, std::uint64_t epoch = 0) const {
    HostBatch result{.epoch = epoch, .ids = ids};
    result.input = {.shape = Shape{ids.size(), std::size_t{3}}, .dtype = DataType::uint8};
    result.label = {.shape = Shape{ids.size()}, .dtype = DataType::int32};
    for (const std::uint64_t id : ids) {
      append(result.input.bytes, std::as_bytes(std::span(inputs_).subspan(3 * id, 3)));
      append(result.label.bytes, std::as_bytes(std::span(labels_).subspan(id, 1)));
    }
    return result;
  }

  // The batches of an epoch in which nothing is wrong.
  std::vector<HostBatch> epoch(std::uint64_t number = 0) const {
    return {batch({3, 1, 4, 9}, number), batch({5, 2, 6, 0}, number), batch({8, 7}, number)};
  }

  static Verified check(Verifier verifier,
                        const std::vector<HostBatch>& batches,
                        std::uint64_t failures = 0,
                        bool is_complete = true) {
    for (const HostBatch& one : batches) {
      verifier.add(one);
    }
    return verifier.finish(failures, is_complete);
  }

  static void append(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
  }

  std::array<std::uint8_t, 3 * kSamples> inputs_{};
  std::array<std::int32_t, kSamples> labels_{};
};

TEST_F(VerifierTest, FindsNothingWhereNothingIsWrong) {
  std::vector<HostBatch> batches = epoch(0);
  const std::vector<HostBatch> more = epoch(1);
  batches.insert(batches.end(), more.begin(), more.end());
  const Verified found = check(verifier(2), batches);
  EXPECT_TRUE(found.is_clean());
  EXPECT_EQ(found.samples, 2 * kSamples);
  EXPECT_THAT(found.problems, testing::IsEmpty());
}

TEST_F(VerifierTest, EveryByteOfAnInputCounts) {
  for (std::size_t byte = 0; byte < 12; ++byte) {
    std::vector<HostBatch> batches = epoch();
    batches[0].input.bytes[byte] ^= std::byte{1};
    const Verified found = check(verifier(), batches);
    EXPECT_EQ(found.mismatches, 1);
    EXPECT_EQ(found.missing + found.duplicates, 0);
    EXPECT_THAT(found.problems.front(), HasSubstr("of its input is"));
  }
}

TEST_F(VerifierTest, EveryByteOfALabelCounts) {
  for (std::size_t byte = 0; byte < 16; ++byte) {
    std::vector<HostBatch> batches = epoch();
    batches[1].label.bytes[byte] ^= std::byte{0x80};
    EXPECT_EQ(check(verifier(), batches).mismatches, 1);
  }
}

TEST_F(VerifierTest, SwappedSamplesAreMismatches) {
  std::vector<HostBatch> batches = epoch();
  std::swap(batches[0].ids[0], batches[0].ids[1]);
  EXPECT_EQ(check(verifier(), batches).mismatches, 2);
}

TEST_F(VerifierTest, DroppedSampleIsMissing) {
  std::vector<HostBatch> batches = epoch();
  batches[2] = batch({8});
  const Verified found = check(verifier(), batches);
  EXPECT_EQ(found.missing, 1);
  EXPECT_EQ(found.mismatches + found.duplicates, 0);
  EXPECT_THAT(found.problems, ElementsAre("Epoch 0 has 9 of 10 samples; missing: 7."));
}

TEST_F(VerifierTest, DroppedBatchAndEpochAreMissing) {
  EXPECT_EQ(check(verifier(), {epoch()[0], epoch()[2]}).missing, 4);
  EXPECT_EQ(check(verifier(3), epoch(1)).missing, 2 * kSamples);
  EXPECT_EQ(check(verifier(), {}).missing, kSamples);
}

TEST_F(VerifierTest, SampleThatFailedIsNotMissing) {
  std::vector<HostBatch> batches = epoch();
  batches[2] = batch({});
  EXPECT_TRUE(check(verifier(), batches, 2).is_clean());
  EXPECT_EQ(check(verifier(), batches, 1).missing, 1);
}

TEST_F(VerifierTest, RepeatedSampleIsADuplicate) {
  std::vector<HostBatch> batches = epoch();
  batches[2] = batch({8, 7, 3});
  const Verified found = check(verifier(), batches);
  EXPECT_EQ(found.duplicates, 1);
  EXPECT_EQ(found.mismatches + found.missing, 0);
  EXPECT_THAT(found.problems.front(), HasSubstr("Sample 3 comes again in epoch 0"));
}

TEST_F(VerifierTest, SampleInPlaceOfAnotherIsBoth) {
  std::vector<HostBatch> batches = epoch();
  batches[2] = batch({8, 8});
  const Verified found = check(verifier(), batches);
  EXPECT_EQ(found.duplicates, 1);
  EXPECT_EQ(found.missing, 1);
}

TEST_F(VerifierTest, SamplesBeyondTheRunAreDuplicates) {
  std::vector<HostBatch> batches = epoch();
  batches.push_back(batch({1}, 1));
  EXPECT_EQ(check(verifier(1), batches).duplicates, 1);
  std::vector<HostBatch> late = epoch(0);
  const std::vector<HostBatch> second = epoch(1);
  late.insert(late.end(), second.begin(), second.end());
  late.push_back(batch({2}, 0));
  EXPECT_EQ(check(verifier(2), late).duplicates, 1);
}

TEST_F(VerifierTest, UnknownSampleIsAMismatch) {
  HostBatch odd = batch({1, 2});
  odd.ids[1] = kSamples;
  EXPECT_EQ(check(verifier(), {odd}).mismatches, 1);
}

TEST_F(VerifierTest, WrongShapesAndTypesAreMismatches) {
  HostBatch rows = epoch()[2];
  rows.input.shape = Shape{6};
  HostBatch type = epoch()[2];
  type.label.dtype = DataType::uint32;
  HostBatch cut = epoch()[2];
  cut.label.bytes.pop_back();
  for (const HostBatch& wrong : {rows, type, cut}) {
    EXPECT_EQ(check(verifier(), {epoch()[0], epoch()[1], wrong}).mismatches, 2);
  }
}

TEST_F(VerifierTest, PaddedBatchHasAllItsRows) {
  Share share;
  share.tail = Tail::pad_zero;
  std::vector<HostBatch> batches = epoch();
  EXPECT_EQ(check(verifier(1, share), batches).mismatches, 2);
  HostBatch& last = batches[2];
  last.input.shape = Shape{4, 3};
  last.label.shape = Shape{4};
  last.input.bytes.resize(12);
  last.label.bytes.resize(16);
  EXPECT_TRUE(check(verifier(1, share), batches).is_clean());
}

TEST_F(VerifierTest, ShareOfARankIsCounted) {
  Share share;
  share.shard = {.rank = 1, .world_size = 2};
  // Step 0 covers eight places, step 1 the last two.
  EXPECT_TRUE(check(verifier(1, share), {batch({5, 2, 6, 0}), batch({7})}).is_clean());
  EXPECT_EQ(check(verifier(1, share), {batch({5, 2, 6, 0})}).missing, 1);
  EXPECT_EQ(check(verifier(1, share), {batch({5, 2, 6, 0}), batch({7, 8})}).duplicates, 1);
}

TEST_F(VerifierTest, ResumedRunOwesTheRest) {
  Share share;
  share.start.epoch = 1;
  share.start.place = 8;
  const std::vector<HostBatch> rest{batch({0, 1}, 1)};
  EXPECT_TRUE(check(verifier(2, share), rest).is_clean());
  EXPECT_EQ(check(verifier(2, share), {}).missing, 2);
  EXPECT_EQ(check(verifier(3, share), rest).missing, kSamples);
}

TEST_F(VerifierTest, UnfinishedEpochIsNotMissingItsRest) {
  std::vector<HostBatch> batches = epoch();
  batches.push_back(batch({1, 2}, 1));
  EXPECT_TRUE(check(verifier(9), batches, 0, false).is_clean());
  EXPECT_TRUE(check(verifier(0), batches, 0, false).is_clean());
  batches.erase(batches.begin());
  EXPECT_EQ(check(verifier(9), batches, 0, false).missing, 4);
}

}  // namespace
}  // namespace headrace::cli
