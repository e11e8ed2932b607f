#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much of a loader's work on the device goes on beside its consumer, from a trace.

usage: overlap.py TRACE.json

Looks at the spans "train", those of the consumer, and at "copy batch" and "expand batch" between
the first and the last of them.
"""
import json
import sys


def spans(events, name):
    return sorted((e["ts"], e["ts"] + e["dur"]) for e in events if e.get("ph") == "X" and e["name"] == name)


def overlap(some, others):
    """Microseconds of `some` during which one of `others`, which do not overlap, goes on."""
    return sum(max(0, min(end, other_end) - max(begin, other_begin))
               for begin, end in some for other_begin, other_end in others)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        trace = json.load(file)
    events = trace["traceEvents"] if isinstance(trace, dict) else trace
    train = spans(events, "train")
    if not train:
        sys.exit("overlap.py: no span is called 'train'")
    begin, end = train[0][0], train[-1][1]
    busy = sum(stop - start for start, stop in train)
    print(f"train: {len(train)} spans, {busy:.0f} of {end - begin:.0f} us, {100 * busy / (end - begin):.1f}%")
    for name in ("copy batch", "expand batch"):
        work = [span for span in spans(events, name) if span[0] >= begin and span[1] <= end]
        total = sum(stop - start for start, stop in work)
        beside = overlap(work, train)
        print(f"{name}: {len(work)} spans, {total:.0f} us, {100 * beside / max(total, 1e-9):.1f}% of it beside train")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
