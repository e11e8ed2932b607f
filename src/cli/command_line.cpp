// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include "headrace/version.h"

#include "cli/help.h"
#include "cli/values.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headrace::cli {
namespace {

constexpr std::array<std::string_view, 5> kCommands{
    "devices", "inspect", "stream", "pack", "bench"};

constexpr std::uint64_t kMaxBatch = std::uint64_t{1} << 40;
constexpr std::uint64_t kMaxWorkers = 1024;
constexpr std::uint64_t kMaxPrefetch = 65536;
constexpr std::uint64_t kMaxRounds = 10000;

using Setter = std::function<void(const std::string&)>;

CLI::Option* add(
    CLI::App& app, const char* name, const char* value, const char* help, const Setter& set) {
  // Given twice, the last one counts, so that a script's defaults can be overridden.
  const auto take_last = [name, set](const CLI::results_t& values) {
    if (values.back().empty()) {
      throw UsageError(fmt::format("{} needs a value.", name));
    }
    set(values.back());
    return true;
  };
  return app.add_option(name, take_last, help)
      ->type_name(value)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

Setter into(std::string& target) {
  return [&target](const std::string& text) { target = text; };
}

Setter into(std::filesystem::path& target) {
  return [&target](const std::string& text) { target = text; };
}

template <class Number>
Setter into(Number& target,
            const char* option,
            std::uint64_t least,
            std::uint64_t most = UINT64_MAX) {
  return [&target, option, least, most](const std::string& text) {
    target = parse_count(option, text, least, most);
  };
}

void add_json(CLI::App& app, std::string& target) {
  add(app, "--json", "FILE", "Write the report as JSON; - for standard output", into(target));
}

CLI::App& add_command(CLI::App& app, const char* name, const char* help) {
  CLI::App* const command = app.add_subcommand(name, help);
  command->group("Commands");
  command->set_help_flag("-h,--help", "Print this help");
  return *command;
}

void add_data(CLI::App& app,
              std::filesystem::path& path,
              SourceOptions& options,
              const char* name = "PATH") {
  add(app,
      name,
      "",
      "Samples, recognised by content: .npy, IDX, safetensors, tar, class folders of JPEG and PNG",
      into(path));
  const auto group = [](CLI::Option* option) { option->group("Data"); };
  group(add(app,
            "--split",
            "PREFIX",
            "Pair to take of a folder with several, as train",
            into(options.split)));
  group(add(app,
            "--image-size",
            "WxH",
            "Resize images until they cover this size, and keep the middle",
            [&options](const std::string& text) { options.image_size = parse_image_size(text); }));
  group(add(app,
            "--raw",
            "SPEC",
            "Take raw records: the input, or input+label, as uint8[32,32,3]+int64",
            [&options](const std::string& text) { options.raw = parse_raw(text); }));
}

void add_images(CLI::App& app, StreamOptions& options) {
  app.add_flag("--random-crop",
               options.random_crop,
               "Resize a random part instead, of 0.08 to 1 of the area, or of =MIN,MAX")
      ->group("Data");
  app.add_flag("--random-flip",
               options.source.random_flip,
               "Mirror every other image at random, left for right")
      ->group("Data");
  app.add_flag("--scaled-decoding",
               options.source.scaled_decoding,
               "Decode large JPEGs at 1/2, 1/4 or 1/8: faster, pixels differ a little")
      ->group("Data");
}

void add_order(CLI::App& app, StreamOptions& options) {
  AsyncDataLoaderConfig& loader = options.loader;
  const auto group = [](CLI::Option* option) { return option->group("Order"); };
  group(add(app,
            "--batch",
            "N",
            "Samples of a batch",
            into(loader.batch_size, "--batch", 1, kMaxBatch)))
      ->default_str("256");
  group(add(app,
            "--epochs",
            "N",
            "Passes over the data; 0 goes on until stopped",
            into(loader.epochs, "--epochs", 0, INT64_MAX)))
      ->default_str("1");
  group(app.add_flag("--shuffle", loader.shuffle, "A new order of all samples every epoch"));
  group(add(app,
            "--seed",
            "S",
            "Seed of --shuffle, --random-crop and --random-flip",
            into(loader.seed, "--seed", 0)))
      ->default_str("0");
  group(add(app,
            "--shard",
            "R/N",
            "Load the share of process R of N; auto: as RANK and WORLD_SIZE say",
            [&options](const std::string& text) {
              options.loader.shard =
                  text == "auto" ? shard_from_environment(options.shard_origin) : parse_shard(text);
            }))
      ->default_str("0/1");
  group(add(app,
            "--tail",
            "HOW",
            "What becomes of a last batch: short, drop, pad_repeat, pad_zero",
            [&loader](const std::string& text) { loader.tail = parse_tail(text); }))
      ->default_str("short");
}

void add_device(CLI::App& app, StreamOptions& options) {
  AsyncDataLoaderConfig& loader = options.loader;
  const auto group = [](CLI::Option* option) { return option->group("Device and conversion"); };
  group(add(app, "--device", "SPEC", "As `headrace devices` lists", into(options.device)))
      ->default_str("auto");
  group(add(app,
            "--workers",
            "N",
            "Threads that read; without it the loader's default",
            into(loader.workers, "--workers", 1, kMaxWorkers)));
  group(add(app,
            "--prefetch",
            "N",
            "Batches made ready ahead",
            into(loader.prefetch_depth, "--prefetch", 1, kMaxPrefetch)))
      ->default_str("3");
  group(add(app, "--dtype", "TYPE", "Convert inputs to TYPE on the device", [&](const auto& text) {
    loader.output.dtype = parse_dtype(text);
  }));
  group(add(app,
            "--layout",
            "ORDER",
            "keep, hwc, or chw (rearranged on the device)",
            [&](const auto& text) { loader.output.layout = parse_layout(text); }))
      ->default_str("keep");
  group(add(app,
            "--mean",
            "LIST",
            "Subtract one mean a channel, or one for all; 0 to 1 for uint8",
            [&](const auto& text) { loader.output.mean = parse_list("--mean", text, -HUGE_VAL); }));
  group(add(app,
            "--stddev",
            "LIST",
            "Divide by one deviation a channel, or one for all",
            [&](const auto& text) { loader.output.stddev = parse_list("--stddev", text, 0); }));
}

void add_care(CLI::App& app, StreamOptions& options) {
  AsyncDataLoaderConfig& loader = options.loader;
  const auto group = [](CLI::Option* option) { return option->group("Care"); };
  group(add(app,
            "--on-error",
            "HOW",
            "A sample that cannot be read: raise ends the run, skip goes on",
            [&](const auto& text) { loader.on_error = parse_on_error(text); }))
      ->default_str("raise");
  group(add(app,
            "--max-failures",
            "N",
            "With --on-error skip: end the run at one more than N",
            into(loader.max_failures, "--max-failures", 0)));
  group(add(app,
            "--state",
            "FILE",
            "Keep in FILE how far the run is, and go on from there; one FILE a rank",
            into(options.state)));
  group(app.add_option(
               "--resume-from",
               [&options](const CLI::results_t& files) {
                 options.resume_from.assign(files.begin(), files.end());
                 return true;
               },
               "Where --state has no FILE yet: go on from those of every rank of another run")
            ->type_name("FILE")
            ->expected(1, CLI::detail::expected_max_vector_size)
            ->allow_extra_args());
  group(
      app.add_flag("--verify",
                   options.verify,
                   "Compare every batch with a separate read: bit-exact, each sample once; images "
                   "with what a second decoder makes of them"));
}

void add_results(CLI::App& app, StreamOptions& options) {
  add(app,
      "--trace",
      "FILE",
      "Write the last 1,000,000 events, for Perfetto or chrome://tracing",
      into(options.trace))
      ->group("Results");
  add_json(app, options.json);
  app.get_option("--json")->group("Results");
}

const CLI::App& add_devices(CLI::App& app, DevicesOptions& options) {
  CLI::App& command = add_command(app, "devices", "List the devices, best first");
  add_json(command, options.json);
  command.footer("Example:\n  headrace devices --json -\n");
  return command;
}

const CLI::App& add_inspect(CLI::App& app, InspectOptions& options) {
  CLI::App& command =
      add_command(app, "inspect", "Show what a data set holds, and how often each label occurs");
  add_data(command, options.path, options.source);
  add_json(command, options.json);
  command.footer("Example:\n  headrace inspect mnist --split train\n");
  return command;
}

const CLI::App& add_stream(CLI::App& app, StreamOptions& options) {
  CLI::App& command =
      add_command(app, "stream", "Load a data set to a device, batch by batch, and report");
  add_data(command, options.path, options.source);
  add_images(command, options);
  add_order(command, options);
  add_device(command, options);
  add_care(command, options);
  add_results(command, options);
  command.footer(kStreamNotes);
  return command;
}

const CLI::App& add_pack(CLI::App& app, PackOptions& options) {
  CLI::App& command = add_command(app, "pack", "Write a data set as .npy or as tar shards");
  add_data(command, options.path, options.source, "SOURCE");
  add(command, "TARGET", "", "What to write; see below", into(options.target));
  add(command,
      "--shard-size",
      "BYTES",
      "Write tar shards of at most so many bytes, of one sample at least",
      [&options](const std::string& text) {
        options.shard_bytes = parse_count("--shard-size", text, 1);
      });
  command.add_flag("--force", options.force, "Replace what is there");
  command.add_flag(
      "--resume", options.resume, "Go on with what an interrupted run left, if one left something");
  add(command,
      "--checkpoint",
      "BYTES",
      "Bytes between two places where another run can go on",
      into(options.checkpoint_bytes, "--checkpoint", 1))
      ->default_str("268435456");
  add_json(command, options.json);
  command.footer(kPackNotes);
  return command;
}

void add_bench(CLI::App& app, std::vector<std::string>& groups, BenchOptions& options) {
  CLI::App& command =
      add_command(app, "bench", "Measure the library on a device, beside peers and limits");
  command.add_option("GROUP", groups, "memory, transfer, convert, loader; without any all of them")
      ->type_name("");
  add(command, "--device", "SPEC", "As `headrace devices` lists", into(options.device))
      ->default_str("auto");
  add(command,
      "--threads",
      "N",
      "Of measurements with several; without it as many as the hardware has",
      into(options.threads, "--threads", 1, kMaxWorkers));
  add(command,
      "--rounds",
      "N",
      "Rounds of which the median counts",
      into(options.effort.rounds, "--rounds", 1, kMaxRounds))
      ->default_str("5");
  add(command,
      "--seconds",
      "S",
      "Time for each thing in each round",
      [&options](const std::string& text) {
        options.effort.seconds = parse_seconds("--seconds", text);
      })
      ->default_str("0.1");
  add_json(command, options.json);
  command.footer(kBenchNotes);
}

void check_command(int argc, const char* const* argv) {
  if (argc < 2) {
    throw UsageError(fmt::format("A command is missing: {}.", fmt::join(kCommands, ", ")));
  }
  const std::string_view word = argv[1];
  if (!word.starts_with('-') && std::ranges::count(kCommands, word) == 0) {
    throw UsageError(
        fmt::format("There is no command '{}'; there are {}.", word, fmt::join(kCommands, ", ")));
  }
}

void check_path(const std::filesystem::path& path,
                std::string_view command,
                std::string_view name = "PATH") {
  if (path.empty()) {
    throw UsageError(fmt::format("{}: {} is missing.", command, name));
  }
}

/// Refuses options that contradict each other, and notes those that have no effect.
void check_together(const CLI::App& app, StreamOptions& options) {
  if (app.count("--max-failures") != 0 && options.loader.on_error != OnError::skip) {
    throw UsageError("--max-failures counts samples that are skipped; add --on-error skip.");
  }
  if (options.source.scaled_decoding && !options.source.image_size) {
    throw UsageError("--scaled-decoding decodes for one size for all; add --image-size WxH.");
  }
  if (!options.random_crop.empty()) {
    if (!options.source.image_size) {
      throw UsageError("--random-crop resizes to one size for all; add --image-size WxH.");
    }
    options.source.random_crop = parse_random_crop(options.random_crop);
  }
  const bool is_random =
      options.loader.shuffle || options.source.random_crop || options.source.random_flip;
  if (app.count("--seed") != 0 && !is_random) {
    options.warning = "--seed has no effect without --shuffle, --random-crop or --random-flip.";
  }
}

/// One line of what CLI11 says.
std::string text_of(const CLI::ParseError& error) {
  std::string text = error.what();
  std::ranges::replace(text, '\n', ' ');
  text.erase(text.find_last_not_of(" .") + 1);
  return text + ".";
}

/// Names what was given and not expected, in the order given.
std::string text_of_extras(const CLI::App& app) {
  const std::vector<std::string> extras = app.remaining(true);
  return fmt::format("{} '{}' {} not expected.",
                     extras.size() == 1 ? "The argument" : "The arguments",
                     fmt::join(extras, "', '"),
                     extras.size() == 1 ? "was" : "were");
}

/// Reads the words into what `app` was given. \returns Text to show instead of running a command.
std::optional<std::string> parse(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return help_of(app);
  } catch (const CLI::CallForVersion& version) {
    return fmt::format("{}\n", version.what());
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string_view text = error.what();
    throw UsageError(fmt::format("{} needs a value.", text.substr(0, text.find(':'))));
  } catch (const CLI::ExtrasError&) {
    throw UsageError(text_of_extras(app));
  } catch (const CLI::ParseError& error) {
    throw UsageError(text_of(error));
  }
  return std::nullopt;
}

}  // namespace

