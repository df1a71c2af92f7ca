# make run        build into .venv, show what Hutch does, then serve on 127.0.0.1:6379   (ONCE=1: without serving)
# make test       the whole suite                                                  (TESTS=tests/server WORKERS=4)
# make sanitize   the whole suite with the address and undefined-behaviour sanitizers
# make sanitize-threads   the tests in which threads meet, with the thread sanitizer
# make test-pythons       the suite with every CPython found here              (PYTHONS="3.10 3.13" TESTS=...)
# make test-redis-py      the Python face with other versions of redis-py       (REDIS_PY="7.2.2 newest")
# make test-redis-tcl     Redis's own Tcl suite against `hutch serve`          (RELEASE=bookworm UNITS="unit/type/list")
# make test-projects      the suites of projects that use Redis, under hutch.testing.patch()   (PROJECTS="rq limits")
# make test-wheel         a wheel whose sources are gone, in a fresh environment
# make fuzz       the random tests, for longer
# make fuzz-bytes JSON texts, JSONPaths and HyperLogLogs damaged for SECONDS (an hour) each, with the sanitizers
# make chaos      threads, sockets, closes, kills, forks, refused memory all at once    (SECONDS=3600 SEED=n)
# make bench      benchmarks beside a real Redis, ratios taken in one run
# make docs       the pages of docs/ as a site in build/site
# make docs-tables    docs/commands.md and docs/parameters.md, from their sources
# make build | wheel | clean
#
# PYTHON=/path/to/python3.11 chooses the interpreter that .venv is made from.

PYTHON  ?= python3
VENV    ?= .venv
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
# One more than there are cores: some tests wait for servers and processes.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 1)
TESTS   ?= tests

PY      := $(VENV)/bin/python
PIP     := $(PY) -m pip --disable-pip-version-check --quiet

# What the compiled modules are made from; the generated .pyx are not sources.
ENGINE  := $(shell find engine tools -name '*.pyx' -o -name '*.pxd' -o -name '*.toml' -o -name '*.h' \
             -o -name '*.template' -o -path 'tools/*.py' | grep -v -e '/command_table.pyx$$' -e '/command_handlers.pyx$$' \
             -e '/door/method_table.pyx$$' -e '/door/methods.pyx$$')
