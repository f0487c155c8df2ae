# Signum: generate a binary systolic array, prove it, put it on a board. `make` lists what there is.

VENV   := .venv
PYTHON := $(VENV)/bin/python
STAMP  := $(VENV)/.installed

OUT    ?= build/verilog
BOARD  ?= icebreaker
N      ?= 200
JOBS   ?= 2

# parameters of `make verilog`, such as ROWS=5; the names are those of hdl.config.ArrayConfig in capitals
PARAMETERS := PRESET CONFIG ROWS COLS LANES TILE PIPELINE ACC_BITS SUM_BITS \
              WEIGHT_DEPTH ACTIVATION_DEPTH THRESHOLD_DEPTH PROGRAM_DEPTH ACCESS_PATTERNS ZERO_PADDING \
              REQUANTIZE_DEPTH REQUANTIZE_SHIFT SCALE_BITS ELEMENT_BITS DRAIN_WIDTH FETCH_WIDTH MEMORY_REGISTERS
lower = $(shell printf '%s' '$(1)' | tr 'A-Z_' 'a-z-')
GIVEN = $(foreach name,$(PARAMETERS),$(if $(value $(name)),--$(call lower,$(name))='$(value $(name))'))

# what `make bitstream` takes besides BOARD; OUT only where it is given
CHOSEN = $(foreach name,PRESET CONFIG FREQUENCY BAUD SEED SEEDS,$(if $(value $(name)),--$(call lower,$(name))='$(value $(name))')) \
         $(if $(LOADER),--loader) $(if $(filter command line,$(origin OUT)),--out='$(OUT)')

.DEFAULT_GOAL := help
.PHONY: help venv verilog test test-quick soak bitstream demo task train ablation resnet18 paper boards board-sim faults ladder explore bench bench-table doctor lint pages clean

help:
	@echo 'make demo                           train digits, run them on the hardware, build the bitstream'
	@echo 'make test                           the regression (20 minutes); make test-quick: 9 minutes'
	@echo '                                    SEED=n, SIM=verilator or icarus, WAVES=1'
	@echo 'make verilog ROWS=5 COLS=3 LANES=24 write build/verilog/signum.v, .json, .vlt and .core'
	@echo '                                    OUT=folder, PRESET=icebreaker, TILE=2, WRAPPER=axi or wishbone, CELLS=ecp5, ...'
	@echo 'make bitstream BOARD=icebreaker     synthesize, place, route, pack and report'
	@echo '                                    PRESET=, CONFIG=file.toml, FREQUENCY=MHz, SEEDS=n, OUT=folder, LOADER=1'
	@echo 'make soak N=200 SEED=1              random arrays and layers, as many as asked'
	@echo 'make task TASK=segmentation         a vision task: its networks judged, drawn, and run on the array in RTL'
	@echo '                                    classification, detection, segmentation, super_resolution, matching'
	@echo 'make train TASK=segmentation        train its float, 8-bit and binary networks again (SEEDS=3)'
	@echo 'make ablation                       the parts of the training scheme, one by one'
	@echo 'make resnet18                       the paper'"'"'s ResNet-18 at 224x224, whole in RTL'
	@echo 'make paper                          docs/paper.md: every claim of the paper beside our figure'
	@echo 'make board-sim                      a virtual board at a serial port; make boards: what was built for which'
	@echo 'make faults                         noise on the line to the board, 10,000 times: no wrong answer'
	@echo 'make ladder                         digits on the netlist of each family, and on an iCE40 bitstream read back'
	@echo 'make explore NETWORK=cnv BOARD=ulx3s-85f  which array is best for a network on a board'
	@echo 'make bench                          areas, clocks, networks, generator, simulation: docs/performance.md'
	@echo 'make bench-networks                 one of them: bench-area, -elements, -clock, -loader, -streaming, ...'
	@echo 'make bench-table NAME=networks      the recorded rows of one of them, as a table'
	@echo 'make doctor                         tools, versions, and how to get what is missing'
	@echo 'make lint                           style, types, and who imports whom'
	@echo 'make pages                          every figure of README.md and docs from its record, and docs/map.md'
	@echo '                                    make demo RECORD=1, ladder, faults and bench-... make the records'
	@echo 'make venv                           only install; every target does so on first use'
	@echo 'make clean                          remove build and the caches; .venv stays'

