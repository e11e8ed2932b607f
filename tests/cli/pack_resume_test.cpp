// SPDX-License-Identifier: Apache-2.0
// A pack that was cut short, wherever that was: another run goes on to the same bytes, or says in
// one line why it does not.
#include "headrace/error.h"

#include "cli/pack_journal.h"
#include "cli/paths.h"
#include "cli/renaming.h"
#include "packing.h"
#include "support/npy_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

namespace headrace::test {
namespace {

namespace fs = std::filesystem;

using testing::AllOf;
using testing::HasSubstr;

using Random = std::mt19937_64;

std::uint64_t draw(Random& random, std::uint64_t least, std::uint64_t most) {
  return std::uniform_int_distribution<std::uint64_t>(least, most)(random);
}

/// Every file below `folder`, by its path there, with its size and a number for what it holds.
std::map<std::string, std::string> contents_of(const fs::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_directory()) {
      const std::string content = content_of(entry.path());
      contents[fs::relative(entry.path(), folder)] =
          fmt::format("{} bytes, {:x}", content.size(), std::hash<std::string>()(content));
    }
  }
  return contents;
}

/// One way to pack, by what comes behind SOURCE.
struct Way {
  std::string source;  ///< Below the test's folder.
  std::string target;  ///< Likewise, with a folder for each run before it.
  Arguments options;

  [[nodiscard]] std::string unfinished() const { return target + ".unfinished"; }
};

class PackResume : public testing::Test {
 protected:
  static constexpr std::uint64_t kSamples = 4000;
  static constexpr std::uint64_t kSampleBytes = 64;

  PackResume() {
    fs::create_directory(folder_ / "set");
    write_samples("set", 1);
    fs::copy(folder_ / "set/inputs.npy", folder_ / "inputs.npy");
    fs::create_directory(folder_ / "whole");
    fs::create_directory(folder_ / "out");
  }

  void write_samples(const std::string& name, std::uint64_t seed) {
    Random random(seed);
    std::vector<std::uint8_t> inputs(kSamples * kSampleBytes);
    std::vector<std::int16_t> labels(kSamples);
    std::ranges::generate(inputs, [&] { return static_cast<std::uint8_t>(draw(random, 0, 255)); });
    std::ranges::generate(labels, [&] { return static_cast<std::int16_t>(draw(random, 0, 999)); });
    write_npy(folder_ / name / "inputs.npy", {kSamples, kSampleBytes}, inputs);
    write_npy(folder_ / name / "labels.npy", {kSamples}, labels);
  }

