// SPDX-License-Identifier: Apache-2.0
// Going on after a run was killed or stopped.
#include "headrace/loader_state.h"

#include "stream_report.h"

#include <gmock/gmock.h>

#include <csignal>
#include <cstdint>
#include <random>
#include <thread>

namespace headrace::test {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kDigits = 1797;

// Far more epochs than any run here gets to.
constexpr const char* kLong = "100000000";

class StateTest : public testing::Test {
 protected:
  Arguments with_state(const char* epochs, Arguments more = {}) const {
    Arguments options{"--state", file_, "--epochs", epochs, "--shuffle", "--batch", "10"};
    options.insert(options.end(), more.begin(), more.end());
    return options;
  }

  Arguments long_run() const {
    Arguments words = with_state(kLong, {"--json", "-"});
    words.insert(words.begin(), {"stream", digits()});
    return words;
  }

  LoaderState saved() const { return LoaderState::from_json(content_of(file_)); }

  static std::uint64_t samples_before(const LoaderState& state) {
    return state.epoch * kDigits + state.place;
  }

  // Goes on from the file to the end of the epoch after the one saved.
  void expect_the_rest() {
    const LoaderState state = saved();
    const std::uint64_t epochs = state.epoch + 2;
    const Json json = stream(digits(), with_state(std::to_string(epochs).c_str(), {"--verify"}));
    EXPECT_TRUE(json["resumed"]);
    EXPECT_EQ(json["samples"], epochs * kDigits - samples_before(state));
    EXPECT_EQ(json["verified"]["samples"], json["samples"]);
    EXPECT_EQ(json["verified"]["missing"], 0);
    EXPECT_EQ(json["verified"]["duplicates"], 0);
    EXPECT_EQ(saved().epoch, epochs);
  }

  TempDir folder_;
  const std::string file_ = folder_ / "run.state";
};

TEST_F(StateTest, KilledRunGoesOnWithNothingMissing) {
  std::mt19937 random(20240229);
  for (int round = 0; round < 4; ++round) {
    std::filesystem::remove(file_);
    Program program(long_run());
    ASSERT_TRUE(wait_for_file(file_));
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 700));
    program.signal(SIGKILL);
    EXPECT_EQ(program.wait().exit_code, 128 + SIGKILL);
    expect_the_rest();
  }
}

TEST_F(StateTest, StateIsNeverOlderThanASecond) {
  const Program program(long_run());
  ASSERT_TRUE(wait_for_file(file_));
  std::uint64_t before = samples_before(saved());
  for (int i = 0; i < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    const std::uint64_t after = samples_before(saved());
    EXPECT_GT(after, before);
    before = after;
  }
}

TEST_F(StateTest, InterruptEndsInGoodOrder) {
  for (const int signal : {SIGINT, SIGTERM}) {
    std::filesystem::remove(file_);
    Program program(long_run());
    ASSERT_TRUE(wait_for_file(file_));
    program.signal(signal);
    const Finished run = program.wait();
    EXPECT_EQ(run.exit_code, 128 + signal);
    const Json json = Json::parse(run.out);
    EXPECT_TRUE(json["interrupted"]);
    EXPECT_EQ(json["samples"], samples_before(saved()));
    EXPECT_THAT(run.err, HasSubstr("early"));
    expect_the_rest();
  }
}

TEST_F(StateTest, InterruptWithVerifyFindsNoFault) {
  Arguments words = long_run();
  words.push_back("--verify");
  Program program(words);
  ASSERT_TRUE(wait_for_file(file_));
  program.signal(SIGINT);
  const Finished run = program.wait();
  EXPECT_EQ(run.exit_code, 130) << run.err;
  EXPECT_EQ(Json::parse(run.out)["verified"]["missing"], 0);
}

TEST_F(StateTest, PiecesMakeTheSameOrder) {
  const std::string half = stream(digits(), with_state("1"))["order_digest"];
  const std::string rest = stream(digits(), with_state("2", {"--workers", "3"}))["order_digest"];
  std::filesystem::remove(file_);
  EXPECT_EQ(stream(digits(), with_state("1"))["order_digest"], half);
  EXPECT_EQ(stream(digits(), with_state("2", {"--batch", "64"}))["order_digest"], rest);
  EXPECT_NE(half, rest);
}

TEST_F(StateTest, FinishedRunHasNothingLeft) {
  EXPECT_EQ(stream(digits(), with_state("2"))["samples"], 2 * kDigits);
  Arguments words = with_state("2", {"--verify"});
  words.insert(words.begin(), {"stream", digits()});
  const Finished run = run_program(words);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(is_one_line(run.out)) << run.out;
  EXPECT_THAT(run.out, testing::AllOf(HasSubstr("Nothing is left"), HasSubstr(file_)));
  const Json json = stream(digits(), with_state("2"));
  EXPECT_EQ(json["samples"], 0);
  EXPECT_EQ(stream(digits(), with_state("3", {"--verify"}))["samples"], kDigits);
}

TEST_F(StateTest, StateOfAnotherRunIsRefused) {
  stream(digits(), with_state("1", {"--shard", "0/2"}));
  const auto complaint = [this](Arguments more) {
    Arguments words = with_state("2", std::move(more));
    words.insert(words.begin(), {"stream", digits()});
    const Finished run = run_program(words);
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_TRUE(is_one_line(run.err)) << run.err;
    return run.err;
  };
  EXPECT_THAT(complaint({"--shard", "1/2"}), HasSubstr("shard 0/2"));
  EXPECT_THAT(complaint({}), HasSubstr("shard 0/2"));
  EXPECT_THAT(complaint({"--shard", "0/2", "--seed", "3"}), HasSubstr("seed"));
  write_file(file_, "{\"version\": 1, \"epo");
  EXPECT_THAT(complaint({}), HasSubstr(file_));
  EXPECT_EQ(content_of(file_), "{\"version\": 1, \"epo");
}

TEST_F(StateTest, OnlyFilesOfReasonableSizeAreRead) {
  const auto complaint = [](const std::string& file) {
    const Finished run = run_program({"stream", digits(), "--state", file});
    EXPECT_EQ(run.exit_code, 1) << file;
    EXPECT_TRUE(is_one_line(run.err)) << run.err;
    return run.err;
  };
  for (const char* device : {"/dev/full", "/dev/zero", "/dev/null"}) {
    EXPECT_THAT(complaint(device), testing::AllOf(HasSubstr(device), HasSubstr("regular")));
  }
  write_file(file_, "{");
  std::filesystem::resize_file(file_, (64 << 20) + 1);
  EXPECT_THAT(complaint(file_), testing::AllOf(HasSubstr(file_), HasSubstr("64.0 MiB")));
}

TEST_F(StateTest, FileOfAnotherProcessIsLeftAlone) {
  stream(digits(), with_state("1", {"--shard", "1/2"}));
  const std::string others = content_of(file_);
  std::filesystem::remove(file_);
  Program program(long_run());
  ASSERT_TRUE(wait_for_file(file_));
  write_file(folder_ / "new", others);
  std::filesystem::rename(folder_ / "new", file_);
  const Finished run = program.wait();
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("'" + file_ + "' was changed by another process"));
  EXPECT_EQ(content_of(file_), others);
}

TEST_F(StateTest, ProcessesShareNoTemporaryFile) {
  std::filesystem::create_directory(file_ + ".tmp");
  EXPECT_EQ(stream(digits(), with_state("1"))["samples"], kDigits);
}

TEST_F(StateTest, NoOtherFileIsLeft) {
  stream(digits(), with_state("1"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
}

}  // namespace
}  // namespace headrace::test
