# SPDX-License-Identifier: Apache-2.0
"""Drives one peer's loader in a process of its own and prints what it measured as a line of JSON.

    python drive.py MODULE WORKLOAD LABEL WORKERS rate|delays|exposed|pixels < settings.json
    python drive.py MODULE describe
"""

import importlib
import json
import pathlib
import sys

import measures
import workloads


class SlowWork:
    """Samples that sleep: one in 50 as long as 20 others."""

    batch = 32

    def __init__(self, samples, seconds):
        self.samples, self.seconds = samples, seconds

    def sleep(self, index):
        return self.seconds * (20 if index % 50 == 0 else 1)


def drive(make, work, workers, measure, settings):
    if measure == "pixels":
        return measures.save_first_batch(make(work, workers, False), settings["out"])
    if measure == "delays":
        pass_batches = -(-work.samples // work.batch)
        return measures.delays(make(work, workers, True), pass_batches, settings["pause"], settings["handoffs"])
    if measure == "exposed":
        return measures.exposed(make(work, workers, True), settings["pause"], settings["batches"])
    return measures.rate(make(work, workers, True), settings["seconds"])


def describe(module):
    return {"name": module.NAME, "version": module.version(), "absent": module.ABSENT,
            "loaders": {workload: list(ways) for workload, ways in module.LOADERS.items()},
            "least_workers": module.LEAST_WORKERS}


def run(module, workload, label, workers, measure):
    settings = json.load(sys.stdin)
    if workload == "slow":
        work = SlowWork(**settings["slow"])
    else:
        work = workloads.Workload(**settings["work"])
        work.path = pathlib.Path(work.path)
    return drive(module.LOADERS[workload][label], work, int(workers), measure, settings)


def main():
    module = importlib.import_module(f"loaders.{sys.argv[1]}")
    arguments = sys.argv[2:]
    result = describe(module) if arguments == ["describe"] else run(module, *arguments)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
