# What a newcomer needs: `make run` trades, `make test` tests. `make` alone lists the rest.
#
# The tools that must be there: Python 3.11+ with pip, make, a C compiler and Rust. Everything else is fetched: uv by pip
# where it is missing or too old, packages by uv and cargo. What is fetched or built stays in .build, .venv and
# core-rs/target, beside the packages' own caches.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help run test check bench bench-bridge bench-venue format test-long mutants coverage soak chaos loom races prometheus
.PHONY: tools sync oldest-server test-python test-rust coverage-python coverage-rust check-locks check-format check-imports check-lint check-types smoke

RUST_MIN := 1.88
UV_MIN := 0.11

# A toolchain that was installed a minute ago is found before the shell has been opened anew. Old versions of make do not
# hand an exported PATH to $(shell), so probes set it themselves.
export PATH := $(PATH):$(HOME)/.cargo/bin:$(HOME)/.local/bin
probe = PATH="$(PATH)"; export PATH;

# Tests start a thousand processes: without bytecode each compiles all that it imports, which is most of what they do.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
CARGO := cargo
MANIFEST := --manifest-path core-rs/Cargo.toml --locked
# make check leaves none out.
SELECT := -m "not slow"
# Tests wait for processes and servers most of the time: more of them at once than there are cores. 0: one after the other.
WORKERS := 6
OWN_UV := .build/uv/bin/uv
# One interpreter for all cargo builds: another one would rebuild PyO3.
PYO3 := PYO3_PYTHON="$(CURDIR)/$(BIN)/python"

# Each probe runs its tool, since a shim may be there without one, and gives nothing where the tool is missing or too old.
# $(call at_least,COMMAND,MAJOR.MINOR): COMMAND prints `name 1.2.3 ...`.
at_least = $(1) 2>/dev/null | awk -v want=$(2) '{ split($$2, has, "."); split(want, min, "."); \
	ok = has[1] + 0 > min[1] + 0 || (has[1] == min[1] && has[2] + 0 >= min[2] + 0) } END { exit !ok }'
