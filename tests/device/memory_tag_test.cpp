// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <array>
#include <map>
#include <random>

namespace headrace::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

using Tags = std::map<std::string, MemoryTagStats>;

class MemoryTagTest : public DeviceTest {
 protected:
  [[nodiscard]] std::vector<std::string> tags() const {
    std::vector<std::string> names;
    for (const auto& [name, stats] : manager_.tag_stats()) {
      names.push_back(name);
    }
    return names;
  }
};
HEADRACE_ON_EVERY_DEVICE(MemoryTagTest);

TEST_P(MemoryTagTest, WithoutAScopeIsUnderTheEmptyName) {
  EXPECT_TRUE(manager_.tag_stats().empty());
  const Buffer buffer = manager_.get_buffer(1000);
  EXPECT_THAT(manager_.tag_stats(),
              ElementsAre(Pair("", MemoryTagStats{buffer.capacity(), 1000, 1})));
}

TEST_P(MemoryTagTest, TheInnermostScopeNamesAndItsEndBringsBackTheOneAround) {
  const MemoryTag outer("outer");
  const Buffer first = manager_.get_buffer(1000);
  {
    const MemoryTag inner("inner");
    const Buffer second = manager_.get_buffer(1000);
    {
      const MemoryTag none("");
      const Buffer third = manager_.get_buffer(1000);
      EXPECT_THAT(tags(), ElementsAre("", "inner", "outer"));
    }
    const Buffer third = manager_.get_buffer(1000);
    EXPECT_EQ(manager_.tag_stats().at("inner").buffers, 2U);
  }
  EXPECT_THAT(tags(), ElementsAre("outer"));
  const Buffer second = manager_.get_buffer(1000);
  EXPECT_THAT(manager_.tag_stats(),
              ElementsAre(Pair("outer", MemoryTagStats{2 * first.capacity(), 2000, 2})));
}

