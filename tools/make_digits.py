#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes data/digits as IDX files from scikit-learn's digits.csv.gz.

usage: make_digits.py DIGITS_CSV_GZ [FOLDER]

Each line of the input has the 64 values of an 8x8 image, row by row, and its digit.
data/digits/README.md says where the input comes from.
"""

import gzip
import pathlib
import struct
import sys

SIDE = 8
MAX_PIXEL = 16
DIGITS = 10
UNSIGNED_BYTE = 0x08


def parse(text: str) -> tuple[bytearray, bytearray]:
    """Gives the pixels and the labels of all lines."""
    pixels, labels = bytearray(), bytearray()
    for number, line in enumerate(text.splitlines(), start=1):
        values = [int(value) for value in line.split(",")]
        if len(values) != SIDE * SIDE + 1:
            raise ValueError(f"line {number} has {len(values)} values, not {SIDE * SIDE + 1}")
        *image, label = values
        if min(image) < 0 or max(image) > MAX_PIXEL or not 0 <= label < DIGITS:
            raise ValueError(f"line {number} has a value out of range")
        pixels += bytes(image)
        labels.append(label)
    return pixels, labels


def idx(extents: list[int], data: bytes) -> bytes:
    """Makes an IDX file of unsigned bytes."""
    header = bytes([0, 0, UNSIGNED_BYTE, len(extents)])
    return header + struct.pack(f">{len(extents)}I", *extents) + data


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    default = pathlib.Path(__file__).resolve().parent.parent / "data" / "digits"
    folder = pathlib.Path(arguments[1]) if len(arguments) == 2 else default
    with gzip.open(arguments[0], "rt", encoding="ascii") as file:
        pixels, labels = parse(file.read())
    folder.mkdir(parents=True, exist_ok=True)
    count = len(labels)
    (folder / "digits-images-idx3-ubyte").write_bytes(idx([count, SIDE, SIDE], pixels))
    (folder / "digits-labels-idx1-ubyte").write_bytes(idx([count], labels))
    print(f"{count} images in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
