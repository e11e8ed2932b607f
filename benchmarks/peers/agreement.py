#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares images that Headrace resizes with torchvision's Resize and CenterCrop of the same files.

The photographs of 500x375, and the originals as they came, are made several sizes. The project's requirement:
99 of 100 values within one level of 255, and all within three.

    benchmarks/peers/agreement.py build/release/headrace
    benchmarks/peers/agreement.py build/release/headrace --folder MY_CLASS_FOLDERS
"""

import argparse
import pathlib
import sys
import tempfile

import environment

if __name__ == "__main__":
    environment.enter()

import numpy
import PIL.Image
import torchvision.transforms

import make_photographs
from headrace import Headrace
from table import show
from workloads import image_files

SIZES = [32, 224, 300, 600]
NEAR, MOST, SHARE = 1, 3, 0.99


def torchvision_pixels(path, size):
    to_square = torchvision.transforms.Compose([torchvision.transforms.Resize(size),
                                                torchvision.transforms.CenterCrop(size)])
    with PIL.Image.open(path) as image:
        return numpy.asarray(to_square(image.convert("RGB")))


def compare(headrace, folder, size):
    """Returns the number of values, the share that is near enough, and the largest difference."""
    values = near = most = 0
    with tempfile.TemporaryDirectory(dir=environment.FOLDER) as scratch:
        mine = headrace.pixels(folder, scratch, size)
        for place, (path, _) in enumerate(image_files(folder)):
            apart = numpy.abs(mine[place].astype(int) - torchvision_pixels(path, size))
            values += apart.size
            near += int((apart <= NEAR).sum())
            most = max(most, int(apart.max()))
    return values, near / values, most


def one_class_of(originals, folder):
    """The originals as one class, which is how Headrace takes a folder of images."""
    link = folder / "all"
    if not link.exists():
        folder.mkdir(parents=True, exist_ok=True)
        link.symlink_to(originals.resolve(), target_is_directory=True)
    return folder


def main():
    parser = argparse.ArgumentParser(description="Compares Headrace's resized images with torchvision's.")
    parser.add_argument("program", help="the program headrace")
    parser.add_argument("--folder", type=pathlib.Path, help="class folders of your own photographs")
    parser.add_argument("--count", type=int, default=200, help="photographs to make (default: 200)")
    arguments = parser.parse_args()
    data = environment.FOLDER / "data"
    folders = [arguments.folder]
    if arguments.folder is None:
        originals = data / "photographs-originals"
        make_photographs.ensure(data / "agreement" / "photographs", originals, arguments.count)
        folders = [data / "agreement" / "photographs", one_class_of(originals, data / "agreement" / "originals")]
    headrace = Headrace(arguments.program)
    rows, is_met = [], True
    for folder in folders:
        for size in SIZES:
            values, near, most = compare(headrace, folder, size)
            is_met = is_met and near >= SHARE and most <= MOST
            rows.append([folder.name, f"{size}x{size}", f"{values:,}", f"{near:.4%}", str(most)])
    show(["", "size", "values", f"within {NEAR}", "largest difference"], rows)
    print(f"required: {SHARE:.0%} within {NEAR}, all within {MOST}: {'met' if is_met else 'MISSED'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
