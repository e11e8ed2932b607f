// SPDX-License-Identifier: Apache-2.0
// Going on with another number of ranks.
#include "headrace/loader_state.h"

#include "stream_report.h"

#include <gmock/gmock.h>

#include <csignal>
#include <cstdint>
#include <list>
#include <random>
#include <thread>

namespace headrace::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint64_t kDigits = 1797;

class RanksTest : public testing::Test {
 protected:
  std::string file(int run, int rank) const {
    return folder_ / ("run" + std::to_string(run) + "-" + std::to_string(rank));
  }

  // Rank `rank` of `world` of run `run`, which goes on from run `before` of `world_before` ranks.
  Arguments words(int run, int rank, int world, const char* epochs, Arguments more = {}) const {
    Arguments words{"--shard",
                    std::to_string(rank) + "/" + std::to_string(world),
                    "--state",
                    file(run, rank),
                    "--epochs",
                    epochs,
                    "--shuffle",
                    "--batch",
                    "16"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  Arguments resume_from(int run, int world) const {
    Arguments words{"--resume-from"};
    for (int rank = 0; rank < world; ++rank) {
      words.push_back(file(run, rank));
    }
    return words;
  }

  LoaderState saved(int run, int rank) const {
    return LoaderState::from_json(content_of(file(run, rank)));
  }

  std::string complaint(const Arguments& words) const {
    Arguments all{"stream", digits()};
    all.insert(all.end(), words.begin(), words.end());
    const Finished run = run_program(all);
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_TRUE(is_one_line(run.err)) << run.err;
    return run.err;
  }

  TempDir folder_;
};

TEST_F(RanksTest, AnyNumberOfRanksGoesOnFromAnother) {
  std::uint64_t samples = 0;
  const std::vector<int> worlds{3, 2, 4, 1};
  for (int run = 0; run < 4; ++run) {
    const int world = worlds[static_cast<std::size_t>(run)];
    for (int rank = 0; rank < world; ++rank) {
      const Arguments more = run == 0 ? Arguments{} : resume_from(run - 1, worlds[run - 1]);
      const Json json =
          stream(digits(), words(run, rank, world, std::to_string(run + 1).c_str(), more));
      samples += json["samples"].get<std::uint64_t>();
      EXPECT_EQ(json["resumed"], run > 0);
    }
    EXPECT_EQ(samples, (static_cast<std::uint64_t>(run) + 1) * kDigits);
  }
}

// The state's own file says more than those of the run before.
TEST_F(RanksTest, TheSameCommandGoesOnFromItsOwnFile) {
  stream(digits(), words(0, 0, 1, "1"));
  const Arguments again = words(1, 0, 1, "2", resume_from(0, 1));
  EXPECT_EQ(stream(digits(), again)["samples"], kDigits);
  EXPECT_EQ(stream(digits(), again)["samples"], 0);
}

TEST_F(RanksTest, FilesThatAreNotOneOfEachRankAreRefused) {
  for (int rank = 0; rank < 3; ++rank) {
    stream(digits(), words(0, rank, 3, "1"));
  }
  stream(digits(), words(1, 0, 2, "1"));
  const auto told = [this](Arguments files) {
    files.insert(files.begin(), "--resume-from");
    return complaint(words(9, 0, 1, "1", std::move(files)));
  };
  EXPECT_THAT(told({file(0, 0), file(0, 2)}), HasSubstr("had 3 ranks, and the state of rank 1"));
  EXPECT_THAT(told({file(0, 0), file(0, 1), file(0, 1)}), HasSubstr("are both of rank 1"));
  EXPECT_THAT(told({file(0, 1), file(1, 0)}), AllOf(HasSubstr(file(1, 0)), HasSubstr("shard 0/2")));
  EXPECT_THAT(told({file(0, 0), file(7, 0)}), AllOf(HasSubstr(file(7, 0)), HasSubstr("No such")));
  write_file(file(0, 1), "{");
  EXPECT_THAT(told({file(0, 0), file(0, 1), file(0, 2)}), HasSubstr(file(0, 1)));
  EXPECT_THAT(complaint(words(1, 1, 4, "1", resume_from(0, 3))), HasSubstr(file(0, 1)));
  EXPECT_THAT(complaint({"--state", file(1, 0)}), HasSubstr("--resume-from"));
  EXPECT_FALSE(std::filesystem::exists(file(9, 0)));
}

TEST_F(RanksTest, AChangedDataSetIsRefused) {
  std::string inputs(64, 'a');
  const auto data = folder_ / "raw";
  const auto run = [&](int number, Arguments more = {}) {
    Arguments words{"stream", data, "--raw", "uint8[4]", "--state", file(number, 0)};
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words);
  };
  write_file(data, inputs);
  EXPECT_EQ(run(0).exit_code, 0);
  EXPECT_NE(saved(0, 0).fingerprint, 0U);
  inputs.back() = 'b';
  write_file(data, inputs);
  for (const Finished& finished : {run(0), run(1, resume_from(0, 1))}) {
    EXPECT_EQ(finished.exit_code, 1);
    EXPECT_THAT(finished.err, HasSubstr("fingerprint of the data set"));
    EXPECT_TRUE(is_one_line(finished.err)) << finished.err;
  }
}

// Every rank that handed out anything has its file: it is there before the first batch.
TEST_F(RanksTest, KilledRunsGoOnWithOtherRanksStress) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  constexpr int kRuns = 25;  // of two ranks each, on average
  std::uint64_t reached = 0;
  int world_before = 0;
  for (int run = 0; run < kRuns; ++run) {
    const int world = static_cast<int>(random() % 3 + 1);
    const Arguments more = run == 0 ? Arguments{} : resume_from(run - 1, world_before);
    std::list<Program> ranks;
    for (int rank = 0; rank < world; ++rank) {
      Arguments all = words(run, rank, world, "100000000", more);
      all.insert(all.begin(), {"stream", digits()});
      ranks.emplace_back(all);
    }
    for (int rank = 0; rank < world; ++rank) {
      ASSERT_TRUE(wait_for_file(file(run, rank)));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 1'200'000));
    std::uint64_t least = UINT64_MAX;
    for (Program& program : ranks) {
      program.signal(SIGKILL);
      EXPECT_EQ(program.wait().exit_code, 128 + SIGKILL);
    }
    for (int rank = 0; rank < world; ++rank) {
      least = std::min(least, saved(run, rank).epoch * kDigits + saved(run, rank).place);
    }
    EXPECT_GE(least, reached);
    reached = least;
    world_before = world;
  }
  // The rest of the epoch and one more, verified.
  const std::uint64_t epochs = reached / kDigits + 2;
  const Json json = stream(digits(), words(kRuns, 0, 1, std::to_string(epochs).c_str(), [&] {
                             Arguments more{"--verify"};
                             const Arguments files = resume_from(kRuns - 1, world_before);
                             more.insert(more.end(), files.begin(), files.end());
                             return more;
                           }()));
  EXPECT_EQ(json["samples"], epochs * kDigits - reached);
  EXPECT_EQ(json["verified"]["missing"], 0);
  EXPECT_EQ(json["verified"]["duplicates"], 0);
  EXPECT_GT(reached, 0U);
}

}  // namespace
}  // namespace headrace::test
