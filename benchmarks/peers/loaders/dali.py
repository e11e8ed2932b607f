# SPDX-License-Identifier: Apache-2.0
"""NVIDIA DALI's pipeline on the CPU. Its batches run on across the end of a pass."""

import numpy
import nvidia.dali
import nvidia.dali.fn as fn
import nvidia.dali.types as types

from loaders import Loader
from workloads import IMAGE

NAME = "DALI"
LEAST_WORKERS = 1
READER = "reader"


def version():
    return f"nvidia-dali {nvidia.dali.__version__}, CPU"


class DaliLoader(Loader):
    def __init__(self, work, workers, read):
        self.batches = -(-work.samples // work.batch)
        self.pipeline = nvidia.dali.Pipeline(batch_size=work.batch, num_threads=workers, device_id=None,
                                             prefetch_queue_depth=3)
        with self.pipeline:
            encoded, labels = read()
            pixels = fn.decoders.image(encoded, device="cpu", output_type=types.RGB)
            pixels = fn.resize(pixels, resize_shorter=IMAGE, interp_type=types.INTERP_TRIANGULAR)
            self.pipeline.set_outputs(fn.crop(pixels, crop=(IMAGE, IMAGE)), labels)
        self.pipeline.build()

    def epoch(self):
        for _ in range(self.batches):
            yield numpy.asarray(self.pipeline.run()[0].as_tensor())  # a view

    def stop(self):
        self.pipeline = None


def images(work, workers, shuffle):
    return DaliLoader(work, workers, lambda: fn.readers.file(
        file_root=str(work.path), random_shuffle=shuffle, initial_fill=work.samples, name=READER))


def tar_images(work, workers, shuffle):
    shards = [str(path) for path in sorted(work.path.glob("*.tar"))]
    return DaliLoader(work, workers, lambda: fn.readers.webdataset(
        paths=shards, ext=["jpg", "cls"], random_shuffle=shuffle, initial_fill=1000, name=READER))


LOADERS = {"images": {"": images}, "tar-images": {"": tar_images}}
ABSENT = {"rows": "has no reader of one array's rows", "tar-rows": "does not decode .npy members",
          "slow": "a sample of one's own is Python's, as in the others"}
