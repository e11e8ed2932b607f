# SPDX-License-Identifier: Apache-2.0
"""What is measured of a peer. Headrace is measured in the same way, by its program and loader_delays.cpp."""

import statistics
import time


def rate(loader, seconds):
    """Samples a second of `seconds`, pass after pass, after a pass, or as many seconds, that do not count."""
    begin = time.perf_counter()
    batches = loader.epoch()
    next(batches)
    first = time.perf_counter() - begin
    for _ in batches:
        if time.perf_counter() - begin > seconds:
            break
    begin, counted = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        inputs = next(batches, None)
        if inputs is None:
            batches = loader.epoch()
        else:
            counted += len(inputs)
    taken = time.perf_counter() - begin
    batches.close()
    loader.stop()
    return {"samples_per_second": counted / taken, "first_batch_ms": first * 1e3}


def delays(loader, pass_batches, pause, handoffs):
    """What a consumer waits for that is slower than the loader: `pause` seconds between its batches.

    `handoffs` is how many batches it takes so, fewer than `pass_batches`, those of a pass.
    """
    begin = time.perf_counter()
    batches = loader.epoch()
    next(batches)
    first = time.perf_counter() - begin
    times = sorted(handoff(batches, pause) for _ in range(handoffs))
    left, gaps = pass_batches - 1 - handoffs, []
    for _ in range(3):
        gap, batches = gap_after(loader, batches, left, pause)
        left = pass_batches - 1
        gaps.append(gap)
    time.sleep(20 * pause)
    begin = time.perf_counter()
    batches.close()
    loader.stop()
    stop = time.perf_counter() - begin
    return {"first_batch_ms": first * 1e3, "handoff_p50_us": statistics.median(times) * 1e6,
            "handoff_p99_us": times[len(times) * 99 // 100] * 1e6,
            "epoch_gap_ms": statistics.median(gaps) * 1e3, "stop_ms": stop * 1e3}


def exposed(loader, pause, count):
    """The part of its time that a consumer waits which pauses `pause` seconds before each of `count` batches.

    The first batch does not count; the gap between two passes does.
    """
    batches = loader.epoch()
    next(batches)
    begin, waited = time.perf_counter(), 0
    for _ in range(count):
        time.sleep(pause)
        asked = time.perf_counter()
        while next(batches, None) is None:
            batches = loader.epoch()
        waited += time.perf_counter() - asked
    taken = time.perf_counter() - begin
    batches.close()
    loader.stop()
    return {"exposed_wait": waited / taken}


def handoff(batches, pause):
    """Seconds that the next batch takes, which had time to become ready."""
    time.sleep(pause)
    begin = time.perf_counter()
    batch = next(batches)
    taken = time.perf_counter() - begin
    del batch
    return taken


def gap_after(loader, batches, left, pause):
    """Takes what is left of a pass; returns the seconds to the next pass's first batch, and that pass.

    The consumer pauses before it, so that a loader that reads ahead into the next pass shows it.
    """
    for _ in range(left):
        next(batches)
    time.sleep(5 * pause)
    begin = time.perf_counter()
    for _ in batches:
        pass
    batches = loader.epoch()
    next(batches)
    return time.perf_counter() - begin, batches


def save_first_batch(loader, out):
    """Saves the inputs of the first batch as uint8 [rows, height, width, 3]."""
    import numpy

    batches = loader.epoch()
    inputs = numpy.asarray(next(batches))
    if inputs.shape[1] == 3:
        inputs = inputs.transpose(0, 2, 3, 1)
    numpy.save(out, inputs)
    batches.close()
    loader.stop()
    return {"rows": len(inputs)}
