#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tests, sanitizes and measures the CUDA backend on a machine with an NVIDIA GPU, in one call.
#
# usage: tools/gpu.sh TESTS RELEASE RESULTS [PART...]
#   TESTS    build folder of the preset dev, for the tests
#   RELEASE  build folder of the preset release, for the program and the benchmarks
#   RESULTS  folder that logs and results are written to
#   PART     of: device tests program sanitizers benchmarks; all of them by default
set -u
tests=$1 release=$2 results=$3
shift 3
[ $# -gt 0 ] || set -- device tests program sanitizers benchmarks
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
}

# initcheck has each launch end before the next call returns, which tests that hold a stream would
# wait for in vain: it runs those that only compute and copy. Tests ask for more memory than there
# is: what the driver answers is no error of theirs.
sanitizers() {
  for tool in memcheck racecheck initcheck synccheck; do
    which='*/cuda:-*Stress*'
    [ $tool = initcheck ] && which='*Convert*/cuda:*Expand*/cuda:*Batch*/cuda:*Copy*/cuda:*Staging*/cuda'
    [ $tool = memcheck ] && options='--report-api-errors no' || options=''
    # shellcheck disable=SC2086  # The options are words.
    run "$tool" compute-sanitizer --tool "$tool" $options --error-exitcode 9 \
      "$tests/tests/headrace_device_tests" --gtest_brief=1 --gtest_filter="$which"
    tail -n 3 "$results/$tool.log"
  done
}

benchmarks() {
  run bench "$release/headrace" bench --device cuda:0 --json "$results/bench.json"
  cat "$results/bench.log"
  run kernel-rates "$release/benchmarks/headrace_kernel_rates" cuda:0
  grep reach "$results/kernel-rates.log"
}

for part in "$@"; do
  echo "== $part"
  "$part"
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
