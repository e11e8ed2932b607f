// SPDX-License-Identifier: Apache-2.0
// A thousand kills: whatever moment they hit, a run goes on with any number of ranks, nothing is
// missing, and nothing repeats but what came after the last saved states.
#include "headrace/device.h"
#include "headrace/loader.h"

#include "cli/paths.h"
#include "cli/program/rank_source.h"
#include "cli/saved_state.h"
#include "program.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <random>
#include <set>
#include <spawn.h>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <vector>

namespace headrace::test {
namespace {

namespace fs = std::filesystem;

using Random = std::mt19937_64;

/// A place of an epoch's order.
using Place = std::pair<std::uint64_t, std::uint64_t>;

std::uint64_t draw(Random& random, std::uint64_t least, std::uint64_t most) {
  return std::uniform_int_distribution<std::uint64_t>(least, most)(random);
}

/// A rank as a process.
class Rank {
 public:
  explicit Rank(std::vector<std::string> words) {
    words.insert(words.begin(), HEADRACE_RANK);
    std::vector<char*> pointers;
    for (std::string& word : words) {
      pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);
    if (::posix_spawn(&pid_, HEADRACE_RANK, nullptr, nullptr, pointers.data(), environ) != 0) {
      throw std::runtime_error("cannot start " HEADRACE_RANK);
    }
  }
  Rank(const Rank&) = delete;
  Rank(Rank&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Rank& operator=(const Rank&) = delete;
  Rank& operator=(Rank&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~Rank() {
    if (pid_ > 0) {
      end();
    }
  }

  /// Kills it. \returns Whether that ended it; false when it had come to its end.
  bool end() {
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    const bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    EXPECT_TRUE(was_killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << status;
    return was_killed;
  }

 private:
  pid_t pid_ = -1;
};

/// A data set loaded from its first sample to its last by processes that are killed.
class Campaign {
 public:
  explicit Campaign(Random& random)
      : random_(random),
        samples_(draw(random, 50, 400)),
        epochs_(draw(random, 1, 4)),
        seed_(draw(random, 0, 1000)) {
    find_order();
  }

  /// \returns How many kills hit a process.
  int run() {
    int kills = 0;
    do {
      kills += live();
      check_history();
    } while (!is_finished_ && !testing::Test::HasFailure());
    EXPECT_EQ(delivered_.size(), samples_ * epochs_);
    return kills;
  }

 private:
  // The whole sequence, as one rank has it.
  void find_order() {
    AsyncDataLoaderConfig config{.batch_size = samples_, .epochs = epochs_, .shuffle = true};
    config.memory_manager = MemoryManager(open_device("host"));
    config.seed = seed_;
    AsyncDataLoader loader(std::make_shared<RankSource>(samples_), config);
    for (const GPUBatch& batch : loader) {
      std::vector<std::uint64_t>& places = place_of_.emplace_back(samples_);
      for (std::size_t place = 0; place < samples_; ++place) {
        places.at(batch.sample_ids()[place]) = place;
      }
    }
  }

  // One set of processes, from their start to their violent end.
  int live() {
    ++run_;
    world_ = draw(random_, 1, 4);
    const std::uint64_t batch = draw(random_, 1, 16);
    const std::uint64_t ordered = draw(random_, 0, 1);
    std::vector<Rank> ranks;
    for (std::uint64_t rank = 0; rank < world_; ++rank) {
      std::vector<std::string> words{folder_.path(), std::to_string(run_)};
      for (const std::uint64_t number : {rank,
                                         world_,
                                         batch,
                                         samples_,
                                         seed_,
                                         epochs_,
                                         draw(random_, 1, 3),
                                         ordered,
                                         draw(random_, 0, 400)}) {
        words.push_back(std::to_string(number));
      }
      words.insert(words.end(), before_.begin(), before_.end());
      ranks.emplace_back(std::move(words));
    }
    int kills = 0;
    std::this_thread::sleep_for(std::chrono::microseconds(draw(random_, 0, 25'000)));
    std::shuffle(ranks.begin(), ranks.end(), random_);
    for (Rank& rank : ranks) {
      kills += rank.end() ? 1 : 0;
    }
    is_finished_ = kills == 0;
    return kills;
  }

  // Whether the last states say that all of it was handed out: every rank passed it, or one was
  // early.
  [[nodiscard]] bool is_saved(const Place& place) const {
    const auto is_in = [&place](const LoaderState::Early& range) {
      return place.first == range.epoch && place.second >= range.begin && place.second < range.end;
    };
    return place < passed_by_all() || std::ranges::any_of(saved_, [&](const LoaderState& state) {
             return std::ranges::any_of(state.early, is_in);
           });
  }

  [[nodiscard]] Place passed_by_all() const {
    Place least = saved_.empty() ? Place(0, 0) : Place(UINT64_MAX, 0);
    for (const LoaderState& state : saved_) {
      least = std::min(least, Place(state.epoch, state.place));
    }
    return least;
  }

  void check_history() {
    for (std::uint64_t rank = 0; rank < world_; ++rank) {
      read_log(file(rank, ".log"));
    }
    std::vector<fs::path> files;
    for (std::uint64_t rank = 0; rank < world_; ++rank) {
      files.push_back(file(rank, ".state"));
    }
    // A rank that was killed before it wrote its first state handed out nothing; the states before
    // these still hold.
    if (std::ranges::all_of(files, [](const fs::path& path) { return fs::exists(path); })) {
      const Place passed_before = passed_by_all();
      saved_.clear();
      for (const fs::path& path : files) {
        saved_.push_back(cli::read_saved_state(path).state);
      }
      before_.assign(files.begin(), files.end());
      EXPECT_LE(passed_before, passed_by_all());
    } else {
      EXPECT_FALSE(is_finished_);
    }
    for (std::uint64_t epoch = 0; epoch < epochs_; ++epoch) {
      for (std::uint64_t place = 0; place < samples_; ++place) {
        if (is_saved({epoch, place})) {
          ASSERT_TRUE(delivered_.contains({epoch, place}))
              << "place " << place << " of epoch " << epoch << " is missing in run " << run_;
        }
      }
    }
    EXPECT_TRUE(!is_finished_ || passed_by_all() == Place(epochs_, 0));
  }

  // What a rank handed out; a line that a kill cut off is of a batch whose state was not saved.
  void read_log(const fs::path& path) {
    std::ifstream log(path);
    std::string line;
    while (std::getline(log, line) && !log.eof()) {
      std::istringstream numbers(line);
      std::uint64_t epoch = 0;
      std::uint64_t sample = 0;
      numbers >> epoch;
      while (numbers >> sample) {
        const Place place(epoch, place_of_.at(epoch).at(sample));
        ASSERT_FALSE(is_saved(place)) << "place " << place.second << " of epoch " << epoch
                                      << " was saved, and came again in run " << run_;
        delivered_.insert(place);
      }
    }
  }

  [[nodiscard]] fs::path file(std::uint64_t rank, const char* suffix) const {
    return folder_ / (std::to_string(run_) + '-' + std::to_string(rank) + suffix);
  }

  Random& random_;
  std::uint64_t samples_;
  std::uint64_t epochs_;
  std::uint64_t seed_;
  TempDir folder_{quick_folder()};
  std::vector<std::vector<std::uint64_t>> place_of_;  // of each sample in each epoch
  std::uint64_t run_ = 0;
  std::uint64_t world_ = 0;
  std::vector<std::string> before_;  // the state files to go on from
  std::vector<LoaderState> saved_;   // what they hold
  std::set<Place> delivered_;
  bool is_finished_ = false;
};

TEST(KilledRanksStress, AThousandKillsLoseNothingAndRepeatOnlyWhatWasNotSaved) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  constexpr int kKills = 1000;
  int kills = 0;
  int campaigns = 0;
  while (kills < kKills && !HasFailure()) {
    kills += Campaign(random).run();
    ++campaigns;
  }
  std::cout << kills << " kills in " << campaigns << " runs of a data set, seed " << seed << '\n';
}

}  // namespace
}  // namespace headrace::test