std::string help_hint(int argc, const char* const* argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  return std::ranges::count(kCommands, word) == 0 ? "See headrace --help."
                                                  : fmt::format("See headrace {} --help.", word);
}

Command parse_command_line(int argc, const char* const* argv) {
  check_command(argc, argv);
  CLI::App app("Loads data to a device ahead of its consumer.", "headrace");
  set_usage(app);
  app.set_help_flag("-h,--help", "Print this help");
  app.set_version_flag("--version", fmt::format("headrace {}", kVersion), "Print the version");
  app.footer(kExamples);
  // One command: words after it are its own, also where they read like another.
  app.require_subcommand(0, 1);

  DevicesOptions devices;
  InspectOptions inspect;
  StreamOptions stream;
  stream.loader.batch_size = 256;
  PackOptions pack;
  BenchOptions bench;
  std::vector<std::string> bench_groups;
  const CLI::App& devices_command = add_devices(app, devices);
  const CLI::App& inspect_command = add_inspect(app, inspect);
  const CLI::App& stream_command = add_stream(app, stream);
  const CLI::App& pack_command = add_pack(app, pack);
  add_bench(app, bench_groups, bench);

  if (auto text = parse(app, argc, argv)) {
    return ShowText{*std::move(text)};
  }
  if (devices_command.parsed()) {
    return devices;
  }
  if (inspect_command.parsed()) {
    check_path(inspect.path, "inspect");
    return inspect;
  }
  if (stream_command.parsed()) {
    check_path(stream.path, "stream");
    check_together(stream_command, stream);
    return stream;
  }
  if (pack_command.parsed()) {
    check_path(pack.path, "pack", "SOURCE");
    check_path(pack.target, "pack", "TARGET");
    return pack;
  }
  bench.groups = parse_bench_groups(bench_groups);
  return bench;
}

}  // namespace headrace::cli
