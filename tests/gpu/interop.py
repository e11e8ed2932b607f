#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Headrace beside PyTorch in one process: memory, streams, captures.

usage: interop.py LIBRARY DATA     the built interop library, and the folder data/digits
"""
import ctypes
import sys

import torch

COUNT = 1 << 22


class Library:
    """The functions of interop.cpp; a failure is a RuntimeError with its text."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.library.hr_error.restype = ctypes.c_char_p
        self.library.hr_address.restype = ctypes.c_uint64
        self.library.hr_bustle_end.restype = ctypes.c_int64

    def __getattr__(self, name):
        function = getattr(self.library, "hr_" + name)

        def call(*arguments):
            result = function(*arguments)
            if result == -1:
                raise RuntimeError(self.library.hr_error().decode())
            return result

        return call

    def iota(self, count=COUNT):
        tensor = ctypes.c_void_p()
        self.__getattr__("iota")(ctypes.c_int64(count), ctypes.byref(tensor))
        return tensor

    def values(self, tensor, count=COUNT):
        values = torch.empty(count)
        self.read(tensor, ctypes.c_void_p(values.data_ptr()))
        return values


class Memory:
    """Device memory, as PyTorch takes it."""

    def __init__(self, address, count):
        self.__cuda_array_interface__ = {
            "shape": (count,), "typestr": "<f4", "data": (address, False), "version": 3}


def view(address, count=COUNT):
    return torch.as_tensor(Memory(address, count), device="cuda")


def iota(count=COUNT):
    return torch.arange(count, dtype=torch.float32, device="cuda")


def handle(stream):
    return ctypes.c_uint64(stream.cuda_stream)


def busy(stream):
    """Keeps the stream at work for some milliseconds, so that what follows is late."""
    with torch.cuda.stream(stream):
        torch.cuda._sleep(20_000_000)


def memory_is_shared(headrace):
    tensor = headrace.iota()
    seen = view(headrace.address(tensor))
    torch.cuda.synchronize()
    assert torch.equal(seen, iota())
    seen.mul_(2)
    torch.cuda.synchronize()
    assert torch.equal(headrace.values(tensor), 2 * torch.arange(COUNT, dtype=torch.float32))
    headrace.free(tensor)


def reads_wait_for_work_of_its_streams(headrace):
    for stream in (torch.cuda.Stream(), torch.cuda.default_stream()):
        tensor = headrace.iota()
        torch.cuda.synchronize()
        busy(stream)
        with torch.cuda.stream(stream):
            view(headrace.address(tensor)).add_(1)
        headrace.record_use(tensor, handle(stream))
        assert torch.equal(headrace.values(tensor), 1 + torch.arange(COUNT, dtype=torch.float32))
        headrace.free(tensor)


def memory_is_not_given_away_while_it_works(headrace):
    stream = torch.cuda.Stream()
    tensor = headrace.iota()
    torch.cuda.synchronize()
    address = headrace.address(tensor)
    busy(stream)
    with torch.cuda.stream(stream):
        copy = view(address) + 0
    headrace.record_use(tensor, handle(stream))
    headrace.free(tensor)
    others = [headrace.iota() for _ in range(8)]
    torch.cuda.synchronize()
    assert torch.equal(copy, iota())
    for other in others:
        headrace.free(other)


def work_goes_to_its_streams_in_order(headrace):
    stream = torch.cuda.Stream()
    tensor = headrace.iota()
    torch.cuda.synchronize()
    busy(stream)
    with torch.cuda.stream(stream):
        view(headrace.address(tensor)).add_(0.25)
    result = ctypes.c_void_p()
    headrace.round(tensor, handle(stream), ctypes.byref(result))
    with torch.cuda.stream(stream):
        seen = view(headrace.address(result)).clone()
    stream.synchronize()
    assert torch.equal(seen, (iota() + 0.25).half().float())
    headrace.free(tensor)
    headrace.free(result)


def captures_elsewhere_are_not_broken(headrace):
    source = torch.ones(1000, device="cuda")
    for _ in range(20):
        headrace.bustle_begin()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):  # of the mode that forbids calls from any thread
            target = source
            for _ in range(50):
                target = target + 1
        assert headrace.bustle_end() >= 0
        graph.replay()
        torch.cuda.synchronize()
        assert torch.all(target == 51)


def its_memory_is_kept_for_a_graph(headrace):
    tensor = headrace.iota()
    torch.cuda.synchronize()
    source = view(headrace.address(tensor))
    graph = torch.cuda.CUDAGraph()
    captured = ctypes.c_void_p()
    address = ctypes.c_uint64()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        headrace.capture_begin(tensor, handle(stream), ctypes.byref(captured))
        graph.capture_begin(capture_error_mode="relaxed")
        headrace.capture_take(captured, handle(stream), ctypes.byref(address))
        target = view(address.value)
        torch.add(source, 3, out=target)
        graph.capture_end()
        headrace.capture_end(captured)
        graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(target, iota() + 3)
    del graph
    headrace.capture_free(captured)
    headrace.free(tensor)


def batches_are_ready_for_its_streams(headrace, data):
    loader = ctypes.c_void_p()
    headrace.loader(data.encode(), ctypes.byref(loader))
    stream = torch.cuda.Stream()
    address, elements = ctypes.c_uint64(), ctypes.c_int64()
    total, count = torch.zeros((), dtype=torch.float64, device="cuda"), 0
    torch.cuda.synchronize()
    while True:
        headrace.next(loader, handle(stream), ctypes.byref(address), ctypes.byref(elements))
        if elements.value == 0:
            break
        with torch.cuda.stream(stream):
            total += view(address.value, elements.value).double().sum()
        count += elements.value
    torch.cuda.synchronize()
    headrace.loader_free(loader)
    assert count > 0 and total.item() > 0
    return f"{count} values, {total.item():.0f} in all"


def main():
    headrace, data = Library(sys.argv[1]), sys.argv[2]
    torch.ones(1, device="cuda")
    failed = []
    for test in (memory_is_shared, reads_wait_for_work_of_its_streams, memory_is_not_given_away_while_it_works,
                 work_goes_to_its_streams_in_order, captures_elsewhere_are_not_broken,
                 its_memory_is_kept_for_a_graph,
                 lambda headrace: batches_are_ready_for_its_streams(headrace, data)):
        name = "batches_are_ready_for_its_streams" if test.__name__ == "<lambda>" else test.__name__
        try:
            told = test(headrace)
            print(f"{name}: passed" + (f", {told}" if told else ""))
        except (AssertionError, RuntimeError) as error:
            failed.append(name)
            print(f"{name}: FAILED, {type(error).__name__} at line {error.__traceback__.tb_next.tb_lineno}: {error}")
    if failed:
        sys.exit(1)
    print(f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}: all passed")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main()
