#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a data set of JPEG photographs, in class folders, out of the wallpapers that Debian ships.

A picture is a piece of a photograph, cut at a seeded random place and size, made 500x375, and written as
JPEG of quality 90 with 4:2:0 chroma: about what ImageNet holds. Nothing is installed: the packages are
fetched with apt-get and unpacked.

    benchmarks/peers/make_photographs.py build/peers/data/photographs
    benchmarks/peers/make_photographs.py OUT --from MY_PHOTOGRAPHS
"""

import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

PACKAGES = ["mate-backgrounds", "plasma-workspace-wallpapers"]
# Pictures of these packages that are drawn.
DRAWINGS = ["Autumn", "Elephants", "Flow-", "GreenTraditional", "Honeywave", "PastelHills", "SafeLanding",
            "Shell", "Volna", "screenshot"]
SIZE = (500, 375)
CLASSES = 10
MARK = ".made"


def fetch_originals(folder):
    """Puts the photographs of PACKAGES into `folder`."""
    folder = pathlib.Path(folder).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["apt-get", "-qq", "download", *PACKAGES], cwd=scratch, check=True,
                       stderr=subprocess.DEVNULL)
        for package in sorted(pathlib.Path(scratch).glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, scratch], check=True)
        folder.mkdir(parents=True, exist_ok=True)
        for path in photographs(scratch):
            # The wallpapers of one desktop are all named after their size.
            name = "-".join(path.relative_to(scratch).parts[-4:])
            if not any(drawing in name for drawing in DRAWINGS):
                shutil.copy(path, folder / name)


def photographs(folder):
    """The JPEG files below `folder`, links left out."""
    return [path for path in sorted(pathlib.Path(folder).rglob("*.jpg"))
            if path.is_file() and not path.is_symlink()]


def cut(image, rng):
    """A random piece of `image` with the shape of SIZE, made SIZE large."""
    width, height = image.size
    largest = min(width, height * SIZE[0] // SIZE[1])
    piece = rng.randint(min(SIZE[0], largest), largest)
    tall = piece * SIZE[1] // SIZE[0]
    left, top = rng.randint(0, width - piece), rng.randint(0, height - tall)
    return image.resize(SIZE, 1, (left, top, left + piece, top + tall))  # 1: Lanczos


def make(out, originals, count, seed=1):
    """Writes `count` pictures of the files `originals` below `out`."""
    import PIL.Image

    out = pathlib.Path(out)
    shutil.rmtree(out, ignore_errors=True)
    rng = random.Random(seed)
    for turn, path in enumerate(originals):
        with PIL.Image.open(path) as opened:
            image = opened.convert("RGB")
        for number in range(turn, count, len(originals)):
            folder = out / f"class{number % CLASSES}"
            folder.mkdir(parents=True, exist_ok=True)
            cut(image, rng).save(folder / f"{number:05}.jpg", quality=90, subsampling="4:2:0")
    (out / MARK).write_text(f"{count}\n")


def ensure(out, originals, count):
    """Makes both folders, unless they are there already."""
    mark = pathlib.Path(out) / MARK
    if mark.exists() and mark.read_text().strip() == str(count):
        return
    if not photographs(originals):
        fetch_originals(originals)
    make(out, photographs(originals), count)


def main():
    parser = argparse.ArgumentParser(description="Makes a data set of JPEG photographs.")
    parser.add_argument("out", help="the folder to write; what is in it is removed")
    parser.add_argument("--from", dest="originals", help="photographs of your own (default: Debian's)")
    parser.add_argument("--count", type=int, default=1000, help="pictures to make (default: 1000)")
    arguments = parser.parse_args()
    originals = arguments.originals or f"{arguments.out}-originals"
    if not photographs(originals):
        if arguments.originals:
            sys.exit(f"make_photographs.py: no *.jpg in {originals}.")
        fetch_originals(originals)
    make(arguments.out, photographs(originals), arguments.count)


if __name__ == "__main__":
    main()
