#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that a job needs and that are not there yet.
#
#   tools/setup.sh demo      to build and run the program and the examples
#   tools/setup.sh test      ... and the tests
#   tools/setup.sh ci        ... and everything that .ci/run uses
#   tools/setup.sh coverage  what `make coverage` uses
#   tools/setup.sh peers     what benchmarks/peers measures against, besides packages of PyPI
#
# Uses apt-get, with sudo when not root. Does nothing, quickly, when nothing is missing.
set -eu

demo='g++ cmake ninja-build ccache libfmt-dev libcli11-dev nlohmann-json3-dev libeigen3-dev
  libarchive-dev libjpeg62-turbo-dev libpng-dev libstb-dev libvulkan-dev glslc'
# The tests' tools; python3 runs the project's own checks, Mesa's Vulkan runs on the processor.
test="$demo libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev python3 git
  mesa-vulkan-drivers vulkan-validationlayers"
ci="$test clang-22 clang-tidy-22 libclang-rt-22-dev clang-format-14"
case "${1:-}" in
  demo) packages=$demo ;;
  test) packages=$test ;;
  ci) packages=$ci ;;
  coverage) packages="$test gcovr" ;;
  # FFmpeg's libraries are SPDL's.
  peers)
    packages='python3-venv python3-numpy python3-pil python3-torch python3-torchvision
      libavdevice59 libavfilter8 libavformat59 libavcodec59'
    ;;
  *)
    echo "usage: tools/setup.sh demo|test|ci|coverage|peers" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this is not a Debian system, so nothing is installed. These packages, under the" \
    "names that they have here, must be there: $packages" >&2
  exit 0
fi

missing=
for package in $packages; do
  case "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)" in
    'install ok installed') ;;
    *) missing="$missing $package" ;;
  esac
done
if [ -z "$missing" ]; then
  echo "setup: everything for '$1' is installed"
  exit 0
fi

if [ "$(id -u)" = 0 ]; then
  as_root='env'
elif command -v sudo >/dev/null; then
  as_root='sudo env'
else
  echo "setup: these packages are missing, and installing them needs root or sudo:$missing" >&2
  exit 1
fi
echo "setup: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  # Words of $as_root are meant to be split.
  # shellcheck disable=SC2086
  $as_root DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" \
    </dev/null >"$log" 2>&1
}
# shellcheck disable=SC2086
if ! { apt update && apt install -y --no-install-recommends $missing; }; then
  cat "$log" >&2
  echo "setup: apt-get could not install:$missing" >&2
  exit 1
fi
echo "setup: installed"
