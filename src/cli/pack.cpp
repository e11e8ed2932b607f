// SPDX-License-Identifier: Apache-2.0
#include "cli/pack.h"

#include "headrace/error.h"
#include "headrace/source.h"

#include "cli/amounts.h"
#include "cli/commands.h"
#include "cli/data.h"
#include "cli/describe.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/outputs.h"
#include "cli/pack_target.h"
#include "cli/progress.h"
#include "cli/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace headrace::cli {
namespace {

std::unique_ptr<PackTarget> make_target(const PackOptions& options, const SampleSource& source) {
  if (!source.spec().fields.empty()) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{} has fields besides inputs and labels, which are not packed.",
                            source.name()));
  }
  const bool is_tar = options.shard_bytes || options.target.extension() == ".tar";
  return is_tar ? make_tar_target(options, source) : make_npy_target(options, source);
}

/// Reads all samples in their order into `target`. \returns Whether it came to the end.
bool copy_samples(const SampleSource& source, PackTarget& target, const Interrupt& interrupt) {
  const SampleSpec spec = source.spec();
  const std::uint64_t sample = sample_bytes(spec);
  const std::uint64_t total = source.size();
  std::vector<std::byte> input(part_bytes(spec.input_shape, spec.input_dtype));
  std::vector<std::byte> label(part_bytes(spec.label_shape, spec.label_dtype));
  std::atomic<std::uint64_t> done = 0;
  const Progress progress(
      [&] { return Standing{.samples = done, .total = total, .bytes = done * sample}; });
  for (std::uint64_t i = 0; i < total && interrupt.signal() == 0; ++i) {
    SampleView view{.input = input, .label = label, .fields = {}};
    source.read({.index = i}, view);
    target.add(input, label);
    done = i + 1;
  }
  return done == total;
}

std::string to_text(const PackReport& report) {
  const double seconds = std::max(report.seconds, 1e-9);
  return fmt::format(
      "source   {}\ntarget   {}\npacked   {}, {} in {}\ntime     {}: {} samples/s, {:.3f} GB/s\n",
      one_line(report.source),
      one_line(report.target),
      counted(report.samples, "sample", "samples"),
      bytes_text(report.bytes),
      counted(report.files, "file", "files"),
      time_text(report.seconds),
      count_text(static_cast<double>(report.samples) / seconds),
      static_cast<double>(report.bytes) / seconds / 1e9);
}

/// Where the target will be: of a link, what it leads to. \throws UsageError  where there can be
/// none. \throws Error  `io`.
std::filesystem::path place_of(const std::filesystem::path& target) {
  std::filesystem::path place = target.lexically_normal();
  place = place.has_filename() ? place : place.parent_path();
  if (const auto name = place.filename(); name.empty() || name == "." || name == "..") {
    throw UsageError(
        fmt::format("TARGET: '{}' is no name of a new file or folder.", target.string()));
  }
  if (!std::filesystem::is_symlink(place)) {
    return place;
  }
  std::error_code error;
  place = std::filesystem::canonical(place, error);
  if (error) {
    throw Error(ErrorCode::io,
                fmt::format("TARGET '{}' is a link: {}.", target.string(), error.message()));
  }
  return place;
}

/// Refuses a file for the JSON that the target, or a shard of it, will be.
void check_json(const std::string& json, const std::filesystem::path& target) {
  const std::string name = std::filesystem::path(json).filename().string();
  const bool is_shard =
      name.starts_with(target.filename().string() + '-') && name.ends_with(".tar");
  const std::filesystem::path beside = target.parent_path() / name;
  if (name_same_file(json, target) || (is_shard && name_same_file(json, beside))) {
    throw UsageError(fmt::format("--json and TARGET name the same file, '{}'.", json));
  }
}

}  // namespace

int run(const PackOptions& asked) {
  PackOptions options = asked;
  options.target = place_of(asked.target);
  Interrupt interrupt;
  if (!options.json.empty() && options.json != "-") {
    check_json(options.json, options.target);
  }
  check_outputs({{"--json", options.json == "-" ? "" : options.json}});
  const auto source = open_data(options.path, options.source);
  const auto begin = std::chrono::steady_clock::now();
  const std::unique_ptr<PackTarget> target = make_target(options, *source);
  interrupt.on_signal([] {});  // From here on there is something to take away.
  if (!copy_samples(*source, *target, interrupt)) {
    print_warning("Interrupted; nothing was packed.");
    return 128 + interrupt.signal();
  }
  target->publish();
  const PackReport report{
      .source = source->name(),
      .target = options.target.string(),
      .format = std::string(target->format()),
      .samples = source->size(),
      .files = target->files(),
      .bytes = target->bytes(),
      .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()};
  print_results(to_text(report), options.json);
  write_json(to_json(report), options.json);
  return 0;
}

}  // namespace headrace::cli
