#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Formats every C++ file that git knows or would add; with --check it only names those that differ.
# clang-format 14 alone, the version of Debian 12: others format differently.
set -eu
cd "$(dirname "$0")/.."

format=
for name in clang-format-14 clang-format; do
  if "$name" --version 2>/dev/null | grep -q 'version 14\.'; then
    format=$name
    break
  fi
done
if [ -z "$format" ]; then
  echo "format: clang-format 14 is not installed; tools/setup.sh ci installs it" >&2
  exit 1
fi

mode='-i'
[ "${1:-}" = --check ] && mode='--dry-run --Werror'
# Files deleted but not yet committed are still listed.
list_files() {
  git ls-files -co --exclude-standard -- '*.h' '*.cpp' '*.cu' '*.cuh' |
    while IFS= read -r file; do [ -e "$file" ] && printf '%s\n' "$file"; done
}
# shellcheck disable=SC2086
list_files | xargs -r -d '\n' "$format" $mode --style=file
echo "format: passed"
