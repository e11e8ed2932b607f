#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that each room of the tree includes only what it may see.

    check_layers.py [ROOT]       checks the tree at ROOT (default: the one this file is in)
    check_layers.py --self-test  proves that each rule finds a fault

Exit code: 0 when every include is allowed, 1 when one is not.
"""

import pathlib
import re
import sys
import tempfile

# Room: (rooms whose headers it may include, libraries it may include). `*` in a room's name stands
# for one folder, and means the same folder on the right.
INTERNAL_TESTS = (
    "headrace kernels core backends sources loader registry support",
    "test fmt json image archive",
)
ROOMS = {
    "include/headrace": ("headrace", ""),
    "src/kernels": ("headrace kernels", ""),
    "src/core": ("headrace kernels core", "fmt"),
    "src/backends/shared": ("headrace backends/shared", ""),
    "src/backends/*": ("headrace kernels backends/* backends/shared", "fmt vendor:*"),
    "src/sources": ("headrace kernels core sources", "fmt image archive"),
    "src/loader": ("headrace kernels core sources loader", "fmt"),
    "src/registry": ("headrace core registry", "fmt"),
    "src/cli": ("headrace cli", "fmt cli11 json spdlog"),
    "examples/backend": ("headrace", ""),
    "examples": ("headrace", "fmt eigen"),
    "fuzz": ("headrace core sources cli fuzz", "image"),
    "benchmarks/gpu": ("headrace", "vendor:cuda rmm torch"),
    "benchmarks": ("headrace benchmarks core", "fmt json benchmark mimalloc"),
    "tests/unit": (INTERNAL_TESTS[0] + " benchmarks", INTERNAL_TESTS[1]),
    "tests/sources": INTERNAL_TESTS,
    "tests/loader": INTERNAL_TESTS,
    "tests/life": (INTERNAL_TESTS[0] + " life", INTERNAL_TESTS[1]),
    "tests/device": ("headrace support", "test fmt json"),
    "tests/cuda": (INTERNAL_TESTS[0] + " backends/cuda cuda", INTERNAL_TESTS[1] + " vendor:cuda"),
    "tests/fake_cuda": ("headrace kernels backends/cuda fake_cuda support", "vendor:cuda"),
    "tests/vulkan": (
        INTERNAL_TESTS[0] + " backends/vulkan vulkan",
        INTERNAL_TESTS[1] + " vendor:vulkan",
    ),
    "tests/vulkan_layer": ("vulkan_layer support", "vendor:vulkan"),
    "tests/gpu": ("headrace", "vendor:cuda"),
    "tests/nvtx": ("headrace support", "test"),
    "tests/cli": ("headrace cli support", "test fmt json"),
    "tests/support": ("headrace kernels core support", "test fmt json"),
}

# Single files that may include one library more than their room.
EXCEPTIONS = {
    "include/headrace/cuda_memory_resource.h": "vendor:cuda",
    "include/headrace/fmt.h": "fmt",
    "src/core/memory_snapshot.cpp": "json",
    "tests/support/vulkan_hold.cpp": "vendor:vulkan",
    "tests/support/vulkan_device.cpp": "vendor:vulkan",
    "src/loader/loader_state.cpp": "json",
    "src/sources/safetensors_header.cpp": "json",
}

# Other people's headers; the first pattern that matches names the library.
LIBRARIES = [
    ("fmt", r"fmt/"),
    ("cli11", r"CLI/"),
    ("json", r"nlohmann/"),
    ("spdlog", r"spdlog/"),
    ("eigen", r"Eigen/"),
    ("benchmark", r"benchmark/"),
    ("mimalloc", r"mimalloc\.h"),
    ("rmm", r"rmm/"),
    ("torch", r"c10/"),
    ("test", r"(gtest|gmock|rapidcheck)/|rapidcheck\.h$"),
    ("image", r"(jpeglib|jerror|turbojpeg|png|spng|stb_image|zlib)\.h$"),
    ("archive", r"archive(_entry)?\.h$"),
    ("vendor:cuda", r"cuda|cu[A-Z]|nv|driver_types\.h$"),
    ("vendor:vulkan", r"vulkan/|vk_|volk"),
    ("vendor:metal", r"Metal/|QuartzCore/"),
]

# The standard library has no dot in its names; these are C's, the system's and the processor's.
SYSTEM = re.compile(
    r"\w+$|(sys|linux|asm|netinet|arpa|sanitizer)/|"
    r"(unistd|fcntl|pthread|sched|dlfcn|signal|poll|errno|glob|dirent|termios|time|malloc|getopt|"
    r"stdlib|stdio|stdint|string|strings|math|semaphore|spawn|cxxabi|execinfo|"
    r"immintrin|x86intrin|cpuid|arm_neon)\.h$"
)
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
SOURCES = {".h", ".hpp", ".cpp", ".cc", ".cu", ".cuh", ".in"}
# The user's project of the install tests is no room: it sees what a user sees.
OUTSIDE = ("tests/install/", "tests/mutants/")


def room_of(path):
    """The room that `path` is in, its visible rooms and its libraries; None outside of all."""
    for room, (visible, libraries) in ROOMS.items():
        match = re.match(re.escape(room).replace(r"\*", "([^/]+)") + "/", path)
        if match:
            folder = match.group(1) if match.groups() else "*"
            allowed = libraries.replace("*", folder) + " " + EXCEPTIONS.get(path, "")
            return match.group(0)[:-1], visible.replace("*", folder).split(), allowed.split()
    return None


def check_quoted(root, path, room, visible, header):
    """Says what is wrong with `#include "header"` in the file `path`, or nothing."""
    if any(header.startswith(name + "/") for name in visible):
        return None
    if "/" not in header and room.split("/")[0] in ("tests", "benchmarks", "examples"):
        if any((root / folder / header).is_file() for folder in (room, "tests/support")):
            return None
    if header.endswith(".inc"):
        return None  # Words that the build writes for the one source that includes them.
    if "/" not in header:
        return f'"{header}" does not name its room; write it from the root, as "core/x.h"'
    return f'{room} must not include "{header}"; it may include: {", ".join(visible)}'


def check_angled(room, visible, libraries, header):
    """Says what is wrong with `#include <header>`, or nothing."""
    if header.startswith("headrace/") and "headrace" in visible:
        return None
    for library, pattern in LIBRARIES:
        if re.match(pattern, header):
            if library in libraries:
                return None
            return f"{room} must not include <{header}> ({library})"
    if SYSTEM.match(header):
        return None
    return f"<{header}> belongs to no library that tools/check_layers.py knows; name it there"


def check(root):
    """Returns one line for each include below `root` that is not allowed."""
    root = pathlib.Path(root)
    faults = []
    for top in ("include", "src", "examples", "benchmarks", "fuzz", "tests"):
        for file in sorted((root / top).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.suffix not in SOURCES or not file.is_file() or path.startswith(OUTSIDE):
                continue
            found = room_of(path)
            if found is None:
                faults.append(f"{path}: no room of tools/check_layers.py holds this file")
                continue
            room, visible, libraries = found
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                quoted, angled = match.groups()
                fault = (
                    check_quoted(root, path, room, visible, quoted)
                    if quoted
                    else check_angled(room, visible, libraries, angled)
                )
                if fault:
                    faults.append(f"{path}:{number}: {fault}")
    return faults


ALLOWED = [
    ("include/headrace/a.h", '#include "headrace/b.h"'),
    ("include/headrace/a.h", "#include <vector>"),
    ("include/headrace/fmt.h", "#include <fmt/format.h>"),
    ("include/headrace/cuda_memory_resource.h", "#include <cuda/memory_resource>"),
    ("src/core/a.cpp", '#include "kernels/convert.h"'),
    ("src/core/a.cpp", "#include <sys/mman.h>"),
    ("src/backends/host/a.cpp", '#include "backends/host/b.h"'),
    ("src/backends/vulkan/a.cpp", "#include <vulkan/vulkan.h>"),
    ("src/backends/vulkan/a.cpp", '#include "backends/shared/keeper.h"'),
    ("src/backends/shared/a.cpp", '#include "backends/shared/keeper.h"'),
    ("src/loader/loader_state.cpp", "#include <nlohmann/json.hpp>"),
    ("src/cli/main.cpp", "#include <CLI/CLI.hpp>"),
    ("tests/unit/a_test.cpp", '#include "core/timeline.h"'),
    ("tests/install/consumer.cpp", "#include <anything.h>"),
]
FAULTS = [
    ("include/headrace/a.h", '#include "core/timeline.h"'),
    ("include/headrace/a.h", "#include <fmt/format.h>"),
    ("include/headrace/a.h", "#include <cuda.h>"),
    ("include/headrace/cuda_memory_resource.h", "#include <vulkan/vulkan.h>"),
    ("include/headrace/memory_resource.h", "#include <cuda/memory_resource>"),
    ("src/kernels/a.cpp", '#include "core/log.h"'),
    ("src/core/a.cpp", '#include "registry/table.h"'),
    ("src/core/a.cpp", '#include "backends/host/device.h"'),
    ("src/core/a.cpp", '#include "loader/plan.h"'),
    ("src/core/a.cpp", '#include "log.h"'),
    ("src/core/a.cpp", "#include <vulkan/vulkan.h>"),
    ("src/core/a.cpp", "#include <boost/any.hpp>"),
    ("src/core/a.cpp", "#include <nlohmann/json.hpp>"),
    ("src/backends/host/a.cpp", '#include "core/log.h"'),
    ("src/backends/host/a.cpp", '#include "backends/cuda/device.h"'),
    ("src/backends/vulkan/a.cpp", "#include <cuda.h>"),
    ("src/backends/shared/a.cpp", '#include "backends/cuda/context.h"'),
    ("src/backends/shared/a.cpp", '#include "core/log.h"'),
    ("src/backends/shared/a.cpp", "#include <cuda.h>"),
    ("src/sources/a.cpp", '#include "loader/plan.h"'),
    ("src/sources/a.cpp", "#include <nlohmann/json.hpp>"),
    ("src/loader/a.cpp", '#include "registry/table.h"'),
    ("src/loader/a.cpp", "#include <nlohmann/json.hpp>"),
    ("src/registry/a.cpp", '#include "loader/plan.h"'),
    ("src/registry/a.cpp", '#include "backends/host/device.h"'),
    ("src/cli/a.cpp", '#include "core/log.h"'),
    ("src/utilities/a.cpp", "#include <vector>"),
    ("tests/device/a_test.cpp", '#include "core/timeline.h"'),
    ("examples/a.cpp", '#include "core/timeline.h"'),
    ("examples/backend/a.cpp", '#include "kernels/convert.h"'),
]


def self_test():
    """Returns the rules that let a fault pass or refuse what is allowed."""
    wrong = []
    for cases, expected in ((ALLOWED, 0), (FAULTS, 1)):
        for path, line in cases:
            with tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder, path)
                file.parent.mkdir(parents=True)
                file.write_text(line + "\n", encoding="utf-8")
                if len(check(folder)) != expected:
                    wrong.append(f"{path}: {line}: expected {expected} faults: {check(folder)}")
    return wrong


def main():
    if sys.argv[1:] == ["--self-test"]:
        faults = self_test()
    else:
        here = pathlib.Path(__file__).resolve().parent.parent
        faults = check(sys.argv[1] if len(sys.argv) > 1 else here)
    for fault in faults:
        print(fault)
    print(f"check_layers: {len(faults)} fault(s)" if faults else "check_layers: passed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
