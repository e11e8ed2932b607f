# SPDX-License-Identifier: Apache-2.0
"""The workloads: each lets Headrace and the peers run in turn and prints a table."""

import functools
import statistics

import workloads
from table import count_text, show

WORKLOADS = ["rows", "images", "tar-rows", "tar-images", "slow", "delays", "exposed"]
SLOW = {"samples": 1600, "seconds": 0.001}
SLOW_WORKERS = 8
SLOW_MEAN = SLOW["seconds"] * (49 + 20) / 50
LEAD = 1.2  # how much faster each loader is than the consumer that waits for it
PAUSE = 0.02  # of a consumer that is slower than any of the loaders
DELAYS = {"first_batch_ms": "first batch ms", "handoff_p50_us": "hand-off p50 us", "handoff_p99_us": "p99 us",
          "epoch_gap_ms": "epoch gap ms", "stop_ms": "stop ms"}


class Contestant:
    """One way to load, and what was measured of it."""

    def __init__(self, name, measure, sweep):
        self.name, self.measure, self.sweep = name, measure, sweep
        self.workers, self.rounds, self.failure = None, [], ""

    def try_workers(self, seconds):
        """Keeps the number of workers that gives the most samples a second."""
        tried = {}
        for workers in self.sweep:
            try:
                tried[workers] = self.measure(workers, seconds)["samples_per_second"]
            except RuntimeError as error:
                self.failure = str(error)
        if tried:
            self.workers, self.failure = max(tried, key=tried.get), ""

    def run(self, seconds):
        if self.failure:
            return
        try:
            self.rounds.append(self.measure(self.workers, seconds))
        except RuntimeError as error:
            self.failure = str(error)

    def median(self, key):
        return statistics.median(result[key] for result in self.rounds)


def named(peer, label):
    return f"{peer.name}, {label}" if label else peer.name


