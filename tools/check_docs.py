#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the names in the public headers' comments and the tests that pages name exist.

Each name between back quotes in a comment of include/headrace must occur in the code (comments do
not count) of include/ or src/, or be one of other people's names that ELSEWHERE describes. Each
`Suite.Test` in a page of docs/design must be a test below tests/.

    check_docs.py [ROOT]       checks the tree at ROOT (default: the one this file is in)
    check_docs.py --self-test  proves that the check finds a fault

Exit code: 0 when every name exists, 1 when one does not.
"""

import pathlib
import re
import sys
import tempfile

TOKEN = re.compile(
    r'(?P<raw>R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)")'
    r"|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+')"
    r"|(?P<comment>//[^\n]*|/\*.*?\*/)",
    re.DOTALL,
)
QUOTED = re.compile(r"`([^`]+)`")
NAME = re.compile(r"(?<![\w.])(?:std::[\w:]+|[A-Za-z_]\w*)")
# A path, a file's name, a pattern of such names, a command line or a text: not C++.
NOT_CODE = re.compile(
    r"[/\"$]|\*\w|\w\*|\w-\w|(^|\s)--?\w|"
    r"\.(h|cpp|md|npy|tar|jpe?g|png|cls|json|safetensors|so)\b"
)
# C++'s own words, and the names of CUDA, Vulkan, DLPack and NumPy.
ELSEWHERE = re.compile(
    r"std::|(true|false|nullptr|nullopt|const|void|int|float|double|char|bool|noexcept|auto|"
    r"unsigned|struct|class|using|namespace|main|memcpy|fork|throw|catch|try|delete|new)$|"
    r"cu[A-Z]|cuda[A-Z]?|CU[a-z_]|vk[A-Z]|Vk[A-Z]|VK_|kDL[A-Z]|DL[A-Z]|np$|torch$"
)
TEST = re.compile(r"`([A-Z]\w+\.[A-Z]\w+)`")
TEST_MADE = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)")
SOURCES = {".h", ".hpp", ".cpp", ".cc", ".cu", ".in"}


def split(text):
    """Returns the code of `text` without comments, and its comments as (line, text)."""
    comments = []

    def keep(match):
        if not match.group("comment"):
            return match.group(0)
        comments.append((text.count("\n", 0, match.start()) + 1, match.group(0)))
        return "\n" * match.group(0).count("\n")

    return TOKEN.sub(keep, text), comments


def names_in(comment):
    """Gives each name between back quotes, with its line within the comment."""
    for quoted in QUOTED.finditer(comment):
        if NOT_CODE.search(quoted.group(1)):
            continue
        line = comment.count("\n", 0, quoted.start())
        for name in NAME.findall(quoted.group(1)):
            if len(name) > 1 and not ELSEWHERE.match(name):
                yield line, name


def check(root):
    """Returns one line for each name that exists nowhere below `root`."""
    root = pathlib.Path(root)
    words = set()
    comments = []
    for top in ("include", "src"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in SOURCES or not file.is_file():
                continue
            code, found = split(file.read_text(encoding="utf-8"))
            words.update(re.findall(r"[A-Za-z_]\w*", code))
            if top == "include":
                path = file.relative_to(root).as_posix()
                comments += [(path, line, text) for line, text in found]
    return [
        f"{path}:{line + offset}: `{name}` does not exist in include/ or src/"
        for path, line, text in comments
        for offset, name in names_in(text)
        if name not in words
    ]


def check_tests(root):
    """Returns one line for each test that a page names and that is none."""
    root = pathlib.Path(root)
    made = set()
    for file in sorted((root / "tests").rglob("*.cpp")):
        made.update(map(".".join, TEST_MADE.findall(file.read_text(encoding="utf-8"))))
    return [
        f"{page.relative_to(root).as_posix()}:{number}: there is no test `{name}`"
        for page in sorted((root / "docs" / "design").rglob("*.md"))
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        for name in TEST.findall(line)
        if name not in made
    ]


def self_test_tests():
    """Returns what the check got wrong on a small page."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in (
            ("docs/design/page.md", "`Thing.Works` and\n`Thing.Breaks`, `Other.Works`; `thing.size`\n"),
            ("tests/a/thing_test.cpp", "TEST_F(Thing, Works) {}\n"),
        ):
            file = pathlib.Path(folder, path)
            file.parent.mkdir(parents=True)
            file.write_text(text, encoding="utf-8")
        faults = check_tests(folder)
        if [int(fault.split(":")[1]) for fault in faults] != [2, 2]:
            return [f"expected two faults in line 2 of the page, found {faults}"]
    return []


def self_test():
    """Returns what the check got wrong on two small headers."""
    good = (
        "/// Calls `open_thing(int)`; see `Thing::size` and `thing.size() == 0`, `std::vector`.\n"
        "/// Reads `*-images-idx*` and `KEY.jpg`; `vkQueueSubmit`, `host` and `Thing{K}` are names.\n"
        'struct Thing { int size; };\nThing open_thing(int thing);  // "`size`" in code: `open_thing`\n'
        'constexpr const char* kName = "host // no `comment` here";\n'
    )
    bad = "/// Calls\n/// `close_thing()`.\nvoid open_thing();  // `Thing::length`\n"
    wrong = []
    for text, expected in ((good, []), (bad, [2, 3, 3])):
        with tempfile.TemporaryDirectory() as folder:
            header = pathlib.Path(folder, "include", "headrace", "thing.h")
            header.parent.mkdir(parents=True)
            header.write_text(text, encoding="utf-8")
            faults = check(folder)
            if [int(fault.split(":")[1]) for fault in faults] != expected:
                wrong.append(f"expected faults in lines {expected}, found {faults}")
    return wrong


def main():
    if sys.argv[1:] == ["--self-test"]:
        faults = self_test() + self_test_tests()
    else:
        here = pathlib.Path(__file__).resolve().parent.parent
        root = sys.argv[1] if len(sys.argv) > 1 else here
        faults = check(root) + check_tests(root)
    for fault in faults:
        print(fault)
    print(f"check_docs: {len(faults)} fault(s)" if faults else "check_docs: passed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
