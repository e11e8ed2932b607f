# SPDX-License-Identifier: Apache-2.0
"""Headrace's side: its program streams, and loader_delays.cpp asks what the program has no option for."""

import json
import math
import pathlib
import subprocess

import numpy

from workloads import IMAGE

NAME = "headrace"


class Headrace:
    def __init__(self, program):
        self.program = pathlib.Path(program).resolve()
        self.delays_program = self.program.parent / "benchmarks" / "headrace_loader_delays"

    def version(self):
        return self.call([self.program, "--version"]).strip()

    def call(self, command):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
        return done.stdout

    def rate(self, work, workers, seconds):
        """Of about `seconds` of whole passes, without the first batch."""
        short = self.stream(work, workers, 1)
        passes = max(1, math.ceil(seconds * short["samples_per_second"] / work.samples))
        report = self.stream(work, workers, passes)
        counted = report["samples"] - work.batch
        return {"samples_per_second": counted / (report["seconds"] - report["first_batch_ms"] / 1e3),
                "first_batch_ms": report["first_batch_ms"], "bound_by": report["bound_by"],
                "handoff_us": report["handoff_us"]}

    def stream(self, work, workers, passes):
        size = ["--image-size", f"{IMAGE}x{IMAGE}"] if "images" in work.name else []
        return json.loads(self.call([self.program, "stream", work.path, "--batch", work.batch, "--shuffle",
                                     "--epochs", passes, "--workers", workers, "--device", "host",
                                     "--json", "-", *size]))

    def slow(self, settings, order, workers, seconds):
        return json.loads(self.call([self.delays_program, "slow", workers, settings["samples"],
                                     round(settings["seconds"] * 1e6), seconds, order]))

    def delays(self, work, workers, pause, handoffs):
        return json.loads(self.call([self.delays_program, "waits", work.path, workers, work.batch,
                                     round(pause * 1e3), handoffs]))

    def exposed(self, work, workers, pause, batches):
        side = IMAGE if "images" in work.name else 0
        return json.loads(self.call([self.delays_program, "exposed", work.path, workers, work.batch,
                                     round(pause * 1e6), batches, side]))

    def pixels(self, images, scratch, size=IMAGE):
        """All images of a folder in order, [N, size, size, 3], as a file in `scratch` that is mapped."""
        packed = pathlib.Path(scratch) / "packed"
        self.call([self.program, "pack", images, packed, "--image-size", f"{size}x{size}"])
        return numpy.load(packed / "inputs.npy", mmap_mode="r")
