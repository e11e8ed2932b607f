// SPDX-License-Identifier: Apache-2.0
#include "cli/report.h"

#include "headrace/fmt.h"

#include "cli/amounts.h"
#include "cli/describe.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>
#include <utility>

namespace headrace::cli {
namespace {

/// Lines of a name and a value, the values under one another.
class Table {
 public:
  template <class... Values>
  void add(std::string_view name, fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(text_), "{:<13}", name);
    text_ += one_line(fmt::format(format, std::forward<Values>(values)...)) + '\n';
  }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

std::string plan_text(const Report& report) {
  const AsyncDataLoaderConfig& config = report.config;
  std::string text =
      config.epochs == 0 ? "epochs without end" : counted(config.epochs, "epoch", "epochs");
  text += fmt::format(", batch {}, {}, shard {}/{}",
                      config.batch_size,
                      config.shuffle ? fmt::format("shuffled (seed {})", config.seed) : "in order",
                      config.shard.rank,
                      config.shard.world_size);
  return report.shard_origin.empty() ? text : text + " (" + report.shard_origin + ")";
}

std::string converted_text(const Report& report) {
  const OutputSpec& output = report.config.output;
  const ExpectedInput made(report.spec.input_shape, report.spec.input_dtype, output);
  const bool normalises = !output.mean.empty() || !output.stddev.empty();
  return fmt::format("{} {}{}{}",
                     made.dtype(),
                     made.shape(),
                     output.layout == Layout::chw ? ", channels first" : "",
                     normalises ? ", normalised" : "");
}

void add_failures(Table& table, const Report& report) {
  table.add("failures", "{}", report.stats.failures);
  for (const SampleFailure& failure : report.stats.first_failures) {
    table.add("", "sample {} of epoch {}: {}", failure.sample, failure.epoch, failure.message);
  }
}

void add_images(Table& table, const DecodedTwice& images) {
  table.add("decoded by",
            "{} too: {}, {:.3g} levels apart on average, {} at most",
            images.decoder,
            counted(images.samples, "sample", "samples"),
            images.mean_difference,
            images.max_difference);
  if (images.unsupported != 0) {
    table.add(
        "", "not checked by it: {} (sample {})", images.unsupported, images.unsupported_reason);
  }
}

void add_verified(Table& table, const Verified& verified) {
  table.add("verified",
            "{}: {}, {} missing, {}",
            counted(verified.samples, "sample", "samples"),
            counted(verified.mismatches, "mismatch", "mismatches"),
            verified.missing,
            counted(verified.duplicates, "duplicate", "duplicates"));
  if (verified.images) {
    add_images(table, *verified.images);
  }
  for (const std::string& problem : verified.problems) {
    if (!verified.is_clean()) {
      table.add("", "{}", problem);
    }
  }
}

void add_end(Table& table, const Report& report) {
  if (report.trace_dropped != 0) {
    table.add("trace",
              "the last {}; {} before them dropped",
              counted(report.trace_events, "event", "events"),
              report.trace_dropped);
  }
  if (report.signal != 0) {
    table.add("ended", "early, by signal {}", report.signal);
  }
}

}  // namespace

double Report::samples_per_second() const {
  return seconds > 0 ? static_cast<double>(samples) / seconds : 0;
}

double Report::gigabytes_per_second() const {
  return seconds > 0 ? static_cast<double>(stats.bytes_to_device) / seconds / 1e9 : 0;
}

double Report::consumer_wait_fraction() const {
  return seconds > 0 ? wait_seconds / seconds : 0;
}

BoundBy Report::bound_by() const {
  return cli::bound_by(
      stats,
      {.seconds = seconds, .processor_seconds = processor_seconds, .storage_reads = storage_reads});
}

std::string Report::digest_text() const {
  return fmt::format("{:016x}", order_digest);
}

std::string to_text(const Report& report) {
  const AsyncDataLoaderStats& stats = report.stats;
  Table table;
  table.add("source", "{}", report.source);
  table.add("holds",
            "{}: {}{}",
            counted(report.dataset_size, "sample", "samples"),
            describe_part(report.spec.input_shape, report.spec.input_dtype),
            has_labels(report.spec)
                ? ", label " + describe_part(report.spec.label_shape, report.spec.label_dtype)
                : ", no labels");
  table.add("device",
            "{} ({}), backend {}",
            report.device.spec,
            report.device.name,
            report.device.backend);
  table.add("inputs as", "{}", converted_text(report));
  table.add("plan", "{}{}", plan_text(report), report.is_resumed ? ", resumed" : "");
  table.add("loader",
            "{}, prefetch {}, generation {}",
            counted(stats.workers, "worker", "workers"),
            report.config.prefetch_depth,
            stats.generation);
  table.add("delivered",
            "{} in {} of {}, {} to the device",
            counted(report.samples, "sample", "samples"),
            counted(report.batches, "batch", "batches"),
            counted(report.epochs, "epoch", "epochs"),
            bytes_text(stats.bytes_to_device));
  table.add("time",
            "{}: {} samples/s, {:.3f} GB/s{}",
            time_text(report.seconds),
            count_text(report.samples_per_second()),
            report.gigabytes_per_second(),
            report.verified ? " (verifying included)" : "");
  table.add("first batch", "after {}", time_text(report.first_batch_seconds));
  table.add("consumer",
            "waited {:.1f} % of the time; hand-off p50 {}, p99 {}",
            report.consumer_wait_fraction() * 100,
            time_text(stats.handoff.p50_us / 1e6),
            time_text(stats.handoff.p99_us / 1e6));
  table.add("peak memory",
            "{} on the device, {} pinned",
            bytes_text(stats.peak_device_bytes),
            bytes_text(stats.pinned_bytes));
  table.add("bound by", "{}", to_string(report.bound_by()));
  add_failures(table, report);
  table.add("order digest", "{}", report.digest_text());
  if (report.verified) {
    add_verified(table, *report.verified);
  }
  add_end(table, report);
  return table.text();
}

}  // namespace headrace::cli
