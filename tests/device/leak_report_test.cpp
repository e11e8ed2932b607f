// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <cstdlib>

namespace headrace::test {
namespace {

using testing::HasSubstr;
using testing::Not;

/// What `body` writes to standard error.
std::string written_by(const std::function<void()>& body) {
  testing::internal::CaptureStderr();
  body();
  return testing::internal::GetCapturedStderr();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

class LeakReportTest : public DeviceTest {
 protected:
  [[nodiscard]] MemoryManager reporting_manager() const {
    return make_manager({.name = "leaky", .report_leaks = true, .pressure_callback = {}});
  }
  [[nodiscard]] std::string line(const std::string& what) const {
    return "headrace: memory manager 'leaky' on " + device_.info().spec + ": " + what;
  }
};
HEADRACE_ON_EVERY_DEVICE(LeakReportTest);

TEST_P(LeakReportTest, SaysWhatIsStillTakenByTagTheLargestFirst) {
  std::vector<Buffer> kept;
  const std::string text = written_by([&] {
    MemoryManager manager = reporting_manager();
    kept.push_back(manager.get_buffer(256));
    {
      const MemoryTag tag("large");
      kept.push_back(manager.get_buffer(4096));
      kept.push_back(manager.get_buffer(4096));
    }
    const MemoryTag tag("medium");
    kept.push_back(manager.get_buffer(1024, DeviceType::cpu));
    manager.get_buffer(4096).reset();
  });
  EXPECT_THAT(lines_of(text),
              testing::ElementsAre(line("still taken: 2 buffers, 8192 bytes, tag 'large'"),
                                   line("still taken: 1 buffers, 1024 bytes, tag 'medium'"),
                                   line("still taken: 1 buffers, 256 bytes, without a tag")));
}

TEST_P(LeakReportTest, HasAtMostSixteenTags) {
  std::vector<Buffer> kept;
  for (const int tags : {16, 19}) {
    const std::string text = written_by([&] {
      MemoryManager manager = reporting_manager();
      for (int i = 0; i < tags; ++i) {
        const MemoryTag tag("tag " + std::to_string(i));
        kept.push_back(manager.get_buffer(256 * static_cast<std::size_t>(1 + i % 8)));
      }
    });
    const std::vector<std::string> lines = lines_of(text);
    ASSERT_EQ(lines.size(), tags == 16 ? 16U : 17U) << text;
    EXPECT_THAT(lines.front(), HasSubstr("2048 bytes, tag 'tag 15'")) << "of two as large by name";
    if (tags == 19) {
      EXPECT_EQ(lines.back(), line("... and 3 more tags"));
    }
  }
}

TEST_P(LeakReportTest, SaysNothingOfWhatIsGivenBackOrNotAskedFor) {
  Buffer kept;
  const std::string text = written_by([&] {
    {
      MemoryManager manager = reporting_manager();
      manager.get_buffer(1000).reset();
      void* pointer = manager.allocate_buffer(1000);
      manager.release_buffer(pointer);
    }
    MemoryManager manager = make_manager({.name = "quiet", .pressure_callback = {}});
    kept = manager.get_buffer(1000);
  });
  EXPECT_EQ(text, "");
}

TEST_P(LeakReportTest, WaitsForTheLastHandle) {
  std::optional<MemoryManager> last;
  Buffer kept;
  EXPECT_EQ(written_by([&] {
              MemoryManager manager = reporting_manager();
              kept = manager.get_buffer(1000);
              last = manager;
              manager = MemoryManager();
            }),
            "");
  EXPECT_THAT(written_by([&] { last.reset(); }), HasSubstr("1 buffers"));
  EXPECT_TRUE(kept) << "its memory outlives the manager";
}

TEST_P(LeakReportTest, SaysWhatWasAllocatedByPointerAndNeverReleased) {
  for (const bool by_assignment : {false, true}) {
    const std::string text = written_by([&] {
      MemoryManager manager = reporting_manager();
      const MemoryTag tag("pointers");
      EXPECT_NE(manager.allocate_buffer(1024), nullptr);
      if (by_assignment) {
        manager = MemoryManager();
      }
    });
    EXPECT_EQ(text, line("still taken: 1 buffers, 1024 bytes, tag 'pointers'") + "\n");
  }
}

// The report of the global manager comes when the process exits.

[[noreturn]] void exit_with_a_tensor_left(bool report_leaks) {
  initialize_global_memory_manager(
      open_device("host"),
      {.name = "global", .report_leaks = report_leaks, .pressure_callback = {}});
  const MemoryTag tag("forgotten");
  static const auto* forgotten = new Tensor({256}, DataType::float32);
  static_cast<void>(forgotten);
  const Tensor on_the_stack({8, 256}, DataType::float32);  // exit ends no scope
  std::exit(42);
}

TEST(GlobalLeakReportTest, ComesWhenTheProcessExits) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(exit_with_a_tensor_left(true),
              testing::ExitedWithCode(42),
              "headrace: memory manager 'global' on host: still taken: 2 buffers, 9216 bytes, "
              "tag 'forgotten'\n");
}

TEST(GlobalLeakReportTest, IsSilentUnlessAskedFor) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(exit_with_a_tensor_left(false),
              testing::ExitedWithCode(42),
              testing::Matcher<const std::string&>(Not(HasSubstr("still taken"))));
}

TEST(GlobalLeakReportTest, SaysNothingOfStaticObjectsMadeAfterTheManager) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        initialize_global_memory_manager(
            open_device("host"), {.name = "global", .report_leaks = true, .pressure_callback = {}});
        static const Tensor tensor({256}, DataType::float32);
        std::exit(42);
      },
      testing::ExitedWithCode(42),
      testing::Matcher<const std::string&>(Not(HasSubstr("still taken"))));
}

TEST(GlobalLeakReportTest, ALaterCallChangesNoSetting) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        initialize_global_memory_manager(open_device("host"));
        exit_with_a_tensor_left(true);
      },
      testing::ExitedWithCode(42),
      testing::Matcher<const std::string&>(Not(HasSubstr("still taken"))));
}

}  // namespace
}  // namespace headrace::test
