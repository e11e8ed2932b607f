# SPDX-License-Identifier: Apache-2.0
"""MLX Data: a buffer of samples, shuffled anew for every pass, and C++ threads that make batches ahead."""

import time

import mlx.data as dx
import numpy

from loaders import Loader
from workloads import IMAGE, image_files

NAME = "MLX Data"
LEAST_WORKERS = 1
PREFETCH = 3  # batches


def version():
    import importlib.metadata

    return f"mlx-data {importlib.metadata.version('mlx-data')}"


class BufferLoader(Loader):
    def __init__(self, buffer, work, workers, shuffle, steps=lambda samples: samples, ordered=False):
        self.buffer = buffer
        self.steps = steps
        self.batch, self.workers, self.shuffle, self.ordered = work.batch, workers, shuffle, ordered

    def stream(self):
        ahead = max(PREFETCH, self.workers)
        samples = self.buffer.shuffle() if self.shuffle else self.buffer
        if self.ordered:
            return self.steps(samples).batch(self.batch).ordered_prefetch(ahead, self.workers)
        return self.steps(samples.to_stream()).batch(self.batch).prefetch(ahead, self.workers)

    def epoch(self):
        for batch in self.stream():
            yield batch["input"]


def rows(work, workers, shuffle):
    inputs = numpy.load(work.path / "inputs.npy")  # it takes no arrays that are mapped for reading
    labels = numpy.load(work.path / "labels.npy")
    samples = [dict(input=row, label=label) for row, label in zip(inputs, labels)]
    return BufferLoader(dx.buffer_from_vector(samples), work, workers, shuffle)


def rows_in_order(work, workers, shuffle):
    loader = rows(work, workers, shuffle)
    loader.ordered = True
    return loader


def to_square(samples, from_memory=False):
    return (samples.load_image("input", from_memory=from_memory)
            .image_resize_smallest_side("input", IMAGE).image_center_crop("input", IMAGE, IMAGE))


def image_buffer(work):
    return dx.buffer_from_vector([dict(input=str(path).encode(), label=label)
                                  for path, label in image_files(work.path)])


def images(work, workers, shuffle):
    return BufferLoader(image_buffer(work), work, workers, shuffle, to_square)


def images_in_order(work, workers, shuffle):
    return BufferLoader(image_buffer(work), work, workers, shuffle, to_square, ordered=True)


def tar_loader(work, workers, shuffle, suffix, load):
    """Every shard's index is read here, once; members and labels are read at every pass."""
    samples = []
    for shard in sorted(work.path.glob("*.tar")):
        files = dx.files_from_tar(str(shard))
        for place in range(len(files)):
            name = bytes(files[place]["file"]).decode()
            if name.endswith(suffix):
                samples.append(dict(shard=str(shard).encode(), name=name.encode(),
                                    label_name=(name[:-len(suffix)] + "cls").encode()))

    def steps(stream):
        stream = stream.read_from_tar("shard", "name", "input", from_key=True)
        return load(stream.read_from_tar("shard", "label_name", "label", from_key=True))

    return BufferLoader(dx.buffer_from_vector(samples), work, workers, shuffle, steps)


def tar_rows(work, workers, shuffle):
    return tar_loader(work, workers, shuffle, "npy",
                      lambda stream: stream.load_numpy("input", from_memory=True))


def tar_images(work, workers, shuffle):
    return tar_loader(work, workers, shuffle, "jpg", lambda stream: to_square(stream, from_memory=True))


def slow(work, workers, shuffle, ordered=False):
    def sleep(index):
        time.sleep(work.sleep(int(index)))
        return index

    buffer = dx.buffer_from_vector([dict(input=index) for index in range(work.samples)])
    return BufferLoader(buffer, work, workers, shuffle, lambda samples: samples.key_transform("input", sleep),
                        ordered)


def slow_in_order(work, workers, shuffle):
    return slow(work, workers, shuffle, ordered=True)


LOADERS = {
    "rows": {"prefetch": rows, "ordered_prefetch": rows_in_order},
    "images": {"prefetch": images, "ordered_prefetch": images_in_order},
    "tar-rows": {"prefetch": tar_rows},
    "tar-images": {"prefetch": tar_images},
    "slow": {"ordered_prefetch": slow_in_order, "prefetch": slow},
}
ABSENT = {}
