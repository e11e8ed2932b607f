#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes allocation logs of two habits that no recorded trace has, by models of them.

    make_model_traces.py two-streams|growing --out FILE [--seed N]

The same seed gives the same file. Sizes and order are those of the programs that are modelled; chance
only has what varies there: the lengths of texts. Format: docs/design/009-allocation-log.md.

two-streams: training with sharded weights. A trainer's stream has activations and gradients. A side
    stream fetches the batch and gathers each layer's weights while the trainer still computes the layer
    before, and reduces gradients; what it took lives until the trainer has used it, so buffers of both
    overlap. Now and then it copies all weights at once for a checkpoint, which takes some steps to be
    written. Modelled on what is reported of such programs: memory of one stream is of no use to the
    other, so two streams alone break memory up until none is left, and a burst on a side stream strands
    20 GiB there. A log has no uses, so nobody waits here for what the other stream does.

growing: text generation, and training on ever longer texts. Each layer's keys and values are
    concatenated with those of the new tokens: a slightly larger buffer is taken, the old one returned.
    Modelled on what is reported of caches that keep buffers: those kept are all slightly too small, and
    108 GB are held where 34 GB are wanted.
"""

import argparse
import random


class Log:
    """Takes and returns, a line each."""

    def __init__(self):
        self.lines = ["headrace allocation log 1", "# event microseconds thread buffer bytes kind stream"]
        self.buffers = 0
        self.time = 0

    def take(self, size, stream=1):
        buffer = (self.buffers, size, stream)
        self.buffers += 1
        self._write("take", buffer)
        return buffer

    def give(self, *buffers):
        for buffer in buffers:
            self._write("return", buffer)

    def _write(self, event, buffer):
        number, size, stream = buffer
        self.lines.append(f"{event} {self.time} 0 {number} {size} gpu {stream}")
        self.time += 10


TRAINER, SIDE = 1, 2


class Trainer:
    """Sharded weights of one of `shares` devices, and what a step on them takes."""

    layers, width, rows, shares, vocabulary = 12, 1024, 4, 4, 32000

    def __init__(self, log):
        self.log = log
        # Of each layer: attention, then the two parts of the perceptron; half precision.
        self.parts = [4 * self.width**2 * 2, 4 * self.width**2 * 2, 4 * self.width**2 * 2]
        for part in self.parts * self.layers:  # Half precision, its master copy and two moments.
            for bytes_each in (1, 2, 2, 2):
                log.take(part * bytes_each // self.shares, TRAINER)

    def gather(self):
        return [self.log.take(part, SIDE) for part in self.parts]

    def step(self, length):
        log, state = self.log, self.rows * length * self.width * 2
        batch = [log.take(self.rows * length * 8, SIDE) for _ in range(2)]
        x = log.take(state, TRAINER)
        kept, weights = [], self.gather()
        for layer in range(self.layers):
            following = self.gather() if layer + 1 < self.layers else []
            norm = log.take(state, TRAINER)
            qkv = log.take(3 * state, TRAINER)
            attended = log.take(state, TRAINER)
            statistics = log.take(self.rows * length * 16 * 4, TRAINER)
            hidden = log.take(4 * state, TRAINER)
            scratch = log.take(4 * state, TRAINER)
            out = log.take(state, TRAINER)
            log.give(scratch, norm)
            kept.append([x, qkv, attended, statistics, hidden])
            x = out
            log.give(*weights)
            weights = following
        logits = log.take(self.rows * length * self.vocabulary * 2, TRAINER)
        loss = log.take(4, TRAINER)
        slope = log.take(self.rows * length * self.vocabulary * 2, TRAINER)
        log.give(logits)
        gradient = log.take(state, TRAINER)
        log.give(slope, x)
        weights = self.gather()
        for layer in reversed(range(self.layers)):
            following = self.gather() if layer > 0 else []
            hidden = log.take(4 * state, TRAINER)
            partial = [log.take(part, TRAINER) for part in self.parts]
            earlier = log.take(state, TRAINER)
            log.give(hidden, *weights, gradient, *kept.pop())
            reduced = [log.take(part // self.shares, SIDE) for part in self.parts]
            log.give(*partial, *reduced)
            gradient, weights = earlier, following
        log.give(gradient, loss, *batch)

    def checkpoint(self):
        return [self.log.take(part, SIDE) for part in self.parts * self.layers]


def two_streams(log, chance):
    trainer, copies = Trainer(log), []
    for step in range(8):
        if step in (2, 5):
            copies = trainer.checkpoint()
        trainer.step(64 * chance.randrange(6, 17))
        if step in (3, 6):
            log.give(*copies)


def generate(log, chance, rows, layers=8, width=1024):
    """Texts of `rows` rows, one piece of 24 tokens after another until the last one ends."""
    row = rows * width * 2
    length = 64 + chance.randrange(64)
    caches = [[log.take(row * length) for _ in range(2)] for _ in range(layers)]
    for _ in range(chance.randrange(14, 24)):
        length += 24
        for layer in range(layers):
            state = log.take(row * 24)
            grown = [log.take(row * length) for _ in range(2)]
            log.give(*caches[layer])
            scores = log.take(rows * 16 * 24 * length * 2)
            log.give(scores, state)
            caches[layer] = grown
        log.give(log.take(rows * 24 * 32000 * 2))
    for cache in caches:
        log.give(*cache)


def learn(log, length, layers=8, width=1024):
    """A step of training on texts of `length` tokens."""
    state = 4 * length * width * 2
    kept = []
    for _ in range(layers):
        kept.append([log.take(state * part) for part in (1, 3, 1, 4)])
        log.give(log.take(4 * state))
    gradient = log.take(state)
    while kept:
        hidden, earlier = log.take(4 * state), log.take(state)
        log.give(hidden, gradient, *kept.pop())
        gradient = earlier
    log.give(gradient)


def growing(log, chance):
    for _ in range(12):
        log.take(12 * 1024**2 * 2)  # weights
    for rows in (1, 2, 3, 4, 6):
        generate(log, chance, rows)
    for step in range(16):
        learn(log, 128 + 48 * step + chance.randrange(48))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=["two-streams", "growing"])
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    log = Log()
    {"two-streams": two_streams, "growing": growing}[arguments.model](log, random.Random(arguments.seed))
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.write("\n".join(log.lines) + "\n")


if __name__ == "__main__":
    main()
