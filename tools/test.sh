#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of a preset that is built, and shows what matters: on a terminal one line that moves
# on, elsewhere neither starts nor passes; always all of what failed and ctest's closing summary.
#
#   tools/test.sh dev [OPTION OF CTEST...]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: tools/test.sh PRESET [OPTION OF CTEST...]}
shift

if [ -t 1 ]; then
  exec ctest --preset "$preset" --progress "$@"
fi
ctest --preset "$preset" "$@" 2>&1 |
  grep --line-buffered -vE '^ +Start +[0-9]+: |^ *[0-9]+/[0-9]+ Test +#[0-9]+: .* Passed +[0-9.]+ sec *$'