TEST_P(MemoryTagTest, ABadNameLeavesTheTagAround) {
  const MemoryTag around("around");
  const std::string longest(64, 'x');
  EXPECT_EQ(code_of([&] { const MemoryTag tag(longest + "x"); }), ErrorCode::invalid_argument);
  EXPECT_THAT(text_of([&] { const MemoryTag tag(longest + "x"); }),
              testing::AllOf(HasSubstr("65 bytes"), HasSubstr("limit of 64")));
  EXPECT_EQ(code_of([] { const MemoryTag tag("two\nlines"); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([] { const MemoryTag tag("delete\x7f"); }), ErrorCode::invalid_argument);
  EXPECT_THAT(text_of([] { const MemoryTag tag("two\nlines"); }), HasSubstr("0x0a) at byte 3"));
  const Buffer first = manager_.get_buffer(1000);
  const MemoryTag tag(longest);
  const Buffer second = manager_.get_buffer(1000);
  EXPECT_THAT(tags(), ElementsAre("around", longest));
}

TEST_P(MemoryTagTest, ThreadsDoNotShareTags) {
  const MemoryTag mine("mine");
  Buffer theirs;
  std::jthread([&] {
    const Buffer before = manager_.get_buffer(1000);
    EXPECT_THAT(tags(), ElementsAre(""));
    const MemoryTag tag("theirs");
    theirs = manager_.get_buffer(1000);
  }).join();
  const Buffer buffer = manager_.get_buffer(1000);
  EXPECT_THAT(tags(), ElementsAre("mine", "theirs"));
}

TEST_P(MemoryTagTest, ABlockTakenAgainCountsForItsNewTag) {
  const std::array<std::size_t, 2> sizes{1000, 3 << 20};  // of a class, and too large for one
  for (const std::size_t size : sizes) {
    Buffer buffer;
    std::jthread([&] {
      const MemoryTag tag("first");
      buffer = manager_.get_buffer(size);
    }).join();
    EXPECT_THAT(tags(), ElementsAre("first"));
    const NativeHandle handle = buffer.native_handle();
    buffer.reset();
    EXPECT_TRUE(manager_.tag_stats().empty());
    const MemoryTag tag("second");
    buffer = manager_.get_buffer(size);
    ASSERT_EQ(buffer.native_handle(), handle);
    EXPECT_THAT(tags(), ElementsAre("second"));
  }
}

TEST_P(MemoryTagTest, AHitCountsForItsTag) {
  std::optional<MemoryTag> tag(std::in_place, "first");
  manager_.get_buffer(1000).reset();
  tag.emplace("second");
  const std::uint64_t hits = manager_.stats().hits;
  const Buffer buffer = manager_.get_buffer(1000);
  ASSERT_EQ(manager_.stats().hits, hits + 1);
  EXPECT_THAT(tags(), ElementsAre("second"));
}

TEST_P(MemoryTagTest, TagStatsAreWhatIsTakenInARandomProgram) {
  std::mt19937 random(20);
  const std::array<std::string, 5> names{"", "weights", "activations", "gradients", "scratch"};
  const std::array<Stream, 3> streams{Stream{}, device_.make_stream(), device_.make_stream()};
  struct Taken {
    Buffer buffer;
    std::string tag;
  };
  std::vector<Taken> taken;
  for (int step = 0; step < 2000; ++step) {
    if (taken.empty() || random() % 20 < 11) {
      const std::string& name = names.at(random() % names.size());
      const MemoryTag tag(name);
      const std::size_t size = 1 + random() % (std::size_t{1} << (8 + random() % 14));
      const auto kind = static_cast<DeviceType>(random() % 3);
      taken.push_back({manager_.get_buffer(size, kind, streams.at(random() % 3)), name});
    } else {
      std::swap(taken.at(random() % taken.size()), taken.back());
      taken.pop_back();
    }
    if (random() % 100 == 0) {
      device_.synchronize();
      manager_.trim();
    }
    if (step % 10 == 0) {
      Tags expected;
      for (const Taken& one : taken) {
        MemoryTagStats& stats = expected[one.tag];
        stats.bytes += one.buffer.capacity();
        stats.requested_bytes += one.buffer.size();
        ++stats.buffers;
      }
      ASSERT_EQ(manager_.tag_stats(), expected) << "step " << step;
    }
  }
}

TEST_P(MemoryTagTest, ABufferOfNoBytesIsNotCounted) {
  const Buffer nothing = manager_.get_buffer(0);
  EXPECT_TRUE(manager_.tag_stats().empty());
}

TEST_P(MemoryTagTest, StagingBuffersHaveATagOfTheLibrarys) {
  const MemoryTag mine("mine");
  StagingBufferPool staging(manager_, 2, 4096);
  const StagingBuffer first = staging.get_buffer();
  const StagingBuffer second = staging.get_buffer();
  EXPECT_THAT(tags(), ElementsAre("staging"));
  EXPECT_EQ(manager_.tag_stats().at("staging").requested_bytes, 8192U);
}

TEST_P(MemoryTagTest, ALoadersMemoryHasTagsOfTheLibrarys) {
  const std::vector<std::byte> bytes(4096);
  const MemoryTag mine("mine");
  AsyncDataLoader loader(open_memory(bytes, {}, {.input_shape = {64}, .label_shape = {0}}),
                         {.batch_size = 16, .memory_manager = manager_});
  loader.start();
  std::optional<GPUBatch> batch = loader.get_batch();
  ASSERT_TRUE(batch);
  if (is_unified()) {
    EXPECT_THAT(tags(), UnorderedElementsAre("loader slots"));
  } else {
    EXPECT_THAT(tags(), UnorderedElementsAre("loader slots", "loader slabs"));
  }
  batch.reset();
  loader.stop();
}

TEST(MemoryTagNamesTest, TheNumberOfNamesIsLimitedAndTheLibrarysAreKnown) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        // Three names are the library's; the number of the empty one is not counted.
        for (int i = 0; i < 65'535 - 3; ++i) {
          const MemoryTag tag("name " + std::to_string(i));
        }
        const std::optional<Error> error = error_of([] { const MemoryTag tag("one too many"); });
        const bool is_refused = error && error->code() == ErrorCode::capacity &&
                                std::string(error->what()).find("65535") != std::string::npos;
        MemoryManager manager(open_device("host"));
        const MemoryTag known("name 65531");
        const Buffer buffer = manager.get_buffer(1000);
        StagingBufferPool staging(manager, 1, 4096);
        const StagingBuffer staged = staging.get_buffer();
        const Tags tags = manager.tag_stats();
        const bool is_right = is_refused && tags.size() == 2 && tags.contains("name 65531") &&
                              tags.contains("staging");
        std::_Exit(is_right ? 42 : 1);
      },
      testing::ExitedWithCode(42),
      "");
}

}  // namespace
}  // namespace headrace::test
