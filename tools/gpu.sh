#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds, tests, sanitizes and measures the CUDA backend on a machine with an NVIDIA GPU and its
# toolkit, in one call. What Debian packages is installed by tools/setup.sh first.
#
# usage: tools/gpu.sh TESTS RELEASE RESULTS [PART...]
#   TESTS    build folder of the preset dev (build/dev), for the tests
#   RELEASE  build folder of the preset release (build/release), for the program and the benchmarks
#   RESULTS  folder that logs and results are written to
#   PART     of: build device tests program interop sanitizers faults benchmarks; all of them by
#            default. `build` also compiles what benchmarks/gpu and tests/gpu hold, into RELEASE/gpu;
#            `interop` and a part of the benchmarks need a python3 that has PyTorch, and say so where
#            there is none.
set -u
tests=$1 release=$2 results=$3
shift 3
[ $# -gt 0 ] || set -- build device tests program interop sanitizers faults benchmarks
mkdir -p "$results"
export HEADRACE_REQUIRE_BACKENDS=cuda
failed=""

# run NAME COMMAND...: runs it, keeps its output as NAME.log, and says how it went.
run() {
  name=$1
  shift
  begin=$(date +%s)
  if timeout "${HEADRACE_PART_SECONDS:-600}" "$@" > "$results/$name.log" 2>&1; then
    verdict=passed
  else
    verdict="FAILED ($?)"
    failed="$failed $name"
  fi
  echo "$name: $verdict, $(($(date +%s) - begin)) s"
}

build() {
  run build-dev sh -c 'cmake --preset dev && cmake --build --preset dev'
  run build-release sh -c 'cmake --preset release && cmake --build --preset release'
  mkdir -p "$release/gpu"
  for source in benchmarks/gpu/batches.cu benchmarks/gpu/consumer.cu benchmarks/gpu/two_devices.cu \
    tests/gpu/memory_faults.cu; do
    program=$(basename "$source" .cu)
    run "build-$program" nvcc -std=c++20 -O2 -arch=native -Iinclude "-I$release/generated/include" \
      "$source" "$release/libheadrace.a" -lfmt -ljpeg -lpng -larchive -o "$release/gpu/$program"
  done
}

# with_torch NAME COMMAND...: as `run`, where python3 has PyTorch.
with_torch() {
  if python3 -c 'import torch' 2> "$results/torch.log"; then
    run "$@"
  else
    echo "$1: not run, for python3 has no PyTorch: $(tail -n 1 "$results/torch.log")" |
      tee "$results/$1.log"
  fi
}

device() {
  nvidia-smi --query-gpu=name,memory.total,driver_version,pcie.link.gen.max,clocks.max.sm \
    --format=csv > "$results/device.log" 2>&1
  cat "$results/device.log"
}

tests() {
  run device-tests "$tests/tests/headrace_device_tests" --gtest_filter='*/cuda' --gtest_brief=1
  tail -n 40 "$results/device-tests.log"
}

program() {
  run devices "$release/headrace" devices
  cat "$results/devices.log"
  run stream "$release/headrace" stream data/digits --device cuda:0 --verify
  tail -n 20 "$results/stream.log"
  run demo "$release/examples/train_digits" data/digits
  tail -n 2 "$results/demo.log"
}

interop() {
  with_torch interop python3 tests/gpu/interop.py "$tests/tests/libheadrace_interop.so" data/digits
  cat "$results/interop.log"
}

# initcheck has each launch end before the next call returns, which tests that hold a stream would
# wait for in vain: it runs those that only compute and copy. Tests ask for more memory than there
# is: what the driver answers is no error of theirs. Told of the pools' blocks by NVTX, a tool sees
# none used again while work may use it: tests of just that are left out.
reuse=$(cat tests/device/not_under_a_memory_checker)
sanitizers() {
  for tool in memcheck racecheck initcheck synccheck; do
    which="*/cuda:-*Stress*:*PeerTest*:$reuse"
    [ $tool = initcheck ] && which='*Convert*/cuda:*Expand*/cuda:*Batch*/cuda:*Copy*/cuda:*Staging*/cuda:-*PeerTest*'
    [ $tool = memcheck ] && options='--report-api-errors no' || options=''
    # shellcheck disable=SC2086  # The options are words.
    run "$tool" compute-sanitizer --tool "$tool" $options --error-exitcode 9 \
      "$tests/tests/headrace_device_tests" --gtest_brief=1 --gtest_filter="$which"
    tail -n 3 "$results/$tool.log"
  done
  # With NVTX the tool loses sight of parts that are open when peer access is first enabled, and
  # says that they are not there.
  run memcheck-two-devices compute-sanitizer --tool memcheck --nvtx no --report-api-errors no \
    --error-exitcode 9 "$tests/tests/headrace_device_tests" --gtest_brief=1 \
    --gtest_filter='*PeerTest*/cuda:-*Stress*'
  tail -n 3 "$results/memcheck-two-devices.log"
}

# memcheck must find what a kernel does beside its block of a pool, and nothing where none does.
faults() {
  for fault in clean behind after later; do
    run "fault-$fault" compute-sanitizer --tool memcheck --nvtx yes --report-api-errors no \
      "$release/gpu/memory_faults" "$fault"
    if [ "$fault" = clean ]; then
      expect "fault-$fault" 'clean: ran to its end'
      expect "fault-$fault" 'ERROR SUMMARY: 0 errors'
    else
      expect "fault-$fault" 'Invalid __global__ write of size 4 bytes'
      expect "fault-$fault" 'ERROR SUMMARY: 1 error$'
    fi
  done
}

# expect NAME TEXT: whether NAME.log says so.
expect() {
  if grep -q "$2" "$results/$1.log"; then
    echo "$1: says '$2'"
  else
    echo "$1: FAILED, does not say '$2'"
    tail -n 20 "$results/$1.log"
    failed="$failed $1"
  fi
}

benchmarks() {
  run bench "$release/headrace" bench --device cuda:0 --json "$results/bench.json"
  cat "$results/bench.log"
  run kernel-rates "$release/benchmarks/headrace_kernel_rates" cuda:0
  grep reach "$results/kernel-rates.log"
  with_torch torch-rates python3 benchmarks/gpu/torch_rates.py
  run batches "$release/gpu/batches"
  run consumer "$release/gpu/consumer" "$results/consumer.json"
  run two-devices "$release/gpu/two_devices"
  run overlap python3 benchmarks/gpu/overlap.py "$results/consumer.json"
  for log in torch-rates batches consumer overlap two-devices; do
    echo "-- $log"
    cat "$results/$log.log"
  done
}

for part in "$@"; do
  echo "== $part"
  "$part"
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