find_python = $(shell $(probe) for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$name"; break; }; done)
find_rust = $(shell $(probe) cargo --version >/dev/null 2>&1 && $(call at_least,rustc --version,$(RUST_MIN)) && echo yes)
find_cc = $(shell $(probe) command -v cc 2>/dev/null)
find_uv = $(shell $(probe) $(call at_least,uv --version,$(UV_MIN)) && command -v uv)

# Expands to nothing, or stops make with one line and exit code 2.
need_python = $(if $(find_python),,$(error Libra needs Python 3.11 or newer, and finds none: install python3 with pip and venv))
need_rust = $(if $(find_rust),,$(error Libra needs Rust $(RUST_MIN) or newer, and finds none: see https://rustup.rs, or run "rustup update"))
need_cc = $(if $(find_cc),,$(error Libra needs a C compiler to link with, and finds no "cc": install gcc or clang (Debian: build-essential; macOS: xcode-select --install)))
uv = $(or $(find_uv),$(OWN_UV))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

# Not by `uv run`: without a terminal it hands a Ctrl-C of the group on a second time.
run: sync ## trade on paper, on a synthetic market, until Ctrl-C; ARGS="--duration 10 --json" passes arguments on
	@exec $(BIN)/libra run $(ARGS)

test: test-python test-rust ## run the tests of both languages, but for the slow ones

check: SELECT :=
# The long ones measure time, too: they have the machine to themselves rather than to wait beside each other.
check: WORKERS := 4
check: check-locks check-format check-imports check-lint check-types oldest-server test smoke ## all that must hold: format, lint, types, imports, tests, the main job

# Other tests read LIBRA_LONG too.
test-long: sync ## the seeded tests at length: ten thousand lives of an account, random kills of a process
	@LIBRA_LONG=1 $(PYO3) $(CARGO) test $(MANIFEST) --workspace --quiet -- --nocapture
	@LIBRA_LONG=1 $(BIN)/pytest -q $(ARGS)

chaos: sync ## the bridge under every fault of its server and its nodes, the long ones too; ARGS="-k failover"
	@$(BIN)/pytest -q tests/chaos $(ARGS)

soak: sync ## an hour's load in minutes: is memory flat, and objects, descriptors, threads; ARGS="--hours 0.2 --only bus"
	@$(BIN)/python -m tests.soak $(ARGS)

loom: tools ## our own lock-free code in the model checker, in more orders of its threads than in make test
	@LIBRA_LONG=1 $(PYO3) $(CARGO) test $(MANIFEST) -p libra-kernel --lib -- model a_thread_never_sees

races: tools ## what stands on other people's lock-free code under ThreadSanitizer, and our unsafe code under valgrind
	@CARGO="$(CARGO)" .ci/races.sh

mutants: sync ## take out one guard after the other, and see whether the tests notice; ARGS="--only 'gate/*'", "--resume" or "--part 1/2"
	@$(BIN)/python tests/mutants/run.py $(ARGS)

# In percent; a lower one reports the same and fails later.
PYTHON_COVERAGE := 100
RUST_COVERAGE := 100

# Both are told, whichever falls short.
coverage: sync ## red where a line of the order gate, its desk or matching, or a line or branch of libra.core, is run by no test, and names it
	@failed=0; for part in rust python; do $(MAKE) --no-print-directory coverage-$$part || failed=1; done; exit $$failed

bench: sync ## measure the bus against its peers and the goals, the risk check, growth, waking, traces and scrapes; ARGS="--quick", "--json" or "--markdown"
	@$(BIN)/python benches/bus.py $(ARGS)
	@$(BIN)/python benches/risk.py $(filter --json,$(ARGS))
	@$(BIN)/python benches/scale.py $(ARGS)
	@$(BIN)/python benches/wake.py $(ARGS)
	@$(BIN)/python benches/traces.py $(filter --quick --json,$(ARGS))
	@$(BIN)/python benches/metrics.py $(filter --quick --json,$(ARGS))
	@$(BIN)/python benches/journal.py $(filter --quick --json,$(ARGS))

bench-bridge: sync ## measure the bridge between nodes against redis-py and the goals, over a real Valkey; ARGS as for bench
	@$(BIN)/python benches/bridge.py $(ARGS)

bench-venue: sync ## measure orders at a simulated exchange against bare ccxt.pro: the way out and back, a storm, the intent, cancels in a flood
	@$(BIN)/python benches/venue.py $(ARGS)

prometheus: ## unpack Debian's Prometheus below .build, for tests that have a real one scrape; needs apt, and no root
	@rm -rf .build/prometheus .build/packages && mkdir -p .build/packages && cd .build/packages && apt-get download prometheus
	@dpkg -x .build/packages/prometheus_*.deb .build/prometheus && .build/prometheus/usr/bin/promtool --version

format: sync ## format the code of both languages
	@$(BIN)/ruff check --quiet --select I --fix
	@$(BIN)/ruff format
	@$(CARGO) fmt --manifest-path core-rs/Cargo.toml --all

# --- the parts of the above ---

tools:
	@:$(need_python)$(need_rust)$(need_cc)

# The lock files are checked before `uv sync` may bring one up to date.
.SECONDEXPANSION:
sync: tools $$(if $$(find_uv),,$$(OWN_UV)) $(if $(filter check check-locks,$(MAKECMDGOALS)),check-locks)
	@$(uv) sync

$(OWN_UV): | tools
	@echo "fetching uv into .build/uv" >&2
	@python=$(find_python); log=.build/uv.log; mkdir -p .build; rm -rf .build/uv; \
	{ $$python -m venv .build/uv && .build/uv/bin/python -m pip install 'uv>=$(UV_MIN)'; } >$$log 2>&1 || \
	{ rm -rf .build/uv; $$python -m pip install --target .build/uv 'uv>=$(UV_MIN)'; } >>$$log 2>&1 || \
	{ rm -rf .build/uv; tail -n 3 $$log >&2; echo "pip could not fetch uv: see .build/uv.log, or install uv yourself" >&2; exit 2; }

test-python: sync
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadfile $(SELECT)

test-rust: sync
	@$(PYO3) $(CARGO) test $(MANIFEST) --workspace --quiet

coverage-python: sync
	@mkdir -p .build/coverage
	@$(BIN)/pytest -q --no-header $(SELECT) --cov --cov-report=term-missing:skip-covered --cov-fail-under=$(PYTHON_COVERAGE) $(ARGS)

coverage-rust: sync
	@RUST_COVERAGE=$(RUST_COVERAGE) $(PYO3) $(BIN)/python .ci/coverage_rust.py

check-locks: tools $$(if $$(find_uv),,$$(OWN_UV))
	@$(uv) lock --check --quiet
	@$(CARGO) metadata $(MANIFEST) --format-version 1 >/dev/null

check-format: sync
	@$(BIN)/ruff format --check
	@$(CARGO) fmt --manifest-path core-rs/Cargo.toml --all --check

check-imports: sync
	@$(BIN)/lint-imports --no-logo

check-lint: sync
	@$(BIN)/ruff check
	@$(PYO3) $(CARGO) clippy $(MANIFEST) --workspace --all-targets --quiet -- -D warnings

check-types: sync
	@$(BIN)/mypy --strict
	@MYPYPATH=core-rs/python $(BIN)/stubtest libra_core

# Never red: without it its tests are skipped, and it says why.
oldest-server:
	@.ci/redis.sh

smoke: sync
	@$(BIN)/python .ci/smoke.py
