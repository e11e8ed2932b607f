// SPDX-License-Identifier: Apache-2.0
#include "headrace/device.h"
#include "headrace/error.h"
#include "headrace/loader.h"
#include "headrace/source.h"
#include "headrace/trace.h"

#include "cli/commands.h"
#include "cli/data.h"
#include "cli/describe.h"
#include "cli/digest.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/outputs.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/saved_state.h"
#include "cli/share.h"
#include "cli/state_file.h"
#include "cli/verify.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <utility>

namespace headrace::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// What the system counted for this process so far.
struct Usage {
  double processor_seconds = 0;
  std::uint64_t storage_reads = 0;

  static Usage now() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return {.processor_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime),
            .storage_reads = static_cast<std::uint64_t>(usage.ru_inblock + usage.ru_majflt)};
  }
};

/// One run of `headrace stream`.
class StreamRun {
 public:
  StreamRun(const StreamOptions& options, Interrupt& interrupt);

  int run();

 private:
  void check_drop() const;
  void prepare_resume();
  void prepare_verify();
  void load();
  void take(const GPUBatch& batch);
  void finish_load();
  int conclude();

  const StreamOptions& options_;
  Interrupt& interrupt_;
  std::shared_ptr<SampleSource> source_;
  Device device_;
  std::shared_ptr<Trace> trace_;
  Share share_;
  std::unique_ptr<StateFile> state_file_;
  std::optional<Verifier> verifier_;
  std::unique_ptr<AsyncDataLoader> loader_;
  OrderDigest digest_;
  Report report_;
  std::uint64_t last_epoch_ = 0;
  std::string resume_origin_;  ///< The option that says where the run begins.
};

StreamRun::StreamRun(const StreamOptions& options, Interrupt& interrupt)
    : options_(options), interrupt_(interrupt) {
  check_outputs({{"--json", options.json == "-" ? "" : options.json},
                 {"--trace", options.trace},
                 {"--state", options.state}});
  source_ = open_data(options.path, options.source);
  if (source_->size() == 0) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{} has no samples.", source_->name()));
  }
  device_ = open_device(options.device);
  AsyncDataLoaderConfig config = options.loader;
  config.memory_manager = MemoryManager(device_);
  if (!options.trace.empty()) {
    trace_ = std::make_shared<Trace>();
    config.trace = trace_;
  }
  share_ = {.dataset_size = source_->size(),
            .batch_size = config.batch_size,
            .shard = config.shard,
            .tail = config.tail};
  check_drop();
  loader_ = std::make_unique<AsyncDataLoader>(source_, config);
  prepare_resume();
  prepare_verify();
  report_.source = source_->name();
  report_.dataset_size = source_->size();
  report_.spec = source_->spec();
  report_.device = device_.info();
  report_.config = options.loader;
  report_.shard_origin = options.shard_origin;
}

void StreamRun::check_drop() const {
  const std::uint64_t full_batches = share_.dataset_size / share_.batch_size;
  if (share_.tail == Tail::drop && full_batches < share_.shard.world_size) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("--tail drop leaves nothing to load: {} has {}, and a step takes {} x {}.",
                    source_->name(),
                    counted(share_.dataset_size, "sample", "samples"),
                    share_.batch_size,
                    share_.shard.world_size));
  }
}

void StreamRun::prepare_resume() {
  if (!options_.state.empty()) {
    state_file_ = std::make_unique<StateFile>(
        options_.state,
        StateOwner{.shard = options_.loader.shard, .batch_size = options_.loader.batch_size});
  }
  resume_origin_ = fmt::format("--state '{}'", one_line(options_.state.string()));
  try {
    std::optional<LoaderState> state = state_file_ ? state_file_->load() : std::nullopt;
    if (!state && !options_.resume_from.empty()) {
      resume_origin_ = "--resume-from";
      state = merge_saved_states(options_.resume_from);
    }
    if (state) {
      loader_->restore(*state);
      share_.start = *state;
      report_.is_resumed = true;
    }
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", resume_origin_, error.what()));
  }
}

