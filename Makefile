# Everything is done in .venv, which `setup` makes; `make` alone prints this help.
#   BOARD=...        ulx3s (default), icebreaker, tang_primer_20k, arty_a7 and others; docs/boards.md
#   MODEL=...        a recipe and network in models/, or a path/NAME.s2nn (default mnist-mlp; mnist-tiny for icebreaker and tang_...)
#   PLAN=...         a plan (JSON) instead of the default one, or of that in models/ for this MODEL and BOARD; `make plan` writes one, FPS=... sets its target
#   FREQ=... SEED=... TIMEOUT=...   make bitstream: its --freq (MHz), --seed and --timeout (minutes a tool)
#   SELFTEST=1       make bitstream: the chip feeds itself, VECTORS=... test images (default 64); docs/selftest.md
#   REPORTS=...      the report.json files that `make compare` puts side by side
#   PYTHON=...       the Python to build .venv from, 3.11 or later
#   TORCH_INDEX=...  address of PyTorch's package index for its small CPU build (README)

BOARD ?= ulx3s
ifneq ($(filter icebreaker tang_%,$(BOARD)),)
MODEL ?= mnist-tiny
else
MODEL ?= mnist-mlp
endif
PYTHON ?= python3
TORCH_INDEX ?=

VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin/s2nn-hw
NETWORK := $(if $(filter %.s2nn,$(MODEL)),$(MODEL),models/$(MODEL).s2nn)
override MODEL := $(patsubst %.s2nn,%,$(notdir $(MODEL)))
PLAN ?= $(wildcard models/$(MODEL).$(BOARD).plan.json)
WITH_PLAN = $(if $(PLAN),--plan $(PLAN))
WITH_FLOW = $(if $(FREQ),--freq $(FREQ)) $(if $(SEED),--seed $(SEED)) $(if $(TIMEOUT),--timeout $(TIMEOUT))
WITH_VECTORS = $(if $(VECTORS),--vectors $(VECTORS))

# MODEL:BOARD in the documents, with and without an activity run
TOGGLED := mnist-tiny:icebreaker mnist-mlp:arty_a7 mnist-mlp:ulx3s mnist-cnn:arty_a7 fashion-mlp:arty_a7
REPORTED := fashion-cnn:arty_a7 cifar10-cnn:arty_a7_100 cifar10-resnet:arty_a7_100

.PHONY: help setup site train quantize plan verilog sim bitstream selftest activity report compare explore docs-figures docs-house record-builds record-paths record-plans check-figures verify bench damaged soak test lint clean
.DEFAULT_GOAL := help

help: ## print this help
	@sed -n 's/^# \{0,1\}//p' Makefile | head -9
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY) ## make .venv and install everything, versions as in constraints.txt

$(READY): pyproject.toml constraints.txt tests/frameworks.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than Python 3.11; name a newer one with PYTHON=..." >&2; exit 2; }
	@command -v g++ >/dev/null || { echo "error: no C++ compiler (g++) on the PATH; the simulator needs one, install it with your system's packages" >&2; exit 2; }
	@command -v perl >/dev/null || { echo "error: perl is not on the PATH; Verilator needs it, install it with your system's packages" >&2; exit 2; }
	@echo "setting up $(VENV) (a few minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX) torch,torch)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[sim,flow,train,report,explore,import,dev,docs]'
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement tests/frameworks.txt
	@$(VENV)/bin/python -c 'import sys; from find_libpython import find_libpython; sys.exit(find_libpython() is None)' || echo "note: Python has no shared library here, which simulation wants; install it with your system's packages (Debian: libpython3.x)" >&2
	@touch $(READY)
	@echo "$(VENV) is ready; the command is $(RUN)"

train: $(READY) ## train models/MODEL.toml into runs/MODEL; Ctrl-C stops, the same command goes on
	$(RUN) train models/$(MODEL).toml

quantize: $(READY) ## turn the trained checkpoint into build/MODEL.s2nn
	@mkdir -p build
	$(RUN) quantize runs/$(MODEL)/$(MODEL).safetensors -o build/$(MODEL).s2nn

plan: $(READY) ## choose engines and buffers for BOARD, as fast as fits or for FPS=...; build/MODEL-BOARD.plan.json
	@mkdir -p build
	$(RUN) plan $(NETWORK) --board $(BOARD) $(if $(FPS),--target-fps $(FPS)) -o build/$(MODEL)-$(BOARD).plan.json

verilog: $(READY) ## write the circuit's Verilog, test vectors and a bench to build/verilog/MODEL
	@mkdir -p build/verilog
	$(RUN) verilog $(NETWORK) -o build/verilog/$(MODEL) $(WITH_PLAN)

sim: $(READY) ## run the cocotb benches on the generated Verilog
	$(VENV)/bin/python -m pytest -n auto sim/

