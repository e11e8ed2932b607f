# SPDX-License-Identifier: Apache-2.0
"""How far the peers' pixels are from Headrace's, so that all are known to do the same work."""

import tempfile

import numpy

from contest import named
from table import show


def difference(theirs, mine):
    """Mean absolute difference, at the shift of at most one pixel that makes it least, and the shift.

    The middle of an odd number of pixels can be cut out in two ways.
    """
    best = (numpy.inf, (0, 0))
    inner = (slice(None), slice(1, -1), slice(1, -1))
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            moved = numpy.roll(theirs, (down, right), (1, 2))[inner]
            mean = numpy.abs(moved.astype(int) - mine[inner]).mean()
            best = min(best, (mean, (down, right)))
    return best


def compare(headrace, peers, work, folder):
    print("pixels: mean absolute difference from headrace's, in levels of 255, over one batch")
    found = {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        mine = headrace.pixels(work.path, scratch)
        for peer in peers:
            for label in peer.loaders.get("images", []):
                try:
                    peer.save_pixels(work, label, f"{scratch}/peer.npy")
                except RuntimeError:
                    continue  # it fails again, and is reported, where it is measured
                theirs = numpy.load(f"{scratch}/peer.npy")
                found[named(peer, label)] = difference(theirs, mine[:len(theirs)])
    show(["", "levels", "shifted by"],
         [[name, f"{mean:.2f}", "" if shift == (0, 0) else "%d, %d" % shift] for name, (mean, shift) in found.items()])
    return found