venv: $(STAMP)

$(STAMP): pyproject.toml
	@command -v python3 >/dev/null || { echo 'python3 is missing: apt-get install python3 python3-venv'; exit 1; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "python3 must be at least 3.11, not $$(python3 -V)"; exit 1; }
	@python3 -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'python3-venv is missing: apt-get install python3-venv'; exit 1; }
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@mkdir -p $(VENV)/source && ln -sfn ../.. $(VENV)/source/signum     # for mypy, which does not follow an editable install
	@touch $@
	@$(PYTHON) -m signum.fpga.flow.doctor || true

verilog: $(STAMP)
	@$(PYTHON) -m signum.hdl verilog --out='$(OUT)' $(GIVEN) $(if $(WRAPPER),--wrapper '$(WRAPPER)') $(if $(CELLS),--cells '$(CELLS)')

test: $(STAMP)
	$(PYTHON) -m pytest -n $(JOBS) --dist worksteal -q verif

test-quick: $(STAMP)
	$(PYTHON) -m pytest -n $(JOBS) --dist worksteal -q -m 'not slow' verif

soak: $(STAMP)
	$(PYTHON) -m signum.verif.runs.soak --n '$(N)' $(if $(SEED),--seed '$(SEED)')

bitstream: $(STAMP)
	$(PYTHON) -m signum.fpga build --board '$(BOARD)' $(CHOSEN)

demo: $(STAMP)
	$(PYTHON) -m signum.verif.runs.demo $(if $(RECORD),--record)

task: $(STAMP)
	$(PYTHON) -m signum.verif.runs.task --task '$(TASK)' $(if $(IMAGES),--images '$(IMAGES)')

train: $(STAMP)
	$(PYTHON) -m signum.golden contest --task '$(TASK)' $(if $(SEEDS),--seeds '$(SEEDS)')

ablation: $(STAMP)
	$(PYTHON) -m signum.golden ablation $(if $(SEEDS),--seeds '$(SEEDS)')

resnet18: $(STAMP)
	$(PYTHON) -m signum.verif.runs.resnet18

paper: $(STAMP)
	$(PYTHON) -m signum.verif.runs.paper

boards: $(STAMP)
	@$(PYTHON) -m signum.fpga boards

board-sim: $(STAMP)
	@$(PYTHON) -m signum.fpga board-sim

faults: $(STAMP)
	$(PYTHON) -m signum.verif.runs.faults $(if $(RECORD),--record)

ladder: $(STAMP)
	$(PYTHON) -m signum.verif.runs.ladder $(if $(IMAGES),--images '$(IMAGES)') $(if $(PRESET),--preset '$(PRESET)') $(if $(RECORD),--record)

explore: $(STAMP)
	$(PYTHON) -m signum.fpga explore --network '$(NETWORK)' --board '$(BOARD)' $(if $(OBJECTIVE),--objective '$(OBJECTIVE)')

bench: $(STAMP)
	$(PYTHON) -m signum.verif.benchmarks --record
	$(PYTHON) -m signum.verif.runs.pages

bench-table: $(STAMP)
	@$(PYTHON) -m signum.verif.benchmarks --table $(NAME)

bench-%: $(STAMP)
	$(PYTHON) -m signum.verif.benchmarks --record $*
	$(PYTHON) -m signum.verif.runs.pages

doctor: $(STAMP)
	@$(PYTHON) -m signum.fpga.flow.doctor

lint: $(STAMP)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports --no-cache

pages: $(STAMP)
	$(PYTHON) -m signum.verif.runs.pages

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
