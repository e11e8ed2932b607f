#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Loads the same shuffled in-memory samples with headrace and with PyTorch's DataLoader.

Both read 3,072-byte rows of one memory-mapped .npy file, shuffled, into batches of 256, from a warm
page cache; start-up is left out (headrace: rate of the whole run minus the first batch; PyTorch: persistent
workers, first epoch not counted). Each peer setting is swept and its best taken; runs are interleaved and
medians printed.

    benchmarks/loader_vs_torch.py build/release/headrace --cores 2
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

try:
    import numpy
    import torch
except ImportError as error:
    numpy = torch = None
    MISSING = error

ROWS, WIDTH, BATCH, EPOCHS = 100_000, 3072, 256, 4


class Rows:
    """A map-style data set; DataLoader asks for no base class."""

    def __init__(self, path):
        self.path = path
        self.rows = None

    def __len__(self):
        return ROWS

    def __getitem__(self, index):
        if self.rows is None:
            self.rows = numpy.load(self.path, mmap_mode="r")
        return torch.from_numpy(self.rows[index].copy()), index


class Batches(Rows):
    """The same with whole batches gathered by NumPy: the fastest a DataLoader user can write."""

    def __getitems__(self, indices):
        if self.rows is None:
            self.rows = numpy.load(self.path, mmap_mode="r")
        order = numpy.asarray(indices)
        return [(torch.from_numpy(self.rows[order]), torch.from_numpy(order))]


def first(batch):
    return batch[0]


def torch_rate(path, workers, batched):
    data = Batches(path) if batched else Rows(path)
    extra = {"persistent_workers": True} if workers else {}
    loader = torch.utils.data.DataLoader(
        data, batch_size=BATCH, shuffle=True, num_workers=workers,
        collate_fn=first if batched else None, **extra)
    rate = 0.0
    for epoch in range(2):
        begin = time.perf_counter()
        samples = 0
        for inputs, _ in loader:
            samples += len(inputs)
        rate = samples / (time.perf_counter() - begin)
        assert samples == ROWS
    return rate


def headrace_rate(program, folder, workers):
    command = [program, "stream", folder, "--batch", str(BATCH), "--epochs", str(EPOCHS), "--shuffle",
               "--workers", str(workers), "--device", "host", "--json", "-"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert report["samples"] == ROWS * EPOCHS
    return report


def main():
    parser = argparse.ArgumentParser(
        description="Compares headrace's loader with PyTorch's DataLoader; needs torch and numpy.")
    parser.add_argument("program", help="the program headrace")
    parser.add_argument("--cores", type=int, default=2, help="processors to use (default: 2)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (default: 3)")
    arguments = parser.parse_args()
    if torch is None:
        sys.exit(f"loader_vs_torch.py: {MISSING}; install torch and numpy.")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:arguments.cores])
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        inputs = os.path.join(folder, "inputs.npy")
        rng = numpy.random.default_rng(1)
        numpy.save(inputs, rng.integers(0, 256, (ROWS, WIDTH), dtype=numpy.uint8))
        numpy.save(os.path.join(folder, "labels.npy"), numpy.arange(ROWS, dtype=numpy.int64))
        sweep = sorted({1, max(1, arguments.cores // 2), arguments.cores, arguments.cores + 1})
        mine, plain, batched, reports = [], [], [], []
        for _ in range(arguments.repeats):
            best = max((headrace_rate(arguments.program, folder, w) for w in sweep),
                       key=lambda report: report["samples_per_second"])
            reports.append(best)
            mine.append(best["samples_per_second"])
            plain.append(max(torch_rate(inputs, w, False) for w in [0, *sweep]))
            batched.append(max(torch_rate(inputs, w, True) for w in [0, *sweep]))
    ours, theirs, theirs_batched = map(statistics.median, (mine, plain, batched))
    last = reports[len(reports) // 2]
    print(f"cores {arguments.cores}, torch {torch.__version__}, medians of {arguments.repeats}, "
          f"best worker count of each")
    print(f"headrace                 {ours / 1e6:8.3f} M samples/s   {ours * WIDTH / 1e9:6.2f} GB/s")
    print(f"DataLoader               {theirs / 1e6:8.3f} M samples/s   ratio {ours / theirs:6.1f}")
    print(f"DataLoader, __getitems__ {theirs_batched / 1e6:8.3f} M samples/s   "
          f"ratio {ours / theirs_batched:6.1f}")
    print(f"headrace hand-off p50 {last['handoff_us']['p50']:.2f} us, p99 {last['handoff_us']['p99']:.2f} "
          f"us; first batch {last['first_batch_ms']:.2f} ms; bound by {last['bound_by']}")


if __name__ == "__main__":
    main()