  /// The words of a run of `way` into the folder `out`.
  [[nodiscard]] Arguments words(const Way& way,
                                const Arguments& more,
                                const std::string& out = "out") const {
    Arguments words{folder_ / way.source, folder_ / out / way.target};
    words.insert(words.end(), way.options.begin(), way.options.end());
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  /// Runs `way` to the end without a break, into the folder `whole`.
  void pack_whole(const Way& way) const { pack(words(way, {}, "whole")); }

  [[nodiscard]] fs::path out(const std::string& name) const { return folder_ / "out" / name; }

  [[nodiscard]] cli::PackJournal journal_of(const Way& way) const {
    return cli::pack_journal_from(content_of(out(way.unfinished()) / "journal.json"));
  }

  /// Starts a pack that flushes behind each sample, and stops it while it is under way.
  std::unique_ptr<Program> stopped(const Way& way, const Arguments& more = {}) {
    Arguments all = words(way, {"--checkpoint", "1"});
    all.insert(all.begin(), "pack");
    all.insert(all.end(), more.begin(), more.end());
    auto program = std::make_unique<Program>(all);
    EXPECT_TRUE(wait_for_file(out(way.unfinished()) / "journal.json"));
    program->signal(SIGSTOP);
    EXPECT_FALSE(journal_of(way).is_complete);
    return program;
  }

  /// Leaves work cut short by SIGKILL.
  void leave_unfinished(const Way& way, const Arguments& more = {}) {
    const std::unique_ptr<Program> program = stopped(way, more);
    program->signal(SIGKILL);
    program->wait();
    EXPECT_GT(journal_of(way).samples, 0U);
  }

  /// Expects that `out` has what an unbroken run writes, and nothing besides.
  void expect_whole() const {
    EXPECT_EQ(contents_of(folder_ / "out"), contents_of(folder_ / "whole"));
  }

  const Way kShards{"set", "x", {"--shard-size", "1000000"}};
  const Way kShard{"set", "x.tar", {}};
  const Way kFolder{"set", "x", {}};
  const Way kFile{"inputs.npy", "x.npy", {}};
  const std::vector<Way> kAll{kShards, kShard, kFolder, kFile};

  TempDir folder_{quick_folder()};
};

TEST_F(PackResume, KilledAtAnyMomentGoesOnToTheSameBytes) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (const Way& way : kAll) {
    SCOPED_TRACE(way.target);
    pack_whole(way);
    leave_unfinished(way);
    int kills = 1;
    std::uint64_t resumed = 0;
    for (bool is_done = false; !is_done && !HasFailure();) {
      const std::uint64_t bytes = draw(random, 0, 1) == 0 ? 1 : draw(random, 1, 20'000);
      Arguments all =
          words(way, {"--resume", "--json", "-", "--checkpoint", std::to_string(bytes)});
      all.insert(all.begin(), "pack");
      Program program(all);
      const std::uint64_t most = kills < 30 ? 50'000 : 5'000'000;
      std::this_thread::sleep_for(std::chrono::microseconds(draw(random, 0, most)));
      program.signal(SIGKILL);
      const Finished run = program.wait();
      is_done = run.exit_code == 0;
      kills += is_done ? 0 : 1;
      ASSERT_TRUE(is_done || run.exit_code == 128 + SIGKILL) << run.err;
      if (is_done) {
        resumed = Json::parse(run.out)["resumed_samples"];
      } else if (!fs::exists(out(way.unfinished()) / "journal.json")) {
        // Killed while it took away what is no longer needed.
        is_done = true;
        resumed = kSamples;
        fs::remove_all(out(way.unfinished()));
      }
    }
    EXPECT_GT(resumed, 0U) << kills << " kills";
    expect_whole();
    fs::remove_all(folder_ / "out");
    fs::remove_all(folder_ / "whole");
    fs::create_directory(folder_ / "out");
    fs::create_directory(folder_ / "whole");
  }
}

TEST_F(PackResume, AnInterruptKeepsWhatWasDone) {
  const std::unique_ptr<Program> program = stopped(kShard);
  program->signal(SIGINT);
  program->signal(SIGCONT);
  const Finished run = program->wait();
  EXPECT_EQ(run.exit_code, 130);
  const std::uint64_t samples = journal_of(kShard).samples;
  EXPECT_THAT(run.err,
              HasSubstr("Interrupted: " + std::to_string(samples) +
                        " of 4000 samples are kept; --resume goes on from there."));
  EXPECT_FALSE(fs::exists(out("x.tar")));
  pack_whole(kShard);
  const Json json = pack(words(kShard, {"--resume"}));
  EXPECT_EQ(json["resumed_samples"], samples);
  EXPECT_EQ(json["samples"], kSamples);
  EXPECT_EQ(json["bytes"], fs::file_size(out("x.tar")));
  expect_whole();
}

TEST_F(PackResume, AnInterruptBeforeTheFirstCheckpointKeepsItToo) {
  // A hole of 8 GiB: long enough to be interrupted, and small on the disk.
  write_file(folder_ / "raw", "");
  fs::resize_file(folder_ / "raw", std::uint64_t{8} << 30);
  Program program(
      {"pack", folder_ / "raw", out("x.npy"), "--raw", "uint8[16]", "--checkpoint", "8589934592"});
  const fs::path inputs = out("x.npy.unfinished/parts/inputs.npy");
  ASSERT_TRUE(wait_for_file(inputs));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (fs::file_size(inputs) < 4096 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  ASSERT_FALSE(fs::exists(out("x.npy.unfinished/journal.json"))) << "it came to a checkpoint";
  program.signal(SIGTERM);
  const Finished run = program.wait();
  EXPECT_EQ(run.exit_code, 143);
  EXPECT_THAT(run.err, HasSubstr("--resume goes on"));
  EXPECT_TRUE(fs::exists(out("x.npy.unfinished/journal.json")));
}

TEST_F(PackResume, WithNothingLeftItBegins) {
  pack_whole(kFolder);
  EXPECT_EQ(pack(words(kFolder, {"--resume"}))["resumed_samples"], 0);
  expect_whole();
  expect_failure(words(kFolder, {"--resume"}), "is there already; --force replaces it");
  expect_whole();
}

TEST_F(PackResume, WhatIsLeftIsNeitherIgnoredNorLost) {
  leave_unfinished(kShards);
  const auto left = contents_of(folder_ / "out");
  expect_failure(words(kShards, {}), "--resume goes on with it, --force begins anew");
  EXPECT_EQ(contents_of(folder_ / "out"), left);
  pack_whole(kShards);
  EXPECT_EQ(pack(words(kShards, {"--force"}))["resumed_samples"], 0);
  expect_whole();
}

TEST_F(PackResume, AChangedSourceIsRefused) {
  leave_unfinished(kFolder);
  const auto left = contents_of(folder_ / "out");
  write_samples("set", 2);
  expect_failure(words(kFolder, {"--resume"}), "the fingerprint of the source was");
  write_npy(folder_ / "set/inputs.npy", {kSamples, 1}, std::vector<std::uint8_t>(kSamples));
  expect_failure(words(kFolder, {"--resume"}), "an input was uint8 [64] and is uint8 [1]");
  write_npy(folder_ / "set/labels.npy", {2}, std::vector<std::int16_t>(2));
  write_npy(folder_ / "set/inputs.npy", {2, 1}, std::vector<std::uint8_t>(2));
  expect_failure(words(kFolder, {"--resume"}), "the number of samples was 4000 and is 2");
  EXPECT_EQ(contents_of(folder_ / "out"), left);
}

TEST_F(PackResume, OtherOptionsAreRefused) {
  leave_unfinished(kShards);
  const auto left = contents_of(folder_ / "out");
  Way other = kShards;
  other.options = {"--shard-size", "1000001"};
  expect_failure(words(other, {"--resume"}), "--shard-size was 1000000 and is 1000001");
  expect_failure(words(other, {"--resume", "--force"}), "--shard-size was 1000000 and is 1000001");
  expect_failure(words(kFolder, {"--resume"}), "the format was tar and is npy");
  EXPECT_EQ(contents_of(folder_ / "out"), left);
}

TEST_F(PackResume, OfImagesTheSizeCounts) {
  for (const char* name : {"a", "b"}) {
    fs::create_directories(folder_ / "images" / name);
    fs::copy(HEADRACE_IMAGES_DIR "/grey.png", folder_ / "images" / name);
  }
  const Way way{"images", "x.tar", {"--image-size", "8x8"}};
  const Arguments all = words(way, {"--checkpoint", "1"});
  // The last file is damaged behind its head, so that a run fails after the first sample.
  std::string bytes = content_of(folder_ / "images/b/grey.png");
  bytes[bytes.size() / 2] = static_cast<char>(~bytes[bytes.size() / 2]);
  write_file(folder_ / "images/b/grey.png", bytes);
  expect_failure(all, "1 of 2 samples are kept; --resume goes on from there.");
  Way other = way;
  other.options = {"--image-size", "8x9"};
  expect_failure(words(other, {"--resume"}), "--image-size was 8x8 and is 8x9");
}

TEST_F(PackResume, ADamagedJournalIsOneLine) {
  leave_unfinished(kShard);
  const fs::path journal = out("x.tar.unfinished/journal.json");
  const std::string sound = content_of(journal);
  for (const std::string& damaged : {std::string(),
                                     std::string("{}"),
                                     std::string("[1, 2]"),
                                     sound.substr(0, sound.size() / 2),
                                     "\xff" + sound}) {
    write_file(journal, damaged);
    expect_failure(words(kShard, {"--resume"}), "x.tar.unfinished/journal.json' cannot be read");
    expect_failure(words(kShard, {}), "--force begins anew");
  }
  Json json = Json::parse(sound);
  json["samples"] = kSamples + 1;
  write_file(journal, json.dump());
  expect_failure(words(kShard, {"--resume"}), "4001 of 4000 samples cannot be");
  pack_whole(kShard);
  pack(words(kShard, {"--force"}));
  expect_whole();
}

TEST_F(PackResume, PartsThatWereShortenedAreRefused) {
  leave_unfinished(kShards, {"--shard-size", "5000"});
  const Arguments again = words(kShards, {"--shard-size", "5000", "--resume"});
  const fs::path first = out("x.unfinished/parts/000000.tar");
  const std::string content = content_of(first);
  write_file(first, content.substr(1));
  expect_failure(again,
                 "000000.tar' has 3071 bytes, and 3072 were written: it was damaged since; --force "
                 "without --resume begins anew.\n");
  write_file(first, content + "more");
  EXPECT_EQ(pack(again)["samples"], kSamples);
  EXPECT_EQ(content_of(out("x-000000.tar")), content);
}

TEST_F(PackResume, TwoAtOnceAreKeptApart) {
  const std::unique_ptr<Program> program = stopped(kShard);
  const auto before = contents_of(folder_ / "out");
  for (const char* option : {"--resume", "--force"}) {
    expect_failure(words(kShard, {option}), "Another process is packing into");
  }
  EXPECT_EQ(contents_of(folder_ / "out"), before);
  program->signal(SIGCONT);
  EXPECT_EQ(program->wait().exit_code, 0);
  pack_whole(kShard);
  expect_whole();
}

TEST_F(PackResume, AFolderOfSomethingElseIsLeftAlone) {
  fs::create_directory(out("x.tar.unfinished"));
  write_file(out("x.tar.unfinished/diary.txt"), "precious");
  for (const Arguments& options : {Arguments{}, Arguments{"--resume"}, Arguments{"--force"}}) {
    expect_failure(words(kShard, options), "is in the way: it is no unfinished work of pack");
  }
  EXPECT_EQ(content_of(out("x.tar.unfinished/diary.txt")), "precious");
  write_file(out("x.tar.unfinished/lock"), "of another program");
  expect_failure(words(kShard, {"--force"}), "is in the way: it is no unfinished work of pack");
  EXPECT_EQ(content_of(out("x.tar.unfinished/diary.txt")), "precious");
  // One that is empty, or of a run that was killed before its first checkpoint, is of no use.
  fs::remove(out("x.tar.unfinished/diary.txt"));
  pack_whole(kShard);
  pack(words(kShard, {}));
  expect_whole();
  fs::create_directories(out("x.tar.unfinished/parts"));
  write_file(out("x.tar.unfinished/lock"), "");
  write_file(out("x.tar.unfinished/parts/000000.tar"), "torn");
  write_file(out("x.tar.unfinished/journal.json.12345.tmp"), "torn");
  pack(words(kShard, {"--force"}));
  expect_whole();
}

// A limit on the size of files stands for a disk that is full.
TEST_F(PackResume, AFullDiskLosesLittle) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 5'000'000;  // of 8 million bytes, at an 1 MiB buffer
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Finished run =
      run_program({"pack", folder_ / "set", out("x.tar"), "--checkpoint", "1000000"});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_TRUE(is_one_line(run.err)) << run.err;
  const std::uint64_t samples = journal_of(kShard).samples;
  EXPECT_GT(samples, 1000U);
  EXPECT_THAT(run.err,
              AllOf(HasSubstr("Cannot write '"),
                    HasSubstr("000000.tar': File too large. " + std::to_string(samples) +
                              " of 4000 samples are kept; --resume goes on from there.")));
  EXPECT_FALSE(fs::exists(out("x.tar")));
  pack_whole(kShard);
  EXPECT_EQ(pack(words(kShard, {"--resume"}))["resumed_samples"], samples);
  expect_whole();
}

TEST_F(PackResume, NamesThatWereTakenMeanwhileAreKept) {
  const std::unique_ptr<Program> program = stopped(kShards);
  write_file(out("x-000002.tar"), "precious");
  program->signal(SIGCONT);
  const Finished run = program->wait();
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err,
              AllOf(HasSubstr("x-000002.tar' is there already; --force replaces it."),
                    HasSubstr("4000 of 4000 samples are kept")));
  EXPECT_EQ(names_in(folder_ / "out"), (std::set<std::string>{"x-000002.tar", "x.unfinished"}));
  EXPECT_EQ(content_of(out("x-000002.tar")), "precious");
  EXPECT_TRUE(journal_of(kShards).is_complete);
  fs::remove(out("x-000002.tar"));
  // As a crash between two of the names leaves it, and whatever became of the source.
  fs::rename(out("x.unfinished/parts/000000.tar"), out("x-000000.tar"));
  pack_whole(kShards);
  const std::vector<std::uint8_t> small(kSamples);
  write_npy(folder_ / "set" / "inputs.npy", {kSamples, 1}, small);
  expect_failure(words(kShards, {"--resume"}), "is of another pack: an input was");
  write_samples("set", 2);
  EXPECT_EQ(pack(words(kShards, {"--resume"}))["resumed_samples"], kSamples);
  expect_whole();
}

