// SPDX-License-Identifier: Apache-2.0
#include "cli/devices.h"

#include "cli/json.h"
#include "cli/program.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace headrace::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(Devices, ListsTheHost) {
  const TempDir folder;
  const Finished run = run_program({"devices", "--json", folder / "devices.json"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("host"));
  const Json all = Json::parse(content_of(folder / "devices.json"))["devices"];
  const auto host =
      std::ranges::find_if(all, [](const Json& device) { return device["spec"] == "host"; });
  ASSERT_NE(host, all.end());
  EXPECT_EQ((*host)["backend"], "host");
  EXPECT_GT((*host)["total_bytes"], 0);
  EXPECT_TRUE((*host)["uuid"].is_null());
}

TEST(Devices, UuidsAreThereWhereADeviceHasOne) {
  const std::string uuid(32, 'a');
  std::vector<DeviceInfo> devices(2);
  devices[0] = {.spec = "cuda:0", .backend = "cuda", .name = "A GPU", .uuid = uuid};
  devices[1] = {.spec = "host", .backend = "host", .name = "A CPU"};
  const Json json = Json::parse(cli::to_json(devices))["devices"];
  EXPECT_EQ(json[0]["uuid"], uuid);
  EXPECT_TRUE(json[1]["uuid"].is_null());
  const std::string space(32, ' ');
  EXPECT_THAT(cli::devices_text(devices),
              testing::AllOf(HasSubstr("UUID"),
                             HasSubstr("  " + uuid + "  A GPU\n"),
                             HasSubstr("  " + space + "  A CPU\n")));
  devices.erase(devices.begin());
  EXPECT_THAT(cli::devices_text(devices), Not(HasSubstr("UUID")));
}

}  // namespace
}  // namespace headrace::test
