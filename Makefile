# SPDX-License-Identifier: Apache-2.0
# The front door. Meson and Ninja do the work.

PREFIX ?= /usr/local
BUILD := build/release

.PHONY: all setup demo test test-quick cross clang dist deb reproducible bench results results-influence docs fuzz lint format install clean help

all: $(BUILD)/build.ninja ## build the library and the command line
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup -Dprefix=$(PREFIX) $(BUILD) >/dev/null

setup: ## install what is missing (Debian packages)
	@scripts/setup

demo: ## explain a real prompt on a real model
	@scripts/demo

test: ## build and run all tests
	@scripts/test

test-quick: ## unit tests and the shorter end-to-end tests, in a few minutes
	@scripts/test --quick

cross: ## library and unit tests for 64-bit ARM, under qemu-user (FLOORS="base tensor": only these)
	@scripts/cross $(FLOORS)

clang: ## library and unit tests by clang
	@[ -f build/clang/build.ninja ] || CC=clang CXX=clang++ meson setup -Doptimization=2 build/clang >/dev/null
	@ninja -C build/clang && meson test -C build/clang --no-rebuild --no-suite real --timeout-multiplier 4

dist: ## the source archive of the last commit, in build/dist
	@scripts/dist

deb: ## Debian packages of this tree, in build/deb
	@scripts/deb

reproducible: ## builds the packages in two places and compares every bit
	@scripts/reproducible

bench: setup all ## measure, beside the peers when they are installed
	@scripts/bench

results: all ## judge every method, task by task (docs/results.md); goes on where it was stopped
	@nice scripts/make-results.py $(BUILD)/src/cli/glim

results-influence: all ## are influences true? (docs/results-influence.md; PEER: a Python with torch); goes on where it was stopped
	@nice ninja -C $(BUILD) tests/influence-test_full_hessian >/dev/null
	@nice scripts/make-influence-results.py $(BUILD)/src/cli/glim $(if $(PEER),--peer $(PEER))

docs: all ## the documents, English and Chinese, into build/site
	@scripts/make-site

fuzz: ## run the fuzzers for SECONDS each (default 60)
	@scripts/fuzz $(or $(SECONDS),60)

lint: ## clang-tidy over the sources
	@scripts/lint

format: ## clang-format all C files
	@git ls-files '*.c' '*.h' '*.inc' | xargs clang-format -i

install: all ## into PREFIX: library, headers, pkg-config file, command, man pages, completions
	@meson configure -Dprefix=$(PREFIX) $(BUILD) && ninja -C $(BUILD) >/dev/null
	@meson install -C $(BUILD) --no-rebuild

clean: ## remove everything that was built
	@rm -rf build

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /	/' | expand -t 20