TEST_F(PackResume, AFolderIsExchangedOnce) {
  fs::create_directory(out("x"));
  write_npy(out("x/inputs.npy"), {1}, std::vector<float>{1});
  {
    const std::unique_ptr<Program> program = stopped(kFolder, {"--force"});
    write_file(out("x/diary.txt"), "precious");
    program->signal(SIGCONT);
    const Finished run = program->wait();
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_THAT(run.err, AllOf(HasSubstr("holds 'diary.txt'"), HasSubstr("4000 of 4000 samples")));
  }
  fs::remove(out("x/diary.txt"));
  // As a crash behind the exchange leaves it.
  ASSERT_TRUE(cli::exchange_names(out("x.unfinished/parts"), out("x")));
  pack_whole(kFolder);
  pack(words(kFolder, {"--resume", "--force"}));
  expect_whole();
}

TEST_F(PackResume, WhatWasPutAsideComesBack) {
  fs::create_directory(out("x"));
  write_npy(out("x/inputs.npy"), {1}, std::vector<float>{1});
  const auto old = contents_of(folder_ / "out");
  leave_unfinished(kFolder, {"--force"});
  const auto left = contents_of(folder_ / "out");
  fs::rename(out("x"), out("x.unfinished/replaced"));
  expect_failure(words(kFolder, {}), "--resume goes on with it");
  EXPECT_EQ(contents_of(folder_ / "out"), left);
  pack_whole(kFolder);
  pack(words(kFolder, {"--resume", "--force"}));
  expect_whole();
}