SHIMS   := $(wildcard tests/shims/*.pyx tests/shims/*.pxd)
SOURCES := $(shell find engine src -name '*.py' -o -name '*.pyi' | grep -v -e '/door/methods.pyi$$')

BUILT        := $(VENV)/.built
BUILT_SHIMS  := $(VENV)/.built-shims
HAS_BUILD    := $(VENV)/.has-build-tools
HAS_TESTS    := $(VENV)/.has-test-tools
INSTALLED    := $(VENV)/.installed

.PHONY: run test sanitize sanitize-threads test-pythons test-redis-py test-redis-tcl test-projects test-wheel fuzz fuzz-bytes test-long chaos test-durability bench docs docs-tables build wheel clean
.DELETE_ON_ERROR:

run: $(BUILT) $(INSTALLED)
	$(PY) -m hutch quickstart $(if $(ONCE),--once)

build: $(BUILT) $(INSTALLED)

test: $(BUILT_SHIMS) $(INSTALLED) $(HAS_TESTS)
	$(PY) -m pytest -q -n $(WORKERS) --dist worksteal --durations=10 $(TESTS) $(ARGS)

# Each version in a directory of its own below build/, before the environment's.
REDIS_PY      ?= 6.4.0 7.2.2 7.4.0 8.1.0 newest
REDIS_PY_TESTS = $(addprefix tests/python/test_,api_parity.py random_calls.py replaced_methods.py retries.py pools.py no_reply.py \
                   hot_methods.py hot_collections.py hot_pipeline.py hot_scripts.py json.py pipelines.py lifecycle.py messages.py asyncio.py)
test-redis-py: $(BUILT_SHIMS) $(INSTALLED) $(HAS_TESTS)
	$(PY) tools/with_redis_py.py $(REDIS_PY) -- -q -n $(WORKERS) --dist worksteal $(or $(filter-out tests,$(TESTS)),$(REDIS_PY_TESTS)) $(ARGS)

# Debian's source package of Redis (bookworm has 7.0, trixie 8.0) brings the suite; `tcl` and `redis-tools` are needed.
RELEASE ?= trixie
test-redis-tcl: $(BUILT) $(INSTALLED)
	$(PY) tools/redis_tcl.py --release $(RELEASE) --jobs $(JOBS) $(ARGS) $(UNITS)

# Their sources come by pip; what of them cannot pass is named in the tool, with the reasons.
PROJECTS ?=
test-projects: $(BUILT) $(INSTALLED) $(HAS_TESTS)
	$(PY) tools/project_suites.py $(PROJECTS) -- $(ARGS)

# Other random commands at every run, and the property tests again and again; SEED=n repeats a run's commands.
SEED   ?= $(shell date +%s)
ROUNDS ?= 10
fuzz test-long: $(BUILT_SHIMS) $(INSTALLED) $(HAS_TESTS)
	@echo "SEED=$(SEED)"
	HUTCH_DIFF_COMMANDS=1000000 HUTCH_DIFF_SEED=$(SEED) $(PY) -m pytest -q -n $(WORKERS) tests/test_differential.py $(ARGS)
	HUTCH_CALLS=5000 HUTCH_CALLS_SEED=$(SEED) $(PY) -m pytest -q -n $(WORKERS) tests/python/test_random_calls.py $(ARGS)
	HUTCH_JSON_COMMANDS=100000 HUTCH_JSON_SEED=$(SEED) $(PY) -m pytest -q -n $(WORKERS) tests/commands/test_json_oracle.py $(ARGS)
	HUTCH_LONG=1 $(PY) -m pytest -q tests/scripting/test_running.py -k flat $(ARGS)
	HUTCH_LONG=1 $(PY) -m pytest -q -n $(WORKERS) --dist worksteal tests/commands/test_short_of_memory.py \
	    tests/scripting/test_lua_libraries.py $(ARGS)
	for round in $$(seq $(ROUNDS)); do $(PY) -m pytest -q -n $(WORKERS) --dist worksteal tests/base tests/structures \
	    tests/commands tests/server/test_resp_parser.py tests/test_strings_model.py $(ARGS) || exit 1; done

# Each kind of it (tests/kit/chaos.py) has a fifth of the time; as many run at once as there are workers.
SECONDS ?= 3600
chaos: $(BUILT_SHIMS) $(INSTALLED) $(HAS_TESTS)
	@echo "SEED=$(SEED)"
	HUTCH_CHAOS_SECONDS=$(SECONDS) HUTCH_CHAOS_SEED=$(SEED) $(PY) -m pytest -q -n $(WORKERS) tests/server/test_chaos.py $(ARGS)

# All four kinds at once; what was being tried when a process died lies in the file that its test names.
fuzz-bytes: build/sanitize/.built $(HAS_TESTS)
	@echo "SEED=$(SEED)"
	HUTCH_FUZZ_SECONDS=$(SECONDS) HUTCH_FUZZ_SEED=$(SEED) $(PY) tools/sanitized_tests.py address build/sanitize/lib \
	    -n 4 -o faulthandler_timeout=0 tests/structures/test_fuzzed_bytes.py $(ARGS)

# What is kept on disk, for long: killed servers and owners, damaged files, snapshots amid writes.
KILLS           ?= 200
SHARING_SECONDS ?= 120
test-durability: $(BUILT_SHIMS) $(INSTALLED) $(HAS_TESTS)
	HUTCH_KILLS=$(KILLS) HUTCH_SHARING_SECONDS=$(SHARING_SECONDS) HUTCH_SNAPSHOTS=50 HUTCH_LOG_DAMAGE=3000 HUTCH_RDB_ROUNDS=15 \
	    $(PY) -m pytest -q -n $(WORKERS) --dist worksteal $(or $(filter-out tests,$(TESTS)),tests/persistence tests/sharing) $(ARGS)

bench: $(BUILT) $(INSTALLED) $(HAS_TESTS)
	@for script in $(or $(BENCH),$(filter-out bench/peers.py,$(wildcard bench/*.py))); do \
	    echo "== $$script"; $(PY) $$script || exit 1; done

docs-tables: $(BUILT_SHIMS)
	$(PY) tools/docs_tables.py

# ---- the interpreter and its packages

$(PY):
	$(PYTHON) tools/check_machine.py
	$(PYTHON) -m venv $(VENV)

$(HAS_BUILD): pyproject.toml tools/requirements.py | $(PY)
	$(PIP) install $$($(PY) tools/requirements.py build run)
	@touch $@

$(HAS_TESTS): pyproject.toml tools/requirements.py | $(PY)
	$(PIP) install $$($(PY) tools/requirements.py run test applications frameworks cli prometheus opentelemetry)
	@touch $@

# The commands `hutch` and `hutch-server`, and both source roots on the path.
$(INSTALLED): pyproject.toml setup.py src/hutch/version.py | $(BUILT)
	HUTCH_PREBUILT=1 $(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

# ---- the engine; setup.py compiles what is older than its sources

$(BUILT): $(ENGINE) setup.py $(HAS_BUILD)
	$(PY) setup.py -q build_ext --inplace --parallel $(JOBS)
	@touch $@

$(BUILT_SHIMS): $(ENGINE) $(SHIMS) setup.py $(BUILT)
	HUTCH_SHIMS=1 $(PY) setup.py -q build_ext --inplace --parallel $(JOBS)
	@touch $@

# ---- the same with sanitizers, beside the release build

SANITIZED    := build/sanitize build/threads

$(SANITIZED:=/.built): build/%/.built: $(ENGINE) $(SHIMS) $(SOURCES) setup.py $(HAS_BUILD)
	HUTCH_BUILD=$* HUTCH_SHIMS=1 $(PY) setup.py -q build \
	    --build-base build/$* --build-lib build/$*/lib --build-temp build/$*/temp --parallel $(JOBS)
	cp tests/shims/__init__.py build/$*/lib/shims/
	@touch $@

sanitize: build/sanitize/.built $(HAS_TESTS)
	$(PY) tools/sanitized_tests.py address build/sanitize/lib -n $(WORKERS) --dist worksteal $(TESTS) $(ARGS)

# What one thread does alone has no races, and takes ten times as long here: these are the files in which threads of ours or of
# Python's meet in one engine, its listener and its housekeeping.
THREADED := tests/server tests/python tests/test_oracle.py tests/scripting/test_running.py tests/scripting/test_hostile.py \
            tests/commands/test_refused_memory.py
sanitize-threads: build/threads/.built $(HAS_TESTS)
	$(PY) tools/sanitized_tests.py threads build/threads/lib -n $(WORKERS) --dist worksteal \
	    $(if $(filter-out tests,$(TESTS)),$(TESTS),$(THREADED)) $(ARGS)

# ---- other interpreters, each with an environment of its own; their modules lie beside each other

PYTHONS ?=
test-pythons:
	@set -e; $(PYTHON) tools/find_pythons.py $(PYTHONS) | while read -r version path; do \
	    echo "== CPython $$version ($$path)"; \
	    $(MAKE) test PYTHON="$$path" VENV=build/python-$$version </dev/null; done

# ---- a wheel from a copy of the sources, which is gone when the wheel is tried out

docs: $(BUILT) $(INSTALLED)
	$(PIP) install $$($(PY) tools/requirements.py docs)
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=src $(VENV)/bin/mkdocs build --quiet

test-wheel: $(HAS_BUILD)
	rm -rf build/wheel-test && mkdir -p build/wheel-test/source
	tar -c --exclude='*.so' --exclude=__pycache__ engine src tools setup.py pyproject.toml MANIFEST.in README.md LICENSE \
	    | tar -x -C build/wheel-test/source
	cd build/wheel-test/source && $(abspath $(PY)) -m pip --disable-pip-version-check --quiet wheel --no-deps --no-build-isolation \
	    --wheel-dir .. .
	rm -rf build/wheel-test/source
	$(PY) tools/test_wheel.py build/wheel-test/*.whl

wheel: | $(PY)
	$(PIP) wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist src/*.egg-info engine/hutch_engine/commands/command_table.pyx \
	    engine/hutch_engine/runtime/command_handlers.pyx engine/hutch_engine/door/method_table.pyx \
	    engine/hutch_engine/door/methods.pyx engine/hutch_engine/door/methods.pyi
	find engine src tests -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