void StreamRun::prepare_verify() {
  if (options_.verify) {
    verifier_.emplace(open_data(options_.path, options_.source),
                      options_.loader.output,
                      share_,
                      options_.loader.epochs,
                      options_.loader.seed);
  }
}

void StreamRun::take(const GPUBatch& batch) {
  const auto ids = batch.sample_ids();
  ++report_.batches;
  report_.samples += ids.size();
  if (report_.epochs == 0 || batch.epoch != last_epoch_) {
    ++report_.epochs;
    last_epoch_ = batch.epoch;
  }
  digest_.add(batch.epoch, ids);
  if (verifier_) {
    verifier_->add(read_back(batch, report_.spec));
  }
  if (state_file_) {
    state_file_->offer(batch.state());
  }
}

void StreamRun::load() {
  const Clock::time_point start = Clock::now();
  const Usage before = Usage::now();
  loader_->start();
  interrupt_.on_signal([this] { loader_->stop(); });
  if (state_file_) {
    state_file_->begin(loader_->state());
  }
  try {
    for (;;) {
      const Clock::time_point asked = Clock::now();
      std::optional<GPUBatch> batch = loader_->get_batch();
      report_.wait_seconds += seconds_since(asked);
      if (!batch) {
        break;
      }
      if (report_.batches == 0) {
        report_.first_batch_seconds = seconds_since(start);
      }
      take(*batch);
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::stopped || interrupt_.signal() == 0) {
      throw;
    }
  }
  device_.synchronize();
  report_.seconds = seconds_since(start);
  const Usage after = Usage::now();
  report_.processor_seconds = after.processor_seconds - before.processor_seconds;
  report_.storage_reads = after.storage_reads - before.storage_reads;
}

void StreamRun::finish_load() {
  interrupt_.on_signal({});
  report_.signal = interrupt_.signal();
  report_.stats = loader_->stats();
  loader_->stop();
  report_.order_digest = digest_.value();
  if (state_file_) {
    state_file_->finish();
  }
  if (trace_) {
    trace_->write(options_.trace);
    report_.trace_events = trace_->size();
    report_.trace_dropped = trace_->dropped();
  }
}

int StreamRun::conclude() {
  if (verifier_) {
    report_.verified = verifier_->finish(report_.stats.failures, report_.signal == 0);
  }
  const bool is_nothing_left = report_.is_resumed && report_.batches == 0 && report_.signal == 0;
  print_results(is_nothing_left
                    ? fmt::format("Nothing is left to load: {} says that the last epoch is done. "
                                  "Start over without it.\n",
                                  resume_origin_)
                    : to_text(report_),
                options_.json);
  write_json(to_json(report_), options_.json);
  if (report_.verified && !report_.verified->is_clean()) {
    throw Error(ErrorCode::corrupt_data,
                "--verify found a fault: " + report_.verified->problems.front());
  }
  return report_.signal == 0 ? 0 : 128 + report_.signal;
}

int StreamRun::run() {
  const std::uint64_t total = share_.of_run(options_.loader.epochs);
  Progress progress([this, total] {
    const AsyncDataLoaderStats stats = loader_->stats();
    return Standing{.samples = stats.samples_delivered,
                    .total = total,
                    .bytes = stats.bytes_to_device,
                    .queued = stats.queued_batches,
                    .capacity = stats.queue_capacity,
                    .seconds = 0};
  });
  std::exception_ptr fault;
  try {
    load();
  } catch (...) {
    fault = std::current_exception();
  }
  progress.stop();
  try {
    finish_load();
  } catch (...) {
    fault = fault ? fault : std::current_exception();
  }
  if (fault) {
    std::rethrow_exception(fault);
  }
  return conclude();
}

}  // namespace

int run(const StreamOptions& options) {
  if (!options.warning.empty()) {
    print_warning(options.warning);
  }
  Interrupt interrupt;
  return StreamRun(options, interrupt).run();
}

}  // namespace headrace::cli
