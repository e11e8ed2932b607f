# SPDX-License-Identifier: Apache-2.0
"""webdataset in PyTorch's worker processes. Shuffles shards and, in a buffer, samples: less than a new order."""

import io

import numpy
import webdataset

from loaders import Loader
from loaders.pytorch import to_square

NAME = "webdataset"
LEAST_WORKERS = 0
SHUFFLE_BUFFER = 1000


def version():
    return f"webdataset {webdataset.__version__}"


class ShardLoader(Loader):
    def __init__(self, work, workers, shuffle, suffix, decode):
        shards = [str(path) for path in sorted(work.path.glob("*.tar"))]
        data = webdataset.WebDataset(shards, shardshuffle=len(shards) if shuffle else False,
                                     empty_check=False)
        if shuffle:
            data = data.shuffle(SHUFFLE_BUFFER)
        data = data.to_tuple(suffix, "cls").map_tuple(decode, int).batched(work.batch, partial=True)
        self.loader = webdataset.WebLoader(data, batch_size=None, num_workers=workers,
                                           persistent_workers=workers > 0)

    def epoch(self):
        for inputs, _ in self.loader:
            yield inputs

    def stop(self):
        self.loader = None


def decode_array(content):
    return numpy.load(io.BytesIO(content))


class DecodeImage:
    def __init__(self):
        self.to_square = to_square()

    def __call__(self, content):
        import PIL.Image

        return self.to_square(PIL.Image.open(io.BytesIO(content)).convert("RGB"))


def tar_rows(work, workers, shuffle):
    return ShardLoader(work, workers, shuffle, "npy", decode_array)


def tar_images(work, workers, shuffle):
    return ShardLoader(work, workers, shuffle, "jpg", DecodeImage())


LOADERS = {"tar-rows": {"": tar_rows}, "tar-images": {"Pillow": tar_images}}
ABSENT = {"rows": "reads tar shards only", "images": "reads tar shards only",
          "slow": "reads tar shards only"}
