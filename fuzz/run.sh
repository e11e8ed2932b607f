#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the fuzz targets of build/fuzz, as many at a time as there are processors, each for so long.
#
#   fuzz/run.sh SECONDS [TARGET...]
#
# What they find new is kept in build/fuzz/corpus/TARGET for the next run, an input that breaks
# something in build/fuzz/found. Exit code 1 when there was one.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
build=build/fuzz
targets=("$@")
if ((${#targets[@]} == 0)); then
  for source in fuzz/*.cpp; do
    targets+=("$(basename "$source" .cpp)")
  done
fi
fuzz/seeds.py "$build/seeds"
mkdir -p "$build/found"

# Memory for all that is alive, and for one allocation: a file of so few bytes justifies no more. A
# JPEG's pixels may be many for its bytes, so its files are smaller.
fuzz() {
  local target=$1 seconds=$2 most=16384 status=0
  [[ $target == jpeg ]] && most=8192
  mkdir -p "$build/corpus/$target"
  "$build/fuzz/$target" -max_total_time="$seconds" -max_len=$most -timeout=5 -rss_limit_mb=1024 \
    -malloc_limit_mb=64 -print_final_stats=1 -verbosity=1 -artifact_prefix="$build/found/$target-" \
    "$build/corpus/$target" "$build/seeds/$target" >"$build/$target.log" 2>&1 || status=$?
  if ((status == 0)); then
    printf '%-14s %s\n' "$target" "$(tail -n 20 "$build/$target.log" |
      sed -n 's/^stat::number_of_executed_units: */passed, runs: /p')"
    return 0
  fi
  echo "$target FAILED; the end of $build/$target.log:"
  tail -n 40 "$build/$target.log"
  return 1
}
export -f fuzz
export build
printf '%s\n' "${targets[@]}" |
  xargs -P "$(nproc)" -I{} bash -c 'fuzz {} '"$seconds" || exit 1
