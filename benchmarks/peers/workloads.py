# SPDX-License-Identifier: Apache-2.0
"""The data sets that every loader reads, made once and kept."""

import dataclasses
import io
import pathlib
import shutil
import tarfile

import make_photographs

IMAGE = 224  # pixels a side, after Resize and CenterCrop
SHARDS = 8


@dataclasses.dataclass
class Workload:
    name: str
    title: str
    path: str
    samples: int
    batch: int


def ensure(root, small=False):
    """Makes what is missing below the folder `root`; returns the workloads by name."""
    root = pathlib.Path(root) / ("small" if small else "full")
    rows, tar_rows, images = (5_000, 2_000, 160) if small else (100_000, 8_000, 1_000)
    photographs = root / "photographs"
    make_photographs.ensure(photographs, root.parent / "photographs-originals", images)
    made = [
        Workload("rows", f"{rows:,} rows [32, 32, 3] uint8 of a .npy file", root / "rows", rows, 256),
        Workload("images", f"{images:,} JPEG photographs 500x375 to {IMAGE}x{IMAGE}", photographs, images, 32),
        Workload("tar-rows", f"{tar_rows:,} .npy members [32, 32, 3] of {SHARDS} tar shards",
                 root / "tar-rows", tar_rows, 256),
        Workload("tar-images", f"the same photographs as members of {SHARDS} tar shards",
                 root / "tar-images", images, 32),
    ]
    once(root / "rows", lambda out: make_rows(out, rows))
    once(root / "tar-rows", lambda out: make_shards(out, small_arrays(tar_rows)))
    once(root / "tar-images", lambda out: make_shards(out, files_of(photographs)))
    return {work.name: work for work in made}


def once(folder, make):
    """Calls `make` for a folder that then takes its place whole."""
    if folder.exists():
        return
    unfinished = folder.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    make(unfinished)
    unfinished.rename(folder)


def make_rows(folder, count):
    import numpy

    rng = numpy.random.default_rng(1)
    numpy.save(folder / "inputs.npy", rng.integers(0, 256, (count, 32, 32, 3), dtype=numpy.uint8))
    numpy.save(folder / "labels.npy", numpy.arange(count, dtype=numpy.int64) % 10)


def small_arrays(count):
    """Yields (suffix, bytes, label)."""
    import numpy

    rng = numpy.random.default_rng(2)
    for number in range(count):
        file = io.BytesIO()
        numpy.save(file, rng.integers(0, 256, (32, 32, 3), dtype=numpy.uint8))
        yield "npy", file.getvalue(), number % 10


def image_files(folder):
    """Yields (path, label) folder by folder, in the order of the names."""
    classes = sorted(path for path in pathlib.Path(folder).iterdir() if path.is_dir())
    for label, path in enumerate(classes):
        for file in sorted(path.iterdir()):
            yield file, label


def files_of(folder):
    """Yields (suffix, bytes, label)."""
    for path, label in image_files(folder):
        yield "jpg", path.read_bytes(), label


def make_shards(folder, samples):
    """Deals `samples` to SHARDS tar files in WebDataset's layout."""
    shards = [tarfile.open(folder / f"shard{number}.tar", "w", format=tarfile.USTAR_FORMAT)
              for number in range(SHARDS)]
    for number, (suffix, content, label) in enumerate(samples):
        for ending, part in ((suffix, content), ("cls", b"%d" % label)):
            member = tarfile.TarInfo(f"{number:06}.{ending}")
            member.size = len(part)
            shards[number % SHARDS].addfile(member, io.BytesIO(part))
    for shard in shards:
        shard.close()


def read_once(path):
    """Brings all files below `path` into the page cache."""
    for file in pathlib.Path(path).rglob("*"):
        if file.is_file():
            file.read_bytes()
