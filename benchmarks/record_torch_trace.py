#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what a few training steps in PyTorch allocate, as an allocation log of Headrace's.

    record_torch_trace.py --model gpt|gpt-varlen|cnn --out FILE [--device cuda|cpu] [--steps N]

On `cuda` the log is that of PyTorch's caching allocator: the sizes asked of it, its streams, and a
return where the program let go of the memory. On `cpu` it is what the profiler saw. Prints the most
bytes that were asked for at a time and, on `cuda`, what PyTorch itself says it was asked for and
held of the device. Format: docs/design/009-allocation-log.md.
"""

import argparse
import collections
import math
import random
import sys

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        rows, length, width = x.shape
        q, k, v = (
            part.view(rows, length, self.heads, -1).transpose(1, 2)
            for part in self.qkv(x).split(width, dim=2)
        )
        if hasattr(functional, "scaled_dot_product_attention"):
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
            scores = (q @ k.transpose(-2, -1)) / math.sqrt(q.shape[-1])
            y = scores.masked_fill(later, -math.inf).softmax(-1) @ v
        return self.out(y.transpose(1, 2).reshape(rows, length, width))


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Gpt(nn.Module):
    def __init__(self, vocabulary, longest, width, layers, heads):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(longest, width)
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens):
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return self.head(self.norm(self.layers(self.tokens(tokens) + self.places(places))))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        )

    def forward(self, x):
        return functional.relu(self.body(x) + self.skip(x))


class Cnn(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        layers = [
            nn.Conv2d(3, width, 7, 2, 3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        ]
        inputs = width
        for stage in range(4):
            outputs = width << stage
            layers += [
                Residual(inputs, outputs, 1 if stage == 0 else 2),
                Residual(outputs, outputs, 1),
            ]
            inputs = outputs
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


# What is small enough to be trained on a processor, and what a GPU has room for.
SIZES = {
    "cpu": {
        "gpt": {"vocabulary": 4096, "longest": 192, "width": 192, "layers": 4, "heads": 6},
        "rows": 6, "cnn": {"width": 32, "classes": 100}, "images": 12, "pixels": 96,
    },
    "cuda": {
        "gpt": {"vocabulary": 16384, "longest": 768, "width": 768, "layers": 8, "heads": 12},
        "rows": 12, "cnn": {"width": 64, "classes": 1000}, "images": 64, "pixels": 224,
    },
}


def gpt_batches(sizes, steps, varying):
    """Gives the shape of every step's batch: rows and length."""
    chance = random.Random(7)
    longest, rows = sizes["gpt"]["longest"], sizes["rows"]
    for step in range(steps):
        if not varying:
            yield rows, longest
            continue
        # Lengths as they come, of which the longest so far is often the last: odd ones, too.
        most = longest * (step + 2) // (steps + 1)
        yield chance.randint(max(1, rows // 2), rows), chance.randint(longest // 8, most - 1)


def train(name, device, steps):
    """Makes the model and trains it: all that is recorded."""
    sizes = SIZES[device]
    torch.manual_seed(7)
    is_gpt = name.startswith("gpt")
    model = (Gpt(**sizes["gpt"]) if is_gpt else Cnn(**sizes["cnn"])).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    batches = list(gpt_batches(sizes, steps, name == "gpt-varlen")) if is_gpt else [None] * steps
    for batch in batches:
        if is_gpt:
            rows, length = batch
            tokens = torch.randint(sizes["gpt"]["vocabulary"], (rows, length + 1)).to(device)
            inputs, labels = tokens[:, :-1], tokens[:, 1:].reshape(-1)
        else:
            pixels = sizes["pixels"]
            inputs = torch.randn(sizes["images"], 3, pixels, pixels).to(device)
            labels = torch.randint(sizes["cnn"]["classes"], (sizes["images"],)).to(device)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            outputs = model(inputs)
            loss = functional.cross_entropy(outputs.reshape(len(labels), -1), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        print(f"loss {loss.item():.3f}", file=sys.stderr)


# An event: (is it a take, address, bytes, microseconds, thread, stream). The bytes of a return are
# not looked at.


def record_on_cuda(run):
    """Calls `run`. Returns the events of the current device."""
    memory = torch.cuda.memory
    torch.cuda.init()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    try:  # Without stack traces, which cost time and are not used.
        memory._record_memory_history(enabled="all", context=None, max_entries=10_000_000)
    except TypeError:
        memory._record_memory_history(max_entries=10_000_000)
    run()
    torch.cuda.synchronize()
    traces = memory._snapshot()["device_traces"]
    memory._record_memory_history(enabled=None)
    stats = torch.cuda.memory_stats()
    requested = stats.get("requested_bytes.all.peak", 0)
    reserved = stats.get("reserved_bytes.all.peak", 0)
    print(f"PyTorch's own: {requested} bytes requested at the peak, {reserved} reserved at the "
          f"peak, waste {reserved / max(requested, 1):.3f}, "
          f"{stats.get('segment.all.peak', 0)} segments at the peak")
    events, others = [], collections.Counter()
    entries = traces[torch.cuda.current_device()] if traces else []
    for entry in entries:
        action = entry.get("action")
        if action in ("alloc", "free_requested"):
            events.append((action == "alloc", entry["addr"], entry["size"],
                           entry.get("time_us", 0), 0, entry.get("stream", 0)))
        else:
            others[action] += 1
    print("left out:", ", ".join(f"{count} {action}" for action, count in sorted(
        others.items(), key=str)) or "nothing")
    return events


def record_on_cpu(run):
    """Calls `run`. Returns the events of the processor's allocator, in the order of time."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profiler:
        run()
    events = []
    waiting = list(profiler.profiler.kineto_results.experimental_event_tree())
    while waiting:
        event = waiting.pop()
        waiting += event.children
        if type(event.extra_fields).__name__ == "_ExtraFields_Allocation":
            size = event.extra_fields.alloc_size
            events.append((size > 0, event.extra_fields.ptr, abs(size),
                           event.start_time_ns / 1e3, event.start_tid, 0))
    # Of what happened at the same moment, returns come first: an address is free before it is taken.
    return sorted(events, key=lambda event: (event[3], event[0]))


def write_log(events, path):
    """Writes events as a log. Returns the most bytes taken at a time, by what the log says."""
    taken, streams, threads = {}, {}, {}  # by address: number, bytes, stream
    number = live = peak = lines = unknown = doubled = last = 0
    begin = min((event[3] for event in events), default=0)
    with open(path, "w", encoding="ascii") as file:
        file.write("headrace allocation log 1\n")
        file.write("# event microseconds thread buffer bytes kind stream\n")

        def give(address):
            nonlocal live, lines
            buffer, size, stream = taken.pop(address)
            live -= size
            lines += 1
            file.write(f"return {last} {thread} {buffer} {size} gpu {stream}\n")

        for is_take, address, size, time, thread, stream in events:
            thread = threads.setdefault(thread, len(threads))
            last = max(last, int(time - begin))
            if not is_take:
                if address in taken:
                    give(address)
                else:
                    unknown += 1
                continue
            if address in taken:  # Its return was not recorded.
                doubled += 1
                give(address)
            stream = streams.setdefault(stream, len(streams) + 1)
            taken[address] = (number, size, stream)
            file.write(f"take {last} {thread} {number} {size} gpu {stream}\n")
            number += 1
            lines += 1
            live += size
            peak = max(peak, live)
        kilobytes = file.tell() / 1e3
    print(f"{path}: {lines} events on {number} buffers in {len(streams)} streams, "
          f"{kilobytes:.0f} kB; {peak} bytes asked for at the peak")
    print(f"returns of what was taken before: {unknown}; returns that were missing: {doubled}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"),
                        default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--model", choices=("gpt", "gpt-varlen", "cnn"), required=True)
    parser.add_argument("--out", required=True, help="the log to write")
    parser.add_argument("--steps", type=int, default=4)
    arguments = parser.parse_args()
    print(f"PyTorch {torch.__version__}, {arguments.model} on {arguments.device}, "
          f"{arguments.steps} steps")
    record = record_on_cuda if arguments.device == "cuda" else record_on_cpu
    write_log(record(lambda: train(arguments.model, arguments.device, arguments.steps)),
              arguments.out)


if __name__ == "__main__":
    main()