class Plan:
    def __init__(self, headrace, peers, works, arguments):
        self.headrace, self.peers, self.works = headrace, peers, works
        self.cores, self.repeats, self.seconds = arguments.cores, arguments.repeats, arguments.seconds
        self.ran = {}  # contestants by workload, for "delays" and "exposed"

    def run(self, name):
        if name == "slow":
            return self.run_slow()
        if name == "delays":
            return self.run_delays()
        if name == "exposed":
            return self.run_exposed()
        return self.run_rates(self.works[name])

    def sweep(self, least=1):
        return sorted({least, 1, max(1, self.cores // 2), self.cores, self.cores + 1, 2 * self.cores})

    def contestants(self, name, of_headrace, of_peer):
        """Headrace's, then one for each way of each peer; `of_peer(peer, label)` gives its measure."""
        yield from of_headrace
        for peer in self.peers:
            for label in peer.loaders.get(name, []):
                yield Contestant(named(peer, label), of_peer(peer, label), self.sweep(peer.least_workers))

    def run_rates(self, work):
        print(f"{work.name}: {work.title}, batches of {work.batch}")
        workloads.read_once(work.path)
        mine = Contestant("headrace", functools.partial(self.headrace.rate, work), self.sweep())
        all_of_them = list(self.contestants(work.name, [mine], lambda peer, label: functools.partial(
            peer.rate, work, label)))
        self.compete(all_of_them)
        self.ran[work.name] = all_of_them
        first = [(one, f"{one.median('first_batch_ms'):.3g}" if one.rounds else "") for one in all_of_them]
        return self.report(work.name, all_of_them, ["first batch ms"], {one: [text] for one, text in first})

    def run_slow(self):
        print(f"slow: samples that sleep {SLOW['seconds'] * 1e3:g} ms, one in 50 of them 20 ms, batches of 32, "
              f"{SLOW_WORKERS} workers; none could be faster than {SLOW_WORKERS / SLOW_MEAN:.0f} samples/s")
        mine = [Contestant(f"headrace, {order}", functools.partial(self.headrace.slow, SLOW, order), [])
                for order in ("ordered", "unordered")]
        all_of_them = list(self.contestants("slow", mine, lambda peer, label: functools.partial(
            peer.slow, SLOW, label)))
        for one in all_of_them:
            one.workers = SLOW_WORKERS
        self.take_turns(all_of_them)
        ideal = {one: [f"{one.median('samples_per_second') * SLOW_MEAN / SLOW_WORKERS:.2f}" if one.rounds else ""]
                 for one in all_of_them}
        return self.report("slow", all_of_them, ["of the ideal"], ideal)

    def compete(self, contestants):
        for one in contestants:
            one.try_workers(self.seconds / 2)
        self.take_turns(contestants)

    def take_turns(self, contestants):
        for _ in range(self.repeats):
            for one in contestants:
                one.run(self.seconds)

    def report(self, name, contestants, more_head, more):
        mine = contestants[0]
        rows = []
        for one in contestants:
            if one.rounds:
                rate = one.median("samples_per_second")
                ratio = "" if one is mine or not mine.rounds else f"{mine.median('samples_per_second') / rate:.2f}"
                rows.append([one.name, str(one.workers), count_text(rate), ratio, *more[one]])
        show(["", "workers", "samples/s", "ratio", *more_head], rows)
        self.show_absent(name, contestants)
        return {one.name: {"workers": one.workers, "rounds": one.rounds, "failure": one.failure}
                for one in contestants}

    def show_absent(self, name, contestants):
        for one in contestants:
            if one.failure:
                print(f"{one.name}: failed: {one.failure}")
        for peer in self.peers:
            if name in peer.absent:
                print(f"{peer.name}: not in this: {peer.absent[name]}")
        print(flush=True)

    def run_delays(self):
        work = self.works["rows"]
        pass_batches = -(-work.samples // work.batch)
        handoffs = min(200, pass_batches // 2)
        print(f"delays: of a consumer that pauses {PAUSE * 1e3:g} ms before each of {handoffs} batches of 'rows'")
        mine = Contestant("headrace", lambda workers, _: self.headrace.delays(work, workers, PAUSE, handoffs), [])
        all_of_them = list(self.contestants("rows", [mine], lambda peer, label: lambda workers, _: peer.delays(
            work, label, workers, PAUSE, handoffs)))
        best = {one.name: one.workers for one in self.ran.get("rows", [])}
        for one in all_of_them:
            one.workers = best.get(one.name, self.cores)
        self.take_turns(all_of_them)
        show(["", "workers", *DELAYS.values()],
             [[one.name, str(one.workers), *(f"{one.median(key):.3g}" for key in DELAYS)]
              for one in all_of_them if one.rounds])
        self.show_absent("rows", all_of_them)
        return {one.name: {"workers": one.workers, "rounds": one.rounds, "failure": one.failure}
                for one in all_of_them}

    def run_exposed(self):
        work = self.works["images"]
        if work.name not in self.ran:
            self.run_rates(work)
        print(f"exposed: of a consumer of 'images' that pauses so long before each batch that the loader, at the "
              f"rate above, is {LEAD} times as fast; the part of its time that it waits")
        rated = {one.name: one for one in self.ran[work.name] if one.rounds}
        mine = Contestant("headrace", lambda workers, pause: self.headrace.exposed(
            work, workers, pause, self.batches(pause)), [])
        all_of_them = [one for one in self.contestants(work.name, [mine], lambda peer, label: lambda workers, pause: (
            peer.exposed(work, label, workers, pause, self.batches(pause)))) if one.name in rated]
        pauses = {one: LEAD * work.batch / rated[one.name].median("samples_per_second") for one in all_of_them}
        for one in all_of_them:
            one.workers = rated[one.name].workers
        for _ in range(self.repeats):
            for one in all_of_them:
                one.run(pauses[one])
        show(["", "workers", "pause ms", "waits"],
             [[one.name, str(one.workers), f"{pauses[one] * 1e3:.3g}", f"{one.median('exposed_wait'):.2%}"]
              for one in all_of_them if one.rounds])
        self.show_absent(work.name, all_of_them)
        return {one.name: {"workers": one.workers, "pause": pauses[one], "rounds": one.rounds,
                           "failure": one.failure} for one in all_of_them}

    def batches(self, pause):
        """As many as take a few times the seconds of a measurement: a consumer that waits seldom."""
        return max(50, round(3 * self.seconds / pause))