// Whatever becomes of the run that finds it.
TEST_F(PackResume, WhatWasPutAsideComesBackBeforeTheSourceIsOpened) {
  fs::create_directory(out("x"));
  write_npy(out("x/inputs.npy"), {1}, std::vector<float>{1});
  leave_unfinished(kFolder, {"--force"});
  const auto left = contents_of(folder_ / "out");
  fs::rename(out("x"), out("x.unfinished/replaced"));
  Way missing = kFolder;
  missing.source = "nothing";
  expect_failure(words(missing, {"--resume"}), "nothing");
  EXPECT_EQ(contents_of(folder_ / "out"), left);
}

TEST_F(PackResume, OfASourceThatCannotBeOpenedNothingIsMade) {
  Way missing = kFolder;
  missing.source = "nothing";
  expect_failure(words(missing, {}), "nothing");
  EXPECT_EQ(names_in(folder_ / "out"), std::set<std::string>{});
  // Nor inside of a source before it is listed, where a folder would be taken for a class.
  fs::create_directories(folder_ / "out/a");
  fs::copy(HEADRACE_IMAGES_DIR "/grey.png", folder_ / "out/a");
  const Way within{"out", "x.tar", {"--image-size", "8x8"}};
  EXPECT_EQ(pack(words(within, {}))["samples"], 1);
}

