// SPDX-License-Identifier: Apache-2.0
#include "cli/pack.h"

#include "headrace/error.h"
#include "headrace/source.h"
#include "headrace/version.h"

#include "cli/amounts.h"
#include "cli/commands.h"
#include "cli/data.h"
#include "cli/describe.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/outputs.h"
#include "cli/pack_journal.h"
#include "cli/pack_target.h"
#include "cli/packing.h"
#include "cli/part_file.h"
#include "cli/unfinished.h"
#include "cli/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace headrace::cli {
namespace {

std::unique_ptr<PackTarget> make_target(const PackOptions& options,
                                        const SampleSource& source,
                                        const Unfinished& work) {
  if (!source.spec().fields.empty()) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{} has fields besides inputs and labels, which are not packed.",
                            source.name()));
  }
  const bool is_tar = options.shard_bytes || options.target.extension() == ".tar";
  return is_tar ? make_tar_target(options, source, work) : make_npy_target(options, source, work);
}

/// The journal of a pack that has not begun.
PackJournal new_journal(const PackOptions& options,
                        const SampleSource& source,
                        std::string_view format) {
  const SampleSpec spec = source.spec();
  const std::optional<ImageSize>& image = options.source.image_size;
  PackJournal journal;
  journal.options = {
      {"Headrace", std::string(kVersion)},
      {"the format", std::string(format)},
      {"--shard-size", options.shard_bytes ? std::to_string(*options.shard_bytes) : "none"},
      {"--image-size", image ? fmt::format("{}x{}", image->width, image->height) : "none"}};
  journal.source = {
      {"an input", describe_part(spec.input_shape, spec.input_dtype)},
      {"a label", has_labels(spec) ? describe_part(spec.label_shape, spec.label_dtype) : "none"},
      {std::string(kFingerprint), fmt::format("{:016x}", source.fingerprint())}};
  journal.total = source.size();
  journal.replaces = options.force;
  return journal;
}

/// What an earlier run left, if it is to be gone on with.
///
/// \throws Error  `invalid_argument` when something was left and nothing asked for.
std::optional<PackJournal> find_left(const PackOptions& options, const Unfinished& work) {
  if (!work.has_journal()) {
    return std::nullopt;
  }
  if (options.resume) {
    return work.load();
  }
  if (!options.force) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' is what an interrupted run left: --resume goes on with it, "
                            "--force begins anew.",
                            work.path().string()));
  }
  return std::nullopt;
}

/// Where to go on: behind what was `left`, or at the beginning, where nothing else is left then.
///
/// \throws Error  `invalid_argument` when it is of another pack.
PackJournal find_start(const Unfinished& work,
                       const std::optional<PackJournal>& left,
                       const PackJournal& fresh) {
  if (!left) {
    if (work.has_journal()) {
      work.clear();
    }
    return fresh;
  }
  if (const std::string text = difference(*left, fresh); !text.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' is of another pack: {}. --force without --resume begins anew.",
                            work.path().string(),
                            text));
  }
  PackJournal journal = *left;
  if (fresh.replaces && !journal.replaces) {  // On the disk before anything is replaced.
    journal.replaces = true;
    work.save_anew(journal);
  }
  return journal;
}

/// Gives everything its name, unless a run did that and got no further.
void publish(PackTarget& target, const PackJournal& journal, const std::filesystem::path& path) {
  if (journal.inode == 0 || inode_of(path) != journal.inode) {
    target.publish(journal.samples);
  }
  flush_folder_of(path);
}

std::string kept_text(const PackJournal& journal) {
  return fmt::format("{} of {} are kept; --resume goes on from there.",
                     journal.samples,
                     counted(journal.total, "sample", "samples"));
}

/// What to tell of an interrupted run. \returns The exit code.
int end_early(const PackJournal& journal, int signal) {
  print_warning(journal.samples == 0 ? "Interrupted; nothing was packed."
                                     : "Interrupted: " + kept_text(journal));
  return 128 + signal;
}

std::string to_text(const PackReport& report) {
  const double seconds = std::max(report.seconds, 1e-9);
  const std::string resumed =
      report.resumed_samples == 0
          ? ""
          : fmt::format("resumed  behind {}\n",
                        counted(report.resumed_samples, "sample", "samples"));
  return fmt::format(
      "source   {}\ntarget   {}\npacked   {}, {} in {}\n{}"
      "time     {}: {} samples/s, {:.3f} GB/s\n",
      one_line(report.source),
      one_line(report.target),
      counted(report.samples, "sample", "samples"),
      bytes_text(report.bytes),
      counted(report.files, "file", "files"),
      resumed,
      time_text(report.seconds),
      count_text(static_cast<double>(report.samples - report.resumed_samples) / seconds),
      static_cast<double>(report.bytes - report.resumed_bytes) / seconds / 1e9);
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
  if (options.shard_bytes && options.target.extension() == ".tar") {
    options.target.replace_extension();  // As the shards have it.
  }
  Interrupt interrupt;
  if (!options.json.empty() && options.json != "-") {
    check_json(options.json, options.target);
  }
  check_outputs({{"--json", options.json == "-" ? "" : options.json}});
  std::optional<Unfinished> kept;
  if (Unfinished::is_left(options.target)) {  // What is half replaced must not stay so.
    kept.emplace(options.target);
  }
  const auto source = open_data(options.path, options.source);
  const auto begin = std::chrono::steady_clock::now();
  Unfinished& work = kept ? *kept : kept.emplace(options.target);
  const std::optional<PackJournal> left = find_left(options, work);
  options.force = options.force || (left && left->replaces);
  const std::unique_ptr<PackTarget> target = make_target(options, *source, work);
  PackJournal journal = find_start(work, left, new_journal(options, *source, target->format()));
  const std::uint64_t resumed = journal.samples;
  interrupt.on_signal([] {});  // From here on there is something to keep.
  try {
    if (!journal.is_complete) {
      target->check_free();
      if (!Packing(*source, *target, work).run(journal, options.checkpoint_bytes, interrupt)) {
        return end_early(journal, interrupt.signal());
      }
    }
    publish(*target, journal, options.target);
  } catch (const DamagedPart&) {  // There is nothing to go on with.
    throw;
  } catch (const Error& error) {
    if (!work.has_journal()) {
      throw;
    }
    throw Error(error.code(), fmt::format("{} {}", error.what(), kept_text(journal)));
  }
  work.remove();
  const std::uint64_t samples = journal.samples;
  const PackReport report{
      .source = source->name(),
      .target = options.target.string(),
      .format = std::string(target->format()),
      .samples = samples,
      .resumed_samples = resumed,
      .files = target->files(samples),
      .bytes = target->bytes(samples),
      .resumed_bytes = resumed == 0 ? 0 : target->bytes(resumed),
      .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()};
  print_results(to_text(report), options.json);
  write_json(to_json(report), options.json);
  return 0;
}

}  // namespace headrace::cli
