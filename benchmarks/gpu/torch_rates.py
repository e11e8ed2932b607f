#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's conversions and its normalisation of images, as headrace_kernel_rates measures ours.

Bytes read and written a second, medians of interleaved rounds over random data beyond every cache,
beside PyTorch's own copy on the device.

usage: torch_rates.py [MiB]     of the larger side of a conversion, 512 by default
"""
import sys

import torch

ROUNDS, REPEATS = 7, 20
PAIRS = [("uint8", "float16"), ("uint8", "float32"), ("float32", "float16"), ("float16", "float32"),
         ("float32", "bfloat16"), ("int64", "int32"), ("float64", "float32"), ("float32", "int8"),
         ("float32", "float8_e4m3fn"), ("float8_e4m3fn", "float16"), ("uint8", "int8")]


def seconds(work):
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(REPEATS):
        work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3 / REPEATS


def random_bits(count, dtype):
    return torch.randint(-2**63, 2**63 - 1, (count * dtype.itemsize // 8,), dtype=torch.int64,
                         device="cuda").view(dtype)


def conversion(from_name, to_name, largest):
    source, target = getattr(torch, from_name), getattr(torch, to_name)
    count = largest // max(source.itemsize, target.itemsize)
    data, out = random_bits(count, source), torch.empty(count, dtype=target, device="cuda")
    return f"{from_name} to {to_name}", count * (source.itemsize + target.itemsize), lambda: out.copy_(data)


def normalisation(to, largest):
    images = random_bits(largest // to.itemsize // (224 * 224 * 3) * (224 * 224 * 3), torch.uint8).view(-1, 224, 224, 3)
    mean = torch.tensor([0.485, 0.456, 0.406], device="cuda", dtype=to).view(1, 3, 1, 1) * 255
    stddev = torch.tensor([0.229, 0.224, 0.225], device="cuda", dtype=to).view(1, 3, 1, 1) * 255
    return (f"uint8 HWC to normalised {str(to)[6:]} CHW", images.numel() * (1 + to.itemsize),
            lambda: ((images.permute(0, 3, 1, 2).to(to) - mean) / stddev).contiguous())


def main():
    largest = (int(sys.argv[1]) if len(sys.argv) > 1 else 512) << 20
    data = random_bits(largest, torch.uint8)
    out = torch.empty_like(data)
    work = [("copy", 2 * largest, lambda: out.copy_(data))]
    work += [conversion(source, target, largest) for source, target in PAIRS]
    work += [normalisation(to, largest) for to in (torch.float16, torch.float32)]
    times = {name: [] for name, _, _ in work}
    for round in range(-1, ROUNDS):
        for name, _, run in work:
            took = seconds(run)
            if round >= 0:
                times[name].append(took)
    rates = {name: size / sorted(times[name])[ROUNDS // 2] for name, size, _ in work}
    for name, rate in rates.items():
        print(f"{name:44} {rate / 1e9:7.0f} GB/s  {rate / rates['copy']:5.2f}")


if __name__ == "__main__":
    main()
