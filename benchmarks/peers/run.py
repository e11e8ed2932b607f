#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares Headrace's loader with its peers, on the CPU.

All do the same work on the same cores: the same files, in page cache, in shuffled order, to batches of the
same pixels, which are checked. Start-up is left out. The number of workers of each is swept
once and its best taken; then all run in turn, as often as --repeats says, and medians are printed.

    benchmarks/peers/run.py build/release/headrace --cores 2
    benchmarks/peers/run.py build/release/headrace --only images pytorch mlx_data

The first run installs the peers in build/peers (about 1 GB) and makes the data there.
"""

import argparse
import json
import os
import sys

import environment

if __name__ == "__main__":
    environment.enter()

import contest
import loaders
import pixels
import workloads
from headrace import Headrace
from peer import Peer


def parse(names):
    parser = argparse.ArgumentParser(description="Compares Headrace's loader with its peers, on the CPU.")
    parser.add_argument("program", help="the program headrace, of a build with HEADRACE_BENCHMARKS")
    parser.add_argument("--cores", type=int, default=2, help="processors to use (default: 2)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds with the best settings (default: 3)")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement (default: 2)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", choices=names,
                        help=f"workloads and peers to run, of {', '.join(names)}")
    parser.add_argument("--small", action="store_true", help="little data, to try the command itself")
    parser.add_argument("--json", help="file for all that was measured")
    return parser.parse_args()


def chosen(names, only):
    """Those of `names` that --only names; all when it names none of them."""
    return [name for name in names if name in only] or names


def main():
    arguments = parse([*contest.WORKLOADS, *loaders.MODULES])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:arguments.cores])
    works = workloads.ensure(environment.FOLDER / "data", arguments.small)
    headrace = Headrace(arguments.program)
    peers = [Peer(module) for module in chosen(loaders.MODULES, arguments.only)]
    print(f"{headrace.version()}; {arguments.cores} cores; files in page cache; medians of "
          f"{arguments.repeats}; a ratio above 1 says that headrace is ahead")
    for peer in peers:
        print(f"{peer.name}: {peer.version or 'not here: ' + peer.reason}")
    print(flush=True)
    results = {}
    plan = contest.Plan(headrace, [peer for peer in peers if not peer.reason], works, arguments)
    wanted = chosen(contest.WORKLOADS, arguments.only)
    if "images" in wanted:
        results["pixels"] = pixels.compare(headrace, plan.peers, works["images"], environment.FOLDER)
    for name in wanted:
        results[name] = plan.run(name)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
