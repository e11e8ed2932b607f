# SPDX-License-Identifier: Apache-2.0
# One command for each job. `make demo` and `make test` need nothing but git, make, a shell and root
# or sudo on a Debian 12 machine: what is missing is installed by tools/setup.sh.
#
#   make demo      build the program, stream the bundled data through it, train the example on it
#   make test      build everything and run every test
#   make format    format the sources             make check-format   only look
#   make asan      tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make tsan      tests under ThreadSanitizer
#   make fuzz      hostile files, made up for FUZZ_SECONDS a format
#   make tidy      clang-tidy
#   make coverage  which lines the tests run
#   make clean     remove what was built

JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 40
DATA := data/digits
.DEFAULT_GOAL := help
.PHONY: help demo test format check-format layers asan tsan fuzz tidy coverage clean

help:
	@sed -n 's/^#  //p' Makefile

demo:
	@tools/setup.sh demo
	@$(call configure,release) -D HEADRACE_TESTS=OFF -D HEADRACE_BENCHMARKS=OFF >/dev/null
	@cmake --build --preset release --parallel $(JOBS)
	build/release/headrace stream $(DATA) --epochs 20 --shuffle --seed 7 --verify
	build/release/examples/train_digits $(DATA)
	@echo "make demo: passed (the data was streamed and verified, and the example was trained on it)"

test:
	@tools/setup.sh test
	@$(call workflow,dev)
	@echo "make test: passed"

format:
	@tools/format.sh

check-format:
	@tools/format.sh --check

layers:
	@python3 tools/check_layers.py

asan tsan:
	@tools/setup.sh ci
	@$(call workflow,$@)
	@echo "make $@: passed"

fuzz:
	@tools/setup.sh ci
	@$(call configure,fuzz) >/dev/null
	@cmake --build --preset fuzz --parallel $(JOBS)
	@fuzz/run.sh $(FUZZ_SECONDS)
	@echo "make fuzz: passed"

tidy:
	@tools/setup.sh ci
	@$(call configure,tidy) >/dev/null
	@cmake --build --preset tidy --parallel $(JOBS) -- -k 0
	@echo "make tidy: passed"

coverage:
	@tools/setup.sh coverage
	@$(call workflow,coverage)
	@gcovr --root . --filter src/ --filter include/ build/coverage

clean:
	rm -rf build

# $(call workflow,PRESET): configures, builds and tests.
workflow = $(call configure,$(1)) >/dev/null && \
  cmake --build --preset $(1) --parallel $(JOBS) && \
  tools/test.sh $(1) --parallel $(JOBS)

# $(call configure,PRESET): its warnings and errors go to standard error.
configure = cmake --preset $(1) --log-level=WARNING