// Whether older shards go is decided by the run that was asked to replace them.
TEST_F(PackResume, ForceIsKept) {
  const fs::path older = out("x-000099.tar");
  const auto be_in_the_way = [&] {  // of what is removed last, as a crash there would be
    fs::create_directory(older);
    write_file(older / "file", "");
  };
  const auto expect_whole_without_force = [&] {
    const cli::PackJournal journal = journal_of(kShards);
    EXPECT_TRUE(journal.is_complete);
    EXPECT_TRUE(journal.replaces);
    fs::remove_all(older);
    write_file(older, "older");
    EXPECT_EQ(pack(words(kShards, {"--resume"}))["resumed_samples"], kSamples);
    expect_whole();
    fs::remove_all(folder_ / "out");
    fs::create_directory(folder_ / "out");
  };
  const std::string cannot_end = "Cannot remove '" + older.string() + "', which is older";
  pack_whole(kShards);

  write_file(out("x-000000.tar"), "older");
  std::unique_ptr<Program> program = stopped(kShards, {"--force"});
  be_in_the_way();
  program->signal(SIGCONT);
  EXPECT_THAT(program->wait().err, HasSubstr(cannot_end));
  expect_whole_without_force();

  // The same when the first run had nothing to replace.
  program = stopped(kShards);
  write_file(out("x-000000.tar"), "older");
  program->signal(SIGCONT);
  EXPECT_THAT(program->wait().err, HasSubstr("x-000000.tar' is there already"));
  EXPECT_FALSE(journal_of(kShards).replaces);
  be_in_the_way();
  expect_failure(words(kShards, {"--resume", "--force"}), cannot_end);
  expect_whole_without_force();
}

