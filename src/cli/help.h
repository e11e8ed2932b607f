// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include <string>

// What --help prints.

namespace headrace::cli {

inline constexpr const char* kExamples =
    "Examples:\n"
    "  headrace devices\n"
    "  headrace inspect data/digits\n"
    "  headrace stream data/digits --epochs 20 --shuffle --seed 7 --verify\n"
    "  headrace pack data/digits digits.tar\n"
    "  headrace bench memory\n"
    "\n"
    "Exit codes: 0 success, 1 failure, 2 bad usage, 130 stopped by Ctrl-C.\n";

inline constexpr const char* kStreamNotes =
    "Examples:\n"
    "  headrace stream data/digits --epochs 20 --shuffle --seed 7 --verify\n"
    "  headrace stream train.npy --dtype float16 --mean 0.5 --stddev 0.25 --json report.json\n"
    "  headrace stream mnist --split t10k --batch 512 --workers 4 --trace trace.json\n"
    "  headrace stream data --epochs 100 --shuffle --state run.state   # again: goes on from "
    "there\n"
    "  headrace stream data --epochs 100 --shuffle --shard 0/2 --state new-0 --resume-from old-0 "
    "old-1 old-2\n"
    "  torchrun --nproc-per-node 4 --no-python headrace stream data --shard auto\n"
    "\n"
    "The last dimension of inputs is the channels; inputs of shape [H, W] have one channel.\n"
    "\n"
    "What the report's 'bound by' says, the first that is true:\n"
    "  consumer  batches were ready nine tenths of the time; or half of it, and the workers idled\n"
    "            more than the consumer, with no copy between them\n"
    "  held      tensors of an earlier batch were still in use when their memory's turn came\n"
    "  link      the workers idled over half of the time: copies to the device set the pace\n"
    "  storage   the system read from storage, and the workers waited more than they computed\n"
    "  decode    else: reading and decoding samples sets the pace\n"
    "\n"
    "Exit codes: 0 success, 1 failure (a fault that --verify found too), 2 bad usage, 130 stopped\n"
    "by Ctrl-C (what was done is reported, and the state kept).\n";

inline constexpr const char* kPackNotes =
    "TARGET says what is written:\n"
    "  NAME.npy            inputs alone, of a source without labels\n"
    "  NAME                a folder with inputs.npy and labels.npy\n"
    "  NAME.tar            one tar shard in WebDataset's layout: KEY.npy, with KEY.cls for labels\n"
    "  with --shard-size   NAME-000000.tar and so on\n"
    "\n"
    "Everything is written below TARGET.unfinished and renamed when it is on the disk. A run that "
    "was\n"
    "interrupted leaves that folder; --resume goes on with it, and with its --force, to the same\n"
    "bytes, unless the data or options changed. Labels in tar shards are read back as int64.\n"
    "\n"
    "Examples:\n"
    "  headrace pack data/digits digits.tar\n"
    "  headrace pack mnist mnist-shards --split train --shard-size 268435456\n"
    "  headrace pack shards/ arrays --force && headrace stream arrays --verify\n"
    "\n"
    "Exit codes: 0 success, 1 failure, 2 bad usage, 130 stopped by Ctrl-C.\n";

inline constexpr const char* kBenchNotes =
    "Examples:\n"
    "  headrace bench\n"
    "  headrace bench memory --threads 16 --json memory.json\n"
    "\n"
    "What each group measures, and what it stands beside ('as fast' is the ratio of the two):\n"
    "  memory    taking a buffer and giving it back; malloc\n"
    "  transfer  moving bytes to the device and back; one plain copy of pinned memory\n"
    "  convert   element types on the device; a copy there that moves as many bytes\n"
    "  loader    3 KiB samples in memory, shuffled, to the device; one thread's copy of the rows\n";

/// Makes the usage lines of `app` and the commands added later say what must be given.
void set_usage(CLI::App& app);

/// The help of `app`, or of the command of it that asked.
std::string help_of(const CLI::App& app);

}  // namespace headrace::cli
