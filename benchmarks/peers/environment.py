# SPDX-License-Identifier: Apache-2.0
"""The peers' own virtual environment, below build/.

It sees Debian's PyTorch and NumPy (`tools/setup.sh peers`); the rest comes from PyPI. A new package must not
replace that NumPy, with which PyTorch was built.
"""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "peers"
PYTHON = FOLDER / "venv" / "bin" / "python"
SYSTEM_PYTHON = "/usr/bin/python3"
PACKAGES = ["spdl", "mlx-data", "webdataset", "simplejpeg", "nvidia-dali-cuda130"]


def enter():
    """Goes on in the virtual environment, which is made on first use."""
    if pathlib.Path(sys.prefix) == PYTHON.parents[1]:
        return
    if not PYTHON.exists():
        set_up()
    os.execv(PYTHON, [str(PYTHON), *sys.argv])


def set_up():
    # What cannot be installed is reported by the peer that needs it.
    subprocess.run([ROOT / "tools" / "setup.sh", "peers"], check=False)
    system = SYSTEM_PYTHON if os.path.exists(SYSTEM_PYTHON) else sys.executable
    subprocess.run([system, "-m", "venv", "--system-site-packages", PYTHON.parents[1]], check=True)
    numpy = subprocess.run([system, "-c", "import numpy; print('numpy==' + numpy.__version__)"],
                           capture_output=True, text=True).stdout.strip() or "numpy"
    for package in PACKAGES:
        print(f"peers: installing {package}", file=sys.stderr)
        install(package, numpy)


def install(package, numpy):
    """Installs one package; keeps pip's last line in a file if that fails."""
    done = subprocess.run([PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", numpy, package],
                          capture_output=True, text=True)
    note = FOLDER / f"{package}.failed"
    note.unlink(missing_ok=True)
    if done.returncode != 0:
        note.write_text((done.stderr.strip().splitlines() or ["pip failed"])[-1] + "\n")


def failures():
    """What pip said of packages that it could not install; empty if there are none."""
    return "; ".join(f"{note.stem}: {note.read_text().strip()}" for note in sorted(FOLDER.glob("*.failed")))
