// SPDX-License-Identifier: Apache-2.0
#include "headrace/trace.h"

#include "support/device_fixture.h"
#include "support/temp_dir.h"
#include "support/vulkan_device.h"

#include <array>
#include <fstream>
#include <iterator>

// What traces show of the commands that a device ran.

namespace headrace::test {
namespace {

using testing::HasSubstr;

class CommandTraceTest : public DeviceTest {
 protected:
  static std::string written(const Trace& trace) {
    const TempDir folder;
    trace.write(folder / "trace.json");
    std::ifstream file(folder / "trace.json");
    return {std::istreambuf_iterator<char>(file), {}};
  }
};
HEADRACE_ON_EVERY_DEVICE(CommandTraceTest);

TEST_P(CommandTraceTest, ShowsTheLabelsOfABatchInOrder) {
  if (GetParam() == "vulkan" && !first_vulkan_device().has_timestamps) {
    GTEST_SKIP() << device_.info().name << " has no timestamps";
  }
  const auto trace = std::make_shared<Trace>();
  CommandBufferPool pool(device_.make_stream(), 1, trace);
  const Tensor tensor(manager_, {10}, DataType::int32);
  const std::array operations{
      BatchOperation{"forward", [&](CommandBuffer& b) { b.fill(tensor, 1); }, {}},
      BatchOperation{"\"loss\"", [](CommandBuffer& b) { b.launch([](const Stream&) {}); }, {}},
      BatchOperation{"backward", [&](CommandBuffer& b) { b.fill(tensor, 2); }, {}},
      BatchOperation{"", [&](CommandBuffer& b) { b.fill(tensor, 3); }, {}},
  };
  pool.execute_batch(operations).wait();
  if (GetParam() == "outside") {
    GTEST_SKIP() << "a backend need not record";
  }
  wait_for_keeper([&] { return trace->size() == 4; });
  EXPECT_EQ(trace->size(), 4U);
  const std::string text = written(*trace);
  EXPECT_THAT(text, HasSubstr(device_.info().spec + " stream "));
  std::size_t last = 0;
  for (const std::string label : {"\"forward\"", R"("\"loss\"")", "\"backward\"", "\"fill\""}) {
    const std::size_t at = text.find("\"name\":" + label);
    ASSERT_NE(at, std::string::npos) << label << " in " << text;
    EXPECT_GT(at, last) << label;
    last = at;
  }
}

TEST_P(CommandTraceTest, WithoutATraceNothingIsKept) {
  CommandBufferPool pool(device_.make_stream(), 1);
  const Tensor tensor(manager_, {10}, DataType::int32);
  CommandBuffer commands = pool.get_buffer();
  commands.fill(tensor, 1);
  pool.execute_async(std::move(commands)).wait();
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), std::vector<std::int32_t>(10, 1));
}

}  // namespace
}  // namespace headrace::test
