// SPDX-License-Identifier: Apache-2.0
#include "headrace/source.h"

#include "sample_reading.h"
#include "sources/row_source.h"

#include <limits>
#include <memory>

namespace headrace::test {
namespace {

constexpr auto kInvalid = ErrorCode::invalid_argument;

const std::vector<std::uint16_t> kInputs{10, 11, 20, 21, 30, 31};
const std::vector<std::int8_t> kLabels{-1, -2, -3};

SampleSpec spec_of_pairs() {
  return {Shape{2}, DataType::uint16, Shape{}, DataType::int8, {}};
}

std::shared_ptr<SampleSource> open_pairs() {
  return open_memory(
      std::as_bytes(std::span(kInputs)), std::as_bytes(std::span(kLabels)), spec_of_pairs());
}

/// A source of a user's own: sample i is the number i.
class Numbers final : public SampleSource {
 public:
  explicit Numbers(std::size_t size) : size_(size) {}
  [[nodiscard]] SampleSpec spec() const override {
    return {Shape{}, DataType::uint64, Shape{0}, DataType::uint8, {}};
  }
  [[nodiscard]] std::size_t size() const override { return size_; }
  void read(const ReadContext& context, SampleView& into) const override {
    EXPECT_LT(context.index, size_);
    const std::uint64_t value = context.index + (context.epoch << 32) + (context.random_key << 48);
    std::memcpy(into.input.data(), &value, sizeof(value));
  }

