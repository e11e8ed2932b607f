#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shows that the tests can fail: breaks a copy of the tree in one place at a time, as each NAME.patch
# here says, and runs the tests that must notice.
#
# Usage: tests/mutants/run.sh [NAME...]
#
# The first line of a patch is "# test: FILTER", a filter of GoogleTest's; the rest is a unified diff
# for `patch -p1`. The copy stays in HEADRACE_MUTANTS_DIR (by default below TMPDIR), so that the next
# run compiles only what differs. Exit code 0 when every mutant was noticed, 1 when one was not or a
# patch is out of date, 2 on bad usage.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${HEADRACE_MUTANTS_DIR:-${TMPDIR:-/tmp}/headrace-mutants-$(id -u)}
tree=$work/tree
build=$work/build
log=$work/log
seconds_a_run=${HEADRACE_MUTANTS_TIMEOUT:-180}  # A mutant that hangs is noticed too.

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  sed -n '3,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 0
fi
patches=()
for name in "$@"; do
  patch_file=$here/$(basename "$name" .patch).patch
  if [[ ! -f $patch_file ]]; then
    echo "run.sh: there is no mutant named '$name' in $here" >&2
    exit 2
  fi
  patches+=("$patch_file")
done
if ((${#patches[@]} == 0)); then
  patches=("$here"/*.patch)
fi

mkdir -p "$work" "$log"
exec 9>"$work/lock"
if ! flock -n 9; then
  echo "run.sh: another run is using $work" >&2
  exit 2
fi

# The copy stays as it was when the run began. Only what differs from the last run's is written, with
# the time of now, so that exactly that is compiled again: the time of the original says little, for
# an object may have been made of older content, or of a mutant, after it.
fresh_copy() {
  local new=$work/new file
  rm -rf "$new"
  mkdir -p "$new" "$tree"
  tar -C "$root" --exclude=./build --exclude=./.git -cf - . | tar -C "$new" -xf -
  while IFS= read -r file; do
    [[ -e $new/$file ]] || rm -f "$tree/$file"
  done < <(cd "$tree" && find . ! -type d)
  while IFS= read -r file; do
    if ! cmp -s "$new/$file" "$tree/$file"; then
      mkdir -p "$(dirname "$tree/$file")"
      cp --preserve=mode "$new/$file" "$tree/$file"
    fi
  done < <(cd "$new" && find . ! -type d)
  rm -rf "$new"
}
files_of() { sed -n 's|^+++ b/\([^[:space:]]*\).*|\1|p' "$1"; }

keep() {  # What a patch changes, for `restore`.
  files_of "$1" | tar -C "$tree" -cf "$work/kept.tar" -T -
}
restore() {
  tar -C "$tree" -xf "$work/kept.tar" --touch
}

# The test program whose sources have the first test that a filter names.
program_of() {
  local suite=${1%%.*} file
  suite=${suite%%:*}
  suite=${suite##*/}
  suite=${suite//\*/}
  if [[ $1 =~ ^([A-Za-z0-9_]+)/[0-9*]+\. ]]; then  # Typed tests have a number behind the name.
    suite=${BASH_REMATCH[1]}
  fi
  file=$(grep -rlE "TEST[A-Z_]*\($suite\b" "$tree"/tests/*/ --include='*.cpp' | head -n 1) || true
  if [[ -n $file ]]; then
    echo "headrace_$(basename "$(dirname "$file")")_tests"
  fi
}

build_program() { cmake --build "$build" --target "$1" >"$2" 2>&1 9>&-; }
hazards=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
run_tests() {  # In a subshell, whose report of a crash goes to the log too.
  # Those on the device cuda run on the tests' own driver, those on vulkan on their own layer, under
  # the validation layer.
  (LD_LIBRARY_PATH=$build/fake_cuda${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
    VK_LAYER_PATH=/usr/share/vulkan/explicit_layer.d:$build/vulkan_layer \
    VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation:VK_LAYER_HEADRACE_test \
    VK_LAYER_ENABLES=$hazards:VALIDATION_CHECK_ENABLE_SYNCHRONIZATION_VALIDATION_QUEUE_SUBMIT \
    timeout "$seconds_a_run" "$build/tests/$1" --gtest_filter="$2" || exit 1) >"$3" 2>&1 9>&- &&
    ! grep -q SYNC-HAZARD "$3"
}

failures=0
report() {  # NAME RESULT NOTE
  printf '%-44s %-14s %s\n' "$1" "$2" "$3"
  [[ $2 == noticed ]] || failures=$((failures + 1))
}

try_mutant() {
  local patch_file=$1 name filter program out
  name=$(basename "$patch_file" .patch)
  out=$log/$name
  filter=$(sed -n '1s/^# test: *//p' "$patch_file")
  if [[ -z $filter ]]; then
    report "$name" "no test" "its first line is not '# test: FILTER'"
    return
  fi
  program=$(program_of "$filter")
  if [[ -z $program ]]; then
    report "$name" "no test" "no source has a test of $filter"
    return
  fi
  if ! build_program "$program" "$out.base.log"; then
    report "$name" "no build" "without the mutant; see $out.base.log"
    return
  fi
  if ! "$build/tests/$program" --gtest_filter="$filter" --gtest_list_tests 2>/dev/null |
      grep -q '^  '; then
    report "$name" "no test" "$filter matches none of $program"
    return
  fi
  if ! run_tests "$program" "$filter" "$out.base.log"; then
    report "$name" "fails anyway" "without the mutant; see $out.base.log"
    return
  fi
  if ! keep "$patch_file" 2>"$out.log"; then
    report "$name" "no patch" "it names files that are not there; see $out.log"
    return
  fi
  if ! patch -d "$tree" -p1 --forward --batch -r - <"$patch_file" >"$out.log" 2>&1; then
    report "$name" "no patch" "it does not apply; see $out.log"
  elif ! build_program "$program" "$out.log"; then
    report "$name" "no build" "see $out.log"
  elif run_tests "$program" "$filter" "$out.log"; then
    report "$name" "SURVIVED" "$filter"
  else
    report "$name" "noticed" "$filter"
  fi
  restore
}

fresh_copy
if ! cmake -S "$tree" -B "$build" --preset dev -DHEADRACE_WERROR=OFF \
    -DHEADRACE_BENCHMARKS=OFF -DHEADRACE_EXAMPLES=OFF >"$log/configure.log" 2>&1; then
  echo "run.sh: the copy does not configure; see $log/configure.log" >&2
  exit 2
fi
printf '%-44s %-14s %s\n' "mutant" "result" "test or reason"
for patch_file in "${patches[@]}"; do
  try_mutant "$patch_file"
done
printf '%d of %d noticed\n' "$((${#patches[@]} - failures))" "${#patches[@]}"
((failures == 0))