TEST_F(PackResume, ForceIsKeptFromTheBeginning) {
  write_file(out("x-000000.tar"), "older");
  write_file(out("x-000099.tar"), "older");
  leave_unfinished(kShards, {"--force"});
  pack_whole(kShards);
  pack(words(kShards, {"--resume"}));
  expect_whole();
}

TEST_F(PackResume, PartsThatWereShortenedAtTheEndAreRefused) {
  struct Case {
    Way way;
    std::string part;      ///< Below its folder of unfinished work.
    std::string obstacle;  ///< What comes in the way of the names, so that the parts are complete.
  };
  for (const auto& [way, part, obstacle] : {Case{kShards, "parts/000001.tar", "x-000000.tar"},
                                            Case{kShard, "parts/000000.tar", "x.tar"},
                                            Case{kFolder, "parts/labels.npy", "x"},
                                            Case{kFile, "parts/inputs.npy", "x.npy"}}) {
    SCOPED_TRACE(part);
    {
      const std::unique_ptr<Program> program = stopped(way);
      write_file(out(obstacle), "in the way");
      program->signal(SIGCONT);
      EXPECT_EQ(program->wait().exit_code, 1);
    }
    fs::remove(out(obstacle));
    ASSERT_TRUE(journal_of(way).is_complete);
    const fs::path path = out(way.unfinished()) / part;
    const std::string content = content_of(path);
    for (const std::string& damaged : {content.substr(1), content + "x"}) {
      write_file(path, damaged);
      const auto left = contents_of(folder_ / "out");
      expect_failure(words(way, {"--resume"}),
                     fmt::format("{}/{}' has {} bytes, and {} were written: it was damaged since; "
                                 "--force without --resume begins anew.\n",
                                 way.unfinished(),
                                 part,
                                 damaged.size(),
                                 content.size()));
      EXPECT_EQ(contents_of(folder_ / "out"), left);
    }
    fs::remove(path);
    expect_failure(words(way, {"--resume"}), "it was damaged since; --force without");
    write_file(path, content);
    pack_whole(way);
    pack(words(way, {"--resume"}));
    expect_whole();
    for (const char* name : {"out", "whole"}) {
      fs::remove_all(folder_ / name);
      fs::create_directory(folder_ / name);
    }
  }
}

TEST(Renaming, AFolderIsReplacedWhereNamesCannotBeExchanged) {
  const TempDir folder;
  const auto cannot = [](const fs::path&, const fs::path&) { return false; };
  const auto write = [&](const char* name) {
    fs::create_directory(folder / name);
    write_file(folder / name / "file", name);
  };
  write("new");
  write("old");
  cli::replace_folder(folder / "new", folder / "old", folder / "aside", cannot);
  EXPECT_EQ(content_of(folder / "old/file"), "new");
  EXPECT_EQ(content_of(folder / "aside/file"), "old");
  EXPECT_FALSE(fs::exists(folder / "new"));
  // When the second step fails, the first is taken back.
  fs::remove_all(folder / "aside");
  EXPECT_THROW(cli::replace_folder(folder / "missing", folder / "old", folder / "aside", cannot),
               Error);
  EXPECT_EQ(content_of(folder / "old/file"), "new");
  EXPECT_FALSE(fs::exists(folder / "aside"));
}

TEST(Renaming, AFolderIsReplacedByAnExchange) {
  const TempDir folder;
  for (const char* name : {"new", "old"}) {
    fs::create_directory(folder / name);
    write_file(folder / name / "file", name);
  }
  cli::replace_folder(folder / "new", folder / "old", folder / "aside");
  EXPECT_EQ(content_of(folder / "old/file"), "new");
  EXPECT_EQ(content_of(folder / "new/file"), "old");
}

TEST(Renaming, WhatIsThereIsReplacedWhenAskedAlone) {
  const TempDir folder;
  write_file(folder / "a", "new");
  write_file(folder / "b", "old");
  EXPECT_THROW(cli::take_name(folder / "a", folder / "b", false), Error);
  EXPECT_EQ(content_of(folder / "b"), "old");
  cli::take_name(folder / "a", folder / "b", true);
  EXPECT_EQ(content_of(folder / "b"), "new");
}

}  // namespace
}  // namespace headrace::test