 private:
  std::size_t size_ = 0;
};

TEST(Memory, IsReadInPlace) {
  const auto source = open_pairs();
  EXPECT_EQ(source->size(), 3u);
  EXPECT_EQ(source->spec(), spec_of_pairs());
  EXPECT_EQ(source->name(), "3 samples in memory");
  EXPECT_EQ(input_of<std::uint16_t>(*source, 1), (std::vector<std::uint16_t>{20, 21}));
  EXPECT_EQ(label_of<std::int8_t>(*source, 2), std::vector<std::int8_t>{-3});
  const auto& rows = dynamic_cast<const sources::RowSource&>(*source);
  EXPECT_EQ(rows.rows().inputs, std::as_bytes(std::span(kInputs)).data());
  EXPECT_EQ(rows.rows().labels, std::as_bytes(std::span(kLabels)).data());
  EXPECT_EQ(rows.rows().label_stride, 1u);
  EXPECT_NO_THROW(rows.check_files());
}

TEST(Memory, MayHaveNoLabelsAndNoSamples) {
  SampleSpec spec = spec_of_pairs();
  spec.label_shape = Shape{0};
  const auto source = open_memory(std::as_bytes(std::span(kInputs)), {}, spec);
  EXPECT_EQ(source->size(), 3u);
  EXPECT_TRUE(read_sample(*source, 0).label.empty());
  EXPECT_EQ(open_memory({}, {}, spec_of_pairs())->size(), 0u);
}

TEST(Memory, RefusesSizesThatDoNotAgree) {
  const auto inputs = std::as_bytes(std::span(kInputs));
  const auto labels = std::as_bytes(std::span(kLabels));
  const SampleSpec spec = spec_of_pairs();
  expect_error([&] { open_memory(inputs.first(11), labels, spec); },
               kInvalid,
               {"11 bytes", "samples of 4 bytes"});
  expect_error([&] { open_memory(inputs, labels.first(2), spec); },
               kInvalid,
               {"2 bytes", "3 samples need 1 "});
  expect_error([&] { open_memory(inputs, {}, spec); }, kInvalid, {"0 bytes"});
  SampleSpec unlabelled = spec;
  unlabelled.label_shape = Shape{0};
  expect_error([&] { open_memory(inputs, labels, unlabelled); }, kInvalid, {"need 0 bytes"});
}

TEST(Memory, RefusesSpecsThatCannotBe) {
  const auto inputs = std::as_bytes(std::span(kInputs));
  SampleSpec spec{Shape{0}, DataType::uint8, Shape{0}, DataType::uint8, {}};
  expect_error([&] { open_memory(inputs, {}, spec); }, kInvalid, {"[0]", "no elements"});
  spec.input_shape = Shape{std::numeric_limits<std::int64_t>::max()};
  spec.input_dtype = DataType::float64;
  expect_error([&] { open_memory(inputs, {}, spec); }, kInvalid, {"more than memory"});
  spec = {
      Shape{1}, DataType::uint8, Shape{0}, DataType::uint8, {{"mask", Shape{1}, DataType::int8}}};
  expect_error([&] { open_memory(inputs, {}, spec); }, kInvalid, {"1 fields"});
  spec = {Shape{1}, DataType::uint8, {1L << 62}, DataType::uint8, {}};
  expect_error([&] { open_memory(inputs, {}, spec); }, kInvalid, {"need 4611686018427387904"});
}

TEST(Subset, OfRowsIsRowsInAnotherOrder) {
  const auto source = subset(open_pairs(), {2, 0, 2});
  EXPECT_EQ(source->size(), 3u);
  EXPECT_EQ(source->spec(), spec_of_pairs());
  EXPECT_EQ(source->name(), "3 samples of 3 samples in memory");
  EXPECT_EQ(input_of<std::uint16_t>(*source, 0), (std::vector<std::uint16_t>{30, 31}));
  EXPECT_EQ(input_of<std::uint16_t>(*source, 1), (std::vector<std::uint16_t>{10, 11}));
  EXPECT_EQ(label_of<std::int8_t>(*source, 2), std::vector<std::int8_t>{-3});
  const auto& rows = dynamic_cast<const sources::RowSource&>(*source);
  EXPECT_EQ(rows.rows().row_count, 3u);
  EXPECT_EQ(rows.rows().sample_count, 3u);
  EXPECT_EQ(rows.rows().order[1], 0u);
}

TEST(Subset, OfASubsetCountsFromTheInnerOne) {
  for (const bool is_rows : {true, false}) {
    const std::shared_ptr<SampleSource> all = is_rows ? open_pairs() : std::make_shared<Numbers>(3);
    const auto outer = subset(subset(all, {2, 1, 0, 1}), {3, 0});
    ASSERT_EQ(outer->size(), 2u);
    EXPECT_EQ(read_sample(*outer, 0).input, read_sample(*all, 1).input);
    EXPECT_EQ(read_sample(*outer, 1).input, read_sample(*all, 2).input);
    expect_error([&] { read_sample(*outer, 2); }, kInvalid, {"Sample 2 ", "it has 2"});
  }
}

TEST(Subset, HandsTheContextOn) {
  const auto source = subset(std::make_shared<Numbers>(10), {7});
  std::uint64_t value = 0;
  SampleView view{std::as_writable_bytes(std::span(&value, 1)), {}, {}};
  source->read({.index = 0, .epoch = 3, .random_key = 5}, view);
  EXPECT_EQ(value, 7u + (3ULL << 32) + (5ULL << 48));
}

TEST(Subset, MayBeEmpty) {
  for (const bool is_rows : {true, false}) {
    const std::shared_ptr<SampleSource> all = is_rows ? open_pairs() : std::make_shared<Numbers>(3);
    const auto none = subset(all, {});
    EXPECT_EQ(none->size(), 0u);
    expect_error([&] { read_sample(*none, 0); }, kInvalid, {"Sample 0 "});
    EXPECT_EQ(subset(none, {})->size(), 0u);
  }
}

TEST(Subset, RefusesWrongIndicesAndNoSource) {
  expect_error([] { subset(open_pairs(), {0, 3}); }, kInvalid, {"Sample 3 ", "it has 3"});
  expect_error(
      [] {
        subset(std::make_shared<Numbers>(2), {1, 2});
      },
      kInvalid,
      {"Sample 2 ", "a sample source without a name"});
  expect_error([] { subset(nullptr, {}); }, kInvalid, {"needs a source"});
}

TEST(Subset, KeepsItsFileOpen) {
  const TempDir dir;
  write_npy(dir / "a.npy", {3}, std::vector<std::uint8_t>{5, 6, 7});
  const auto source = subset(open_source(dir / "a.npy"), {2});
  EXPECT_EQ(input_of<std::uint8_t>(*source, 0), std::vector<std::uint8_t>{7});
}

}  // namespace
}  // namespace headrace::test
