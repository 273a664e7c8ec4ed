# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Attn: one command for each thing one does with a clone. `make help` lists them.
#
# `make demo` and `make check` do everything, set-up included, on a fresh Debian 12
# with make, git, python3 and root or sudo; again, they take seconds to get to the point.

SHELL := /bin/bash
.DEFAULT_GOAL := help

BUILD  := build
PYTHON := .venv/bin/python
JOBS   ?= $(shell nproc)
# Only LLVM 22's tools are meant where a tool is called by its plain name (lld, clang-format).
export PATH := /usr/lib/llvm-22/bin:$(PATH)
# The extension modules and the tools are taken from the build tree.
export PYTHONPATH := $(CURDIR)/$(BUILD)/python:$(PYTHONPATH)

PROMPT ?= The capital of France is
ARGS   ?=

.PHONY: help
help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing, make .venv, configure CMake.
	@scripts/setup.sh

.PHONY: build
build: setup ## Build everything.
	@ninja -C $(BUILD) -j $(JOBS)

.PHONY: demo
demo: build ## Generate text with SmolLM2-135M (PROMPT="..." ARGS="...").
	@$(PYTHON) -m examples.smollm2 "$(PROMPT)" $(ARGS)

.PHONY: check
check: build ## Run every test (ARGS="--only lit,python" for parts).
	@$(PYTHON) scripts/check.py --build $(BUILD) $(ARGS)

.PHONY: check-gpu
check-gpu: build ## Run on a GPU what `check` runs on the emulator; without one, say so.
	@$(PYTHON) scripts/check.py --build $(BUILD) --device $(ARGS)

DIR ?= gpu-pack

.PHONY: gpu-pack
gpu-pack: build ## Compile what `check-gpu` runs, for a GPU machine without a compiler (DIR=...).
	@$(PYTHON) scripts/gpu_suite.py --pack $(DIR) $(ARGS)

.PHONY: bench
bench: build ## Measure every question, beside the peers where they are (ARGS="--only decode").
	@$(PYTHON) benchmarks/bench.py $(if $(findstring --only,$(ARGS)),,--all) $(ARGS)

.PHONY: bench-check
bench-check: build ## Measure the rows with a gate, and fail where one does not hold.
	@$(PYTHON) benchmarks/bench.py --check $(ARGS)

.PHONY: bench-peers
bench-peers: ## Install what the benchmarks compare with, in .venv-peers (1.6 GB).
	@scripts/setup.sh peers

.PHONY: bench-profile
bench-profile: build ## Say where the time of a case goes (ARGS='"full d64 n4096"'); needs perf.
	@$(PYTHON) benchmarks/profile.py $(ARGS)

.PHONY: bench-report
bench-report: build ## Measure everything and write its page in docs/Benchmarks.
	@$(PYTHON) benchmarks/bench.py --all --json $(BUILD)/bench.json $(ARGS)
	@$(PYTHON) benchmarks/report.py $(BUILD)/bench.json

.PHONY: figures-check
figures-check: build ## Re-run the commands marked in README and docs/GPU.md and find the figures in their output.
	@$(PYTHON) scripts/figures_check.py README.md $(ARGS)
	@$(PYTHON) scripts/figures_check.py docs/GPU.md $(ARGS)

.PHONY: docs
docs: build ## Write the generated pages of docs/ anew.
	@$(PYTHON) scripts/gen_docs.py
	@$(PYTHON) scripts/mask_pictures.py

.PHONY: format
format: ## Format the C++ sources.
	@git ls-files -z '*.h' '*.cpp' '*.c' | xargs -0r clang-format -i

.PHONY: clean
clean: ## Remove the build tree (.venv stays).
	rm -rf $(BUILD)
