# Two commands matter: `make demo` and `make test`. Both set everything up and may be run again at will.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= out
REAL_DATA ?= ../shared/data
REAL_WEIGHTS ?= ../shared/weights
REAL_INPUTS ?= ../shared/findings/inputs
SOAK ?= 0
# Test files run side by side in so many processes, the longest ones first: pytest keeps the order of folders, but not
# beside one that holds them all.
WORKERS ?= 2
LONGEST := tests/rehearsal tests/loop
FOLDERS := $(LONGEST) $(filter-out $(LONGEST) tests/support,$(patsubst %/,%,$(sort $(wildcard tests/*/))))
SIDE_BY_SIDE := --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# COVERAGE=1 measures branch coverage of the tests and of the programs that they start.
COVERED := COVERAGE_FILE=$(abspath $(OUT))/coverage/.coverage $(BIN)/python -m coverage
PYTEST := $(if $(COVERAGE),$(COVERED) run -m pytest,$(BIN)/python -m pytest)

BUILD = $(or $(CONTAINER),podman) build $(if $(BASE),--build-arg BASE=$(BASE)) $(BUILD_FLAGS)

.DEFAULT_GOAL := help
.PHONY: help install demo demo-rounds demo-control demo-mixes demo-real test slow check lint types structure coverage house faults mutants trouble rehearsal rehearsal-containers browser screenshots evidence prototypes prototype-cosine bench-edge teacher-bias bench-generate photographs wire-format bench-train images clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

install: $(STAMP)  ## the virtual environment with everything, at the pinned versions
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Blindspot needs Python 3.11 or newer; set PYTHON=python3.x" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[edge,cloud,dashboards,dev]'
	touch $@

demo: $(STAMP)  ## the whole loop on this machine: a blind spot is found and closed
	$(BIN)/blindspot demo --out $(OUT)/demo

demo-rounds: $(STAMP)  ## three rounds in a row, the cloud restarted between them
	$(BIN)/blindspot demo --rounds 3 --out $(OUT)/demo-rounds

demo-control: $(STAMP)  ## what the generated images of the last `make demo` contribute: its training again, without them
	$(EXPERIMENT) demo-control

demo-mixes: $(STAMP)  ## other mixes of the last demo's generated and real images, with two other seeds (40 minutes)
	$(EXPERIMENT) demo-mixes

demo-real: $(STAMP)  ## the loop on real photographs (REAL_DATA, REAL_WEIGHTS: their folders)
	@if [ -d $(REAL_DATA) ]; then $(BIN)/blindspot demo-real --data $(REAL_DATA) --weights $(REAL_WEIGHTS) \
	  --out $(OUT)/demo-real --detectors $(OUT)/demo-real-detectors; \
	else echo "demo-real is skipped: there are no photographs in $(REAL_DATA) (set REAL_DATA and REAL_WEIGHTS)"; fi

test: $(STAMP)  ## the tests, the tiny rehearsal of a whole deployment among them
	$(PYTEST) $(SIDE_BY_SIDE) $(FOLDERS)

slow: $(STAMP)  ## the tests that train, run the demo, take a browser long or start containers (minutes; skipped ones say why)
	$(PYTEST) $(SIDE_BY_SIDE) -m slow -rs $(filter-out tests/faults,$(FOLDERS))

check: lint types structure  ## what CI checks before the tests

lint: $(STAMP)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy, strict; the shared code of the tests too
	$(BIN)/mypy

structure: $(STAMP)  ## layers, sizes and names of the source tree
	$(BIN)/python -m pytest tests/rules

coverage: $(STAMP)  ## the tests with branch coverage, of the programs that they start too
	rm -f $(OUT)/coverage/.coverage*
	$(MAKE) --no-print-directory test slow COVERAGE=1
	$(COVERED) combine --quiet
	$(COVERED) json --quiet -o $(OUT)/coverage/coverage.json
	$(COVERED) report --skip-covered --sort cover

house: $(STAMP)  ## figures of the source tree; coverage as of the last `make coverage`
	$(BIN)/python -m tests.rules.house $(OUT)/coverage/coverage.json $(OUT)/figures/house.json

faults: $(STAMP)  ## the heavy fault runs: kill -9 of everything; in the end a table of all promises
	BLINDSPOT_EXAMPLES=many $(BIN)/python -m tests.support.figures.promises --out $(OUT)/figures

mutants: $(STAMP)  ## the list of mutants of trust-critical lines: each must make its test fail (minutes)
	$(BIN)/python -m tests.faults.mutant_figures --out $(OUT)/figures/mutants.json

trouble: $(STAMP)  ## trouble from the real world, by the public commands (SOAK=10: minutes of soak; REAL_INPUTS: its folder)
	$(BIN)/python -m tests.trouble --inputs $(REAL_INPUTS) --soak-minutes $(SOAK) --out $(OUT)/figures/trouble.json

rehearsal: $(STAMP)  ## docs/deploy-a-site.md, done by its own commands until a failure mode is closed (half an hour)
	$(BIN)/python -m tests.rehearsal --out $(OUT)/figures/rehearsal.json

rehearsal-containers: $(STAMP)  ## docs/deploy-in-containers.md likewise: images are built, every program in a container (root; PROFILE=tiny)
	$(BIN)/python -m tests.rehearsal --containers --profile $(or $(PROFILE),full) --out $(OUT)/figures/rehearsal_containers.json

PAGE_FIGURES = $(BIN)/python -m tests.browser.page_figures --out $(OUT)/figures/pages.json --screenshots $(OUT)/screenshots
DIALOG_FIGURES = $(BIN)/python -m tests.browser.dialog_figures --out $(OUT)/figures/dialogs.json --screenshots $(OUT)/screenshots
# A program whose figure misses its target does not stop the next one: the last line fails if any figure misses it.
BROWSER_FIGURES := pages dialogs live lists api authorisation journeys browser
browser: $(STAMP)  ## the dashboard in a real browser (needs chromium); its figures in browser.json
	rm -f $(BROWSER_FIGURES:%=$(OUT)/figures/%.json)
	$(BIN)/python -m pytest tests/browser -m 'slow or not slow' --ignore-glob '*/test_*journeys.py'
	-$(PAGE_FIGURES)
	-$(DIALOG_FIGURES)
	-$(BIN)/python -m tests.browser.live_figures --out $(OUT)/figures/live.json
	-$(BIN)/python -m tests.browser.list_figures --out $(OUT)/figures/lists.json
	-$(BIN)/python -m tests.faults.api_figures --out $(OUT)/figures/api.json
	-$(BIN)/python -m tests.support.figures.authorisation --out $(OUT)/figures/authorisation.json
	-$(BIN)/python -m tests.browser.journey_figures --out $(OUT)/figures/journeys.json
	$(BIN)/python -m tests.support.figures.browser --folder $(OUT)/figures --out $(OUT)/figures/browser.json

screenshots: $(STAMP)  ## of every page and dialog in both themes, wide and narrow, with what axe-core finds
	$(PAGE_FIGURES)
	$(DIALOG_FIGURES)

EXPERIMENT = $(BIN)/blindspot experiment run --out $(OUT)

evidence: $(STAMP)  ## how often each evidence source is right, on drawn footage (about half an hour)
	$(EXPERIMENT) evidence

bench-edge: $(STAMP)  ## milliseconds of a frame at a site, beside its bare model and ultralytics' predict
	$(EXPERIMENT) bench-edge

teacher-bias: $(STAMP)  ## how far recall that a teacher estimates from few frames is off (a minute)
	$(EXPERIMENT) teacher-bias

prototypes: $(STAMP)  ## whether a prototype steers the bundled Stable Diffusion (some minutes)
	$(EXPERIMENT) prototypes

photographs: $(STAMP)  ## the shipped detector on photographs and films of real hazards (REAL_DATA: their folder)
	@if [ -d $(REAL_DATA)/hazards_licensed ]; then $(EXPERIMENT) photographs -- \
	  --photographs $(REAL_DATA)/hazards --photographs $(REAL_DATA)/hazards_licensed --clips $(REAL_DATA)/clips; \
	else echo "photographs is skipped: there are none in $(REAL_DATA)/hazards_licensed (set REAL_DATA)"; fi

prototype-cosine: $(STAMP)  ## how near released prototypes are to the mean without noise (some minutes)
	$(EXPERIMENT) prototype-cosine

bench-generate: $(STAMP)  ## images per second of the generator, beside the plain diffusers call (GENERATOR: a pipeline folder)
	$(EXPERIMENT) bench-generate -- $(if $(GENERATOR),--generator $(GENERATOR))

wire-format: $(STAMP)  ## bytes per message, beside UPER, protobuf, CBOR and JSON
	$(EXPERIMENT) wire-format

bench-train: $(STAMP)  ## speed of our training beside ultralytics' own, and its memory with 50,000 images (half an hour)
	$(EXPERIMENT) bench-train

images:  ## the container images of site and cloud (BASE=image, CONTAINER=docker, BUILD_FLAGS=… where wanted)
	$(BUILD) -f deploy/edge.Containerfile -t blindspot-edge .
	$(BUILD) -f deploy/cloud.Containerfile -t blindspot-cloud .

clean:  ## remove what was built and measured, and the environment
	rm -rf $(VENV) $(OUT) dist build
