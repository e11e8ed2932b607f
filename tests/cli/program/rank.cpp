// SPDX-License-Identifier: Apache-2.0
// One rank of a run that is killed again and again: takes batches, writes down which samples each
// held, and only then saves its state, as the program does.
//
//   headrace_rank FOLDER RUN RANK WORLD BATCH SAMPLES SEED EPOCHS WORKERS ORDERED PAUSE_US
//   [STATE...]
//
// Writes FOLDER/RUN-RANK.log, a line "EPOCH SAMPLE..." a batch, and FOLDER/RUN-RANK.state. Begins
// where the STATEs say.
#include "headrace/device.h"
#include "headrace/loader.h"

#include "cli/files.h"
#include "cli/program/rank_source.h"
#include "cli/saved_state.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace headrace::test {
namespace {

class Words {
 public:
  Words(int count, char** words) : words_(words + 1, words + count) {}

  std::string text() { return words_.at(next_++); }
  std::uint64_t number() { return std::stoull(text()); }
  std::vector<std::filesystem::path> rest() {
    return {words_.begin() + static_cast<std::ptrdiff_t>(next_), words_.end()};
  }

 private:
  std::vector<std::string> words_;
  std::size_t next_ = 0;
};

/// What a batch held, in one write.
void write_down(int log, const GPUBatch& batch) {
  const std::vector<std::uint64_t> values = batch.input_tensor.to_vector<std::uint64_t>();
  std::string line = std::to_string(batch.epoch);
  for (std::size_t row = 0; row < batch.sample_ids().size(); ++row) {
    if (values.at(row) != batch.sample_ids()[row]) {
      throw std::logic_error("a row is not of the sample that it is said to be");
    }
    line += ' ' + std::to_string(values[row]);
  }
  line += '\n';
  if (::write(log, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("the log cannot be written");
  }
}

void run(Words words) {
  const std::string folder = words.text();
  const std::string name = words.text();
  AsyncDataLoaderConfig config{.shuffle = true};
  config.memory_manager = MemoryManager(open_device("host"));
  config.shard.rank = words.number();
  config.shard.world_size = words.number();
  config.batch_size = words.number();
  const std::uint64_t samples = words.number();
  config.seed = words.number();
  config.epochs = words.number();
  config.workers = words.number();
  config.ordered = words.number() != 0;
  const std::chrono::microseconds pause(words.number());
  const std::vector<std::filesystem::path> before = words.rest();

  const std::string own = fmt::format("{}/{}-{}", folder, name, config.shard.rank);
  const int log = ::open((own + ".log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  AsyncDataLoader loader(std::make_shared<RankSource>(samples), config);
  const cli::StateOwner owner{.shard = config.shard, .batch_size = config.batch_size};
  const auto save = [&](const LoaderState& state) {
    cli::replace_file(own + ".state", cli::to_json(state, owner));
  };
  if (!before.empty()) {
    loader.restore(cli::merge_saved_states(before));
  }
  save(loader.state());
  loader.start();
  while (const std::optional<GPUBatch> batch = loader.get_batch()) {
    write_down(log, *batch);
    save(batch->state());
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace
}  // namespace headrace::test

int main(int count, char** words) {
  try {
    headrace::test::run({count, words});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "headrace_rank: %s\n", error.what());
    return 1;
  }
}
