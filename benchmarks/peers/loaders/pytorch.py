# SPDX-License-Identifier: Apache-2.0
"""PyTorch's DataLoader with worker processes that live on from epoch to epoch."""

import time

import numpy
import torch
import torch.utils.data
import torchvision

from loaders import Loader
from workloads import IMAGE

NAME = "PyTorch DataLoader"
LEAST_WORKERS = 0
torch.set_num_threads(1)


def version():
    return f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}"


class TorchLoader(Loader):
    def __init__(self, data, workers, **options):
        if workers:
            options["persistent_workers"] = True
        self.loader = torch.utils.data.DataLoader(data, num_workers=workers, **options)

    def epoch(self):
        for inputs, _ in self.loader:
            yield inputs

    def stop(self):
        self.loader = None


class Rows:
    """One row an item."""

    def __init__(self, folder):
        self.inputs = numpy.load(folder / "inputs.npy", mmap_mode="r")
        self.labels = numpy.load(folder / "labels.npy", mmap_mode="r")

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, index):
        return torch.from_numpy(self.inputs[index].copy()), self.labels[index]


class Batches(Rows):
    """One batch an item, gathered by NumPy: the fastest a user can write."""

    def __getitem__(self, indices):
        return torch.from_numpy(self.inputs[indices]), torch.from_numpy(self.labels[indices])


def rows(work, workers, shuffle):
    return TorchLoader(Rows(work.path), workers, batch_size=work.batch, shuffle=shuffle)


def batched_rows(work, workers, shuffle):
    data = Batches(work.path)
    order = torch.utils.data.RandomSampler(data) if shuffle else torch.utils.data.SequentialSampler(data)
    batches = torch.utils.data.BatchSampler(order, work.batch, drop_last=False)
    return TorchLoader(data, workers, batch_size=None, sampler=batches)


def to_square():
    transforms = torchvision.transforms
    return transforms.Compose([transforms.Resize(IMAGE), transforms.CenterCrop(IMAGE),
                               transforms.PILToTensor()])


def images(work, workers, shuffle, **options):
    data = torchvision.datasets.ImageFolder(work.path, transform=to_square(), **options)
    return TorchLoader(data, workers, batch_size=work.batch, shuffle=shuffle)


def decode_simplejpeg(path):
    import PIL.Image
    import simplejpeg

    with open(path, "rb") as file:
        return PIL.Image.fromarray(simplejpeg.decode_jpeg(file.read()))


def simplejpeg_images(work, workers, shuffle):
    return images(work, workers, shuffle, loader=decode_simplejpeg)


class SlowRows:
    """Samples of which some take longer, as `work.sleep(index)` says."""

    def __init__(self, work):
        self.work = work

    def __len__(self):
        return self.work.samples

    def __getitem__(self, index):
        time.sleep(self.work.sleep(index))
        return index, index


def slow(work, workers, shuffle):
    return TorchLoader(SlowRows(work), workers, batch_size=work.batch, shuffle=shuffle)


LOADERS = {
    "rows": {"Dataset": rows, "a batch an item": batched_rows},
    "images": {"ImageFolder, Pillow": images, "ImageFolder, simplejpeg": simplejpeg_images},
    "slow": {"Dataset": slow},
}
ABSENT = {"tar-rows": "reads tar shards through webdataset", "tar-images": "reads tar shards through webdataset"}
