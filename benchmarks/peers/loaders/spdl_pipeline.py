# SPDX-License-Identifier: Apache-2.0
"""SPDL: a pipeline of threads, images decoded and resized by FFmpeg with the lock of Python released."""

import itertools
import random
import time

import numpy
import spdl.io
import spdl.pipeline

from loaders import Loader
from workloads import IMAGE, image_files

NAME = "SPDL"
LEAST_WORKERS = 1
SHUFFLE_BUFFER = 1000  # of samples of tar shards
QUEUE = 3


def version():
    import importlib.metadata

    return f"spdl {importlib.metadata.version('spdl')}"


class Source:
    """Yields what `items` gives for a new order at every pass."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items())


class PipelineLoader(Loader):
    def __init__(self, items, stages, workers):
        """`stages` are functions from a builder to a builder, behind a source of `items`."""
        builder = spdl.pipeline.PipelineBuilder().add_source(Source(items), continuous=True)
        for stage in stages:
            builder = stage(builder)
        self.pipeline = builder.add_sink(QUEUE).build(num_threads=workers, use_thread_output_queue=True)
        self.is_started = False

    def epoch(self):
        if not self.is_started:
            self.pipeline.start()
            self.is_started = True
        for inputs, _ in self.pipeline.get_iterator():
            yield inputs

    def stop(self):
        self.pipeline.stop()


def shuffled(count, shuffle):
    return numpy.random.permutation(count) if shuffle else numpy.arange(count)


def chunks(items, size):
    return (items[begin:begin + size] for begin in range(0, len(items), size))


def on_each(function, workers, **options):
    return lambda builder: builder.pipe(function, concurrency=workers, **options)


def rows(work, workers, shuffle):
    inputs = numpy.load(work.path / "inputs.npy", mmap_mode="r")
    labels = numpy.load(work.path / "labels.npy", mmap_mode="r")
    return PipelineLoader(lambda: chunks(shuffled(len(inputs), shuffle), work.batch),
                          [on_each(lambda indices: (inputs[indices], labels[indices]), workers)], workers)


def filter_to_square():
    return spdl.io.get_video_filter_desc(scale_width=IMAGE, scale_height=IMAGE, scale_mode="crop",
                                         scale_algo="bilinear", pix_fmt="rgb24")


def decode_batch(filter_desc):
    def decode(samples):
        contents = [content for content, _ in samples]
        buffer = spdl.io.load_image_batch(contents, width=None, height=None, filter_desc=filter_desc)
        return spdl.io.to_numpy(buffer), numpy.array([label for _, label in samples])

    return decode


def images(work, workers, shuffle):
    files = [(str(path), label) for path, label in image_files(work.path)]

    def batches():
        return chunks([files[index] for index in shuffled(len(files), shuffle)], work.batch)

    return PipelineLoader(batches, [on_each(decode_batch(filter_to_square()), workers)], workers)


def decode_one(filter_desc):
    def decode(sample):
        path, label = sample
        frames = spdl.io.decode_packets(spdl.io.demux_image(path), filter_desc=filter_desc)
        return frames, label

    return decode


def convert(samples):
    buffer = spdl.io.convert_frames([frames for frames, _ in samples])
    return spdl.io.to_numpy(buffer), numpy.array([label for _, label in samples])


def images_one_by_one(work, workers, shuffle):
    files = [(str(path), label) for path, label in image_files(work.path)]
    return PipelineLoader(lambda: [files[index] for index in shuffled(len(files), shuffle)],
                          [on_each(decode_one(filter_to_square()), workers),
                           lambda builder: builder.aggregate(work.batch),
                           on_each(convert, 1)], workers)


def members(work, shuffle):
    """Yields (input, label) of all shards, shuffled as webdataset does it."""
    shards = sorted(work.path.glob("*.tar"))
    if shuffle:
        random.shuffle(shards)
    buffer = []
    for shard in shards:
        parts = iter(spdl.io.iter_tarfile(shard.read_bytes()))
        for (_, content), (_, label) in zip(parts, parts):
            sample = (content, int(bytes(label)))
            if not shuffle or len(buffer) < SHUFFLE_BUFFER:
                buffer.append(sample)
                continue
            place = random.randrange(SHUFFLE_BUFFER)
            buffer[place], sample = sample, buffer[place]
            yield sample
    if shuffle:
        random.shuffle(buffer)
    yield from buffer


def stack_arrays(samples):
    return (numpy.stack([spdl.io.load_npy(content) for content, _ in samples]),
            numpy.array([label for _, label in samples]))


def tar_loader(work, workers, shuffle, load):
    """The source makes batches, since a pipeline's stage costs each item as much as a row's decoding."""
    def batches():
        samples = members(work, shuffle)
        return iter(lambda: list(itertools.islice(samples, work.batch)), [])

    return PipelineLoader(batches, [on_each(load, workers)], workers)


def tar_rows(work, workers, shuffle):
    return tar_loader(work, workers, shuffle, stack_arrays)


def tar_images(work, workers, shuffle):
    decode = decode_batch(filter_to_square())
    return tar_loader(work, workers, shuffle,
                      lambda samples: decode([(bytes(content), label) for content, label in samples]))


def slow(work, workers, shuffle, output_order="completion"):
    def load(index):
        time.sleep(work.sleep(int(index)))
        return int(index)

    def stack(indices):
        return numpy.array(indices), None

    return PipelineLoader(lambda: shuffled(work.samples, shuffle),
                          [on_each(load, workers, output_order=output_order),
                           lambda builder: builder.aggregate(work.batch), on_each(stack, 1)], workers + 1)


def slow_in_order(work, workers, shuffle):
    return slow(work, workers, shuffle, output_order="input")


LOADERS = {
    "rows": {"gathered by NumPy": rows},
    "images": {"load_image_batch": images, "one by one": images_one_by_one},
    "tar-rows": {"iter_tarfile": tar_rows},
    "tar-images": {"iter_tarfile": tar_images},
    "slow": {"in order": slow_in_order, "as they are ready": slow},
}
ABSENT = {}