bitstream: $(READY) ## network -> Verilog -> routed bitstream and report for BOARD, in build/
	@$(RUN) bitstream $(NETWORK) --board $(BOARD) $(WITH_PLAN) $(WITH_FLOW) $(if $(SELFTEST),--self-test $(WITH_VECTORS)) || { \
	    status=$$?; [ $$status -ne 3 ] || echo "make's 'Error 3' below is this status, and no crash: synthesis and report are done" >&2; exit $$status; }

damaged: $(READY) ## read 5,000 damaged files of every kind, drawn from SEED=... (1): refused in one line, or right
	$(VENV)/bin/python -m tests.support.damaged 5000 $(or $(SEED),1)

soak: $(READY) ## random networks through golden model and Amaranth's simulator, VERILATOR=SHARE also through Verilator; MINUTES=... SEED=...
	$(VENV)/bin/python -m tests.soak.networks --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(if $(VERILATOR),--verilator $(VERILATOR))

selftest: $(READY) ## simulate MODEL's self-test at its UART pins, or ask the board at PORT=... for its verdict
	$(RUN) selftest $(if $(PORT),$(PORT) --network $(NETWORK),$(NETWORK) --simulate $(WITH_PLAN) $(WITH_VECTORS))

activity: $(READY) ## simulate the synthesised netlist on images and count toggles, for the report's energy
	$(RUN) activity $(NETWORK) --board $(BOARD) $(WITH_PLAN)

report: $(READY) ## accuracy, resources, cycles, speed, energy of MODEL on BOARD: table, report.json and page
	@mkdir -p build
	$(RUN) report $(NETWORK) --board $(BOARD) $(WITH_PLAN) --html -o build/$(MODEL)-$(BOARD).report.json

compare: $(READY) ## put REPORTS="a.json b.json ..." side by side: table, and build/compare.html
	@mkdir -p build
	$(RUN) compare $(REPORTS) --html build/compare.html

explore: $(READY) ## search bits, plans and clocks of MODEL on BOARD for several objectives; runs/explore/
	$(RUN) explore $(NETWORK) --board $(BOARD)

docs-figures: $(READY) ## regenerate the pictures and tables of the documents from reports of the shipped networks
	@mkdir -p build/figures
	@set -e; for pair in $(TOGGLED) $(REPORTED); do \
	    model=$${pair%:*}; board=$${pair#*:}; plan=models/$$model.$$board.plan.json; \
	    set -- models/$$model.s2nn --board $$board; if [ -f $$plan ]; then set -- "$$@" --plan $$plan; fi; \
	    case " $(TOGGLED) " in *" $$pair "*) $(RUN) activity "$$@";; esac; \
	    case $$model in cifar10-*) set -- "$$@" --frames 500;; esac; \
	    $(RUN) report "$$@" --html -o build/figures/$$model-$$board.report.json; \
	done
	$(VENV)/bin/python -m s2nn_hw.report.documents build/figures/*.report.json

docs-house: $(READY) ## draw docs/figures/house.svg, which room of the code reads which, from the imports
	$(VENV)/bin/python -m benchmarks.house

record-builds: $(READY) ## write the finished builds in build/ to docs/figures/builds.json, and their tables in the documents
	$(VENV)/bin/python -m benchmarks.recorded builds

record-paths: $(READY) ## synthesise the shipped networks for Artix and ECP5, write fan-outs and levels to docs/figures/paths.json
	$(VENV)/bin/python -m benchmarks paths
	$(VENV)/bin/python -m benchmarks.recorded paths

record-plans: $(READY) ## plan every shipped network for every board (an hour, goes on where it stopped), write docs/figures/plans.json
	$(VENV)/bin/python -m benchmarks plan || test $$? -eq 1 # a figure that is missed is recorded, too
	$(VENV)/bin/python -m benchmarks.recorded plans

check-figures: $(READY) ## hold the figures of the documents against the networks and the recorded builds; STRICT=1 for a release
	$(VENV)/bin/python -m benchmarks.recorded check $(if $(STRICT),--strict)

verify: $(READY) ## send MODEL's test set (DOWNLOAD=1 fetches it; the first LIMIT=... images) through the Verilog, everything compared
	$(RUN) verify $(NETWORK) $(WITH_PLAN) $(if $(LIMIT),--limit $(LIMIT)) $(if $(DOWNLOAD),--download)

bench: $(READY) ## run the benchmarks; tables here, JSON in build/bench
	$(VENV)/bin/python -m benchmarks

test: $(READY) ## run the whole test suite
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto --dist worksteal
	@echo "all tests passed: training, quantizer, golden model, circuits, Verilog under cocotb, link, build flows"

site: $(READY) ## build the documentation as a site in build/site; tutorials are run, a warning is an error
	$(VENV)/bin/python -m sphinx -W --keep-going -q -b html docs build/site

lint: $(READY) ## check style, layout and types of the code
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

clean: ## remove build/ and caches (not .venv, not runs/)
	rm -rf build .pytest_cache .ruff_cache .hypothesis *.egg-info
