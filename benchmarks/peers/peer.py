# SPDX-License-Identifier: Apache-2.0
"""A peer's side: a module of loaders/, which drive.py runs in a process of its own."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import environment

DRIVE = pathlib.Path(__file__).with_name("drive.py")
LONGEST = 300  # seconds that one measurement may take


class Peer:
    def __init__(self, module):
        self.module, self.name = module, module
        self.version, self.loaders, self.absent, self.least_workers = "", {}, {}, 1
        self.reason = ""  # why it has no part in anything
        try:
            vars(self).update(self.drive(["describe"], {}))
        except RuntimeError as error:
            self.reason = f"{error}; {environment.failures()}".rstrip("; ")

    def drive(self, arguments, settings):
        """Runs drive.py; the peer's own words on standard error are its failure's reason."""
        try:
            done = subprocess.run([sys.executable, DRIVE, self.module, *map(str, arguments)],
                                  input=json.dumps(settings), capture_output=True, text=True, timeout=LONGEST)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"took more than {LONGEST} s") from None
        if done.returncode != 0:
            raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
        return json.loads(done.stdout.strip().splitlines()[-1])

    def rate(self, work, label, workers, seconds):
        return self.drive([work.name, label, workers, "rate"], {**of(work), "seconds": seconds})

    def slow(self, slow, label, workers, seconds):
        return self.drive(["slow", label, workers, "rate"], {"slow": slow, "seconds": seconds})

    def delays(self, work, label, workers, pause, handoffs):
        return self.drive([work.name, label, workers, "delays"],
                          {**of(work), "pause": pause, "handoffs": handoffs})

    def exposed(self, work, label, workers, pause, batches):
        return self.drive([work.name, label, workers, "exposed"],
                          {**of(work), "pause": pause, "batches": batches})

    def save_pixels(self, work, label, out):
        self.drive([work.name, label, 1, "pixels"], {**of(work), "out": str(out)})


def of(work):
    return {"work": {**dataclasses.asdict(work), "path": str(work.path)}}
