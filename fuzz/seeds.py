#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the inputs that the fuzz targets begin with: a folder for each, of small sound files.

    seeds.py FOLDER
"""

import io
import json
import pathlib
import shutil
import struct
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def npy(descr, shape, elements, version=1, order="False"):
    head = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
    length = "<H" if version == 1 else "<I"
    begin = 8 + struct.calcsize(length)
    head = (head + " " * (63 - (begin + len(head)) % 64) + "\n").encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(length, len(head)) + head + elements


def idx(code, extents, elements):
    return bytes([0, 0, code, len(extents)]) + struct.pack(f">{len(extents)}I", *extents) + elements


def safetensors(tensors):
    head, data = {"__metadata__": {"made": "by hand"}}, b""
    for name, (dtype, shape, elements) in tensors.items():
        end = len(data) + len(elements)
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), end]}
        data += elements
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + data


def tar(members, dialect):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=dialect) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def shards():
    for dialect in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        for name in ("a", "folder/" + "long" * 20):
            input_file = npy("|u1", "(2, 2)", b"abcd")
            yield tar({name + "1.npy": input_file, name + "1.cls": b"3\n",
                       name + "2.cls": b"-4", name + "2.npy": input_file}, dialect)


STATE = {"version": 1, "dataset_size": 100, "fingerprint": "00f0123456789abc", "seed": 2**64 - 1,
         "shuffle": True, "epoch": 2, "place": 30, "batch_id": 7,
         "early": [[2, 40, 50], [3, 0, 10]], "shard": {"rank": 1, "world_size": 2},
         "batch_size": 32}

SEEDS = {
    "npy": [npy("<f4", "(2, 3)", bytes(24)), npy(">i2", "(3,)", bytes(6), 2),
            npy("|b1", "(0, 4)", b"", 3), npy("<f8", "(2, 1, 2)", bytes(32), 1, "True")],
    "idx": [idx(0x08, [3, 2, 2], bytes(12)), idx(0x0D, [2, 2], bytes(16)), idx(0x0B, [4], bytes(8))],
    "safetensors": [safetensors({"inputs": ("F16", [2, 3], bytes(12)),
                                 "labels": ("I64", [2], bytes(16))}),
                    safetensors({"a": ("BOOL", [], b"\1"), "inputs": ("F8_E4M3", [4, 1], bytes(4))})],
    "tar": list(shards()),
    "raw_spec": [b"uint8[32,32,3]+int64", b"float32[4]", b"float8_e5m2[2,2]+uint8[0]", b"boolean"],
    "loader_state": [json.dumps(STATE).encode(), json.dumps(STATE | {"early": []}).encode()],
    "jpeg": [], "png": [],
}


def main(folder):
    for target, inputs in SEEDS.items():
        place = folder / target
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for number, content in enumerate(inputs):
            (place / str(number)).write_bytes(content)
    for image in sorted((ROOT / "tests/sources/images").iterdir()):
        shutil.copy(image, folder / {".jpg": "jpeg", ".png": "png"}[image.suffix])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
