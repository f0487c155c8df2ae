# Signum: generate a binary systolic array, prove it, put it on a board. `make` lists the targets. They install into .venv
# on first use, and are short forms of the command there: .venv/bin/signum --help.

VENV   := .venv
PYTHON := $(VENV)/bin/python
SIGNUM := $(VENV)/bin/signum
STAMP  := $(VENV)/.installed
LOCK   := requirements.lock

OUT    ?= build/verilog
BOARD  ?= icebreaker
N      ?= 200
JOBS   ?= 2

# parameters of `make verilog`, such as ROWS=5; the names are those of hdl.config.ArrayConfig in capitals
PARAMETERS := PRESET CONFIG ROWS COLS LANES TILE PIPELINE ACC_BITS SUM_BITS \
              WEIGHT_DEPTH ACTIVATION_DEPTH THRESHOLD_DEPTH PROGRAM_DEPTH ACCESS_PATTERNS ZERO_PADDING \
              REQUANTIZE_DEPTH REQUANTIZE_SHIFT SCALE_BITS ELEMENT_BITS DRAIN_WIDTH FETCH_WIDTH MEMORY_REGISTERS \
              THRESHOLD_LEVELS WEIGHT_REPEATS ACCUMULATOR_SHIFT INPUT_DEPTH INPUT_PLANES INPUT_LEVELS INPUT_MAXIMUM \
              INPUT_PLACES INPUT_TABLES ANSWER_RANKS ANSWER_VALUES ANSWER_BYTES ANSWER_SHUFFLE PARITY GATE RAW_DEPTH \
              TILE_HEIGHT
lower = $(shell printf '%s' '$(1)' | tr 'A-Z_' 'a-z-')
# options of the variables that are given: $(call given,SEEDS IMAGES) is --seeds='3' after SEEDS=3
given = $(strip $(foreach name,$(1),$(if $(value $(name)),--$(call lower,$(name))='$(value $(name))')))

# what `make bitstream` takes besides BOARD; OUT only where it is given
CHOSEN = $(call given,PRESET CONFIG FREQUENCY LINE BAUD ADDRESS SEED SEEDS $(if $(filter command line,$(origin NETWORK)),NETWORK) CAMERA) $(if $(LOADER),--loader) $(if $(QUAD),--quad) \
         $(if $(filter command line,$(origin OUT)),--out='$(OUT)')

.DEFAULT_GOAL := help
.PHONY: help venv verilog test test-all test-quick soak fuzz bitstream demo demo-camera task train ablation resnet18 paper boards board-sim faults formal mutate coverage ladder explore plan bench bench-table doctor lint pages lock wheel clean

help:
	@echo 'make demo                           train digits, run them on the hardware, build the bitstream'
	@echo 'make demo-camera                    digits shown to a camera: power-up to answers, without a host'
	@echo 'make test                           the regression (50 minutes); make test-quick: 15 minutes;'
	@echo '                                    make test-all: with all cases of the tests that have many'
	@echo '                                    SEED=n, SIM=verilator or icarus, WAVES=1'
	@echo 'make plan                           the test plan beside what the last make test ran: build/plan/report.json'
	@echo '                                    GAPS=1 lists what no test covers, RECORD=1'
	@echo 'make verilog ROWS=5 COLS=3 LANES=24 write build/verilog/signum.v, .json, .vlt and .core'
	@echo '                                    OUT=folder, PRESET=icebreaker, TILE=2, WRAPPER=axi, axis or wishbone, CELLS=ecp5, POPCOUNT=, ...'
	@echo 'make bitstream BOARD=icebreaker     synthesize, place, route, pack and report'
	@echo '                                    PRESET=, CONFIG=file.toml, FREQUENCY=MHz, SEEDS=n, OUT=folder, LOADER=1,'
	@echo '                                    NETWORK=net.sgn, QUAD=1, CAMERA=hm01b0, LINE=ethernet ADDRESS=192.168.1.50'
	@echo 'make soak N=200 SEED=1              random arrays and networks, as many as asked; RECORD=1'
	@echo 'make soak N=5000 CROSS=1            those that fill the cross of functional coverage'
	@echo 'make fuzz N=100000 SEED=1           damaged and made-up inputs to everything that reads; TARGET=config, RECORD=1'
	@echo 'make task TASK=segmentation         a vision task: its networks judged, drawn, and run on the array in RTL'
	@echo '                                    classification, detection, segmentation, super_resolution, matching'
	@echo 'make train TASK=segmentation        train its float, 8-bit and binary networks again (SEEDS=3 WIDTHS=1)'
	@echo 'make ablation TASK=segmentation     the parts of a training, one by one'
	@echo 'make resnet18                       the paper'"'"'s ResNet-18 at 224x224, whole in RTL'
	@echo 'make paper                          docs/paper.md: every claim of the paper beside our figure'
	@echo 'make board-sim                      a virtual board at a serial port; make boards: what was built for which'
	@echo 'make faults                         noise on the line to the board, 10,000 times: no wrong answer'
	@echo 'make formal                         proofs of the units: build/formal/report.json; SUBJECT=pe'
	@echo 'make mutate                         small changes of the hardware and the sources, and which of them the tests find'
	@echo '                                    UNIT=pe N=50 SEED=1, RECORD=1; build/mutate/report.json'
	@echo 'make coverage                       lines and toggles of the hardware that Verilator sees in the tests; RECORD=1'
	@echo 'make ladder                         digits on the netlist of each family, and on an iCE40 bitstream read back'
	@echo 'make explore NETWORK=cnv BOARD=ulx3s-85f  which array is best for a network on a board'
	@echo 'make bench                          areas, clocks, networks, generator, simulation: docs/performance.md'
	@echo 'make bench-networks                 one of them: bench-area, -elements, -clock, -loader, -streaming, ...'
	@echo 'make bench-table NAME=networks      the recorded rows of one of them, as a table'
	@echo 'make doctor                         tools, versions, and how to get what is missing'
	@echo 'make lint                           style, types, and who imports whom'
	@echo 'make pages                          every figure of README.md and docs from its record, and docs/map.md'
	@echo '                                    make demo RECORD=1, ladder, faults and bench-... make the records'
	@echo 'make wheel                          build/dist/signum-VERSION.whl, to install anywhere'
	@echo 'make lock                           requirements.lock: the newest versions that pyproject.toml allows'
	@echo 'make venv                           only install; every target does so on first use'
	@echo 'make clean                          remove build and the caches; .venv stays'
	@echo 'These are short forms of .venv/bin/signum, which has more options: signum --help, signum build --help'

venv: $(STAMP)

$(STAMP): pyproject.toml $(LOCK)
	@command -v python3 >/dev/null || { echo 'python3 is missing: apt-get install python3 python3-venv'; exit 1; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "python3 must be at least 3.11, not $$(python3 -V)"; exit 1; }
	@python3 -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'python3-venv is missing: apt-get install python3-venv'; exit 1; }
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --constraint $(LOCK) --editable '.[dev,import]'
	@mkdir -p $(VENV)/source && ln -sfn ../.. $(VENV)/source/signum     # for mypy, which does not follow an editable install
	@touch $@
	@$(SIGNUM) doctor || true

verilog: $(STAMP)
	@$(SIGNUM) verilog --out='$(OUT)' $(call given,$(PARAMETERS) WRAPPER CELLS POPCOUNT)

test: $(STAMP)
	$(SIGNUM) test --jobs='$(JOBS)'

test-all: $(STAMP)
	$(SIGNUM) test --all --jobs='$(JOBS)'

test-quick: $(STAMP)
	$(SIGNUM) test --quick --jobs='$(JOBS)'

plan: $(STAMP)
	@$(SIGNUM) plan $(if $(GAPS),--gaps) $(if $(RECORD),--record)

soak: $(STAMP)
	$(SIGNUM) soak --n='$(N)' $(call given,SEED) $(if $(CROSS),--cross) $(if $(RECORD),--record)

fuzz: $(STAMP)
	$(SIGNUM) fuzz $(if $(filter command line,$(origin N)),--n='$(N)') $(call given,SEED TARGET NUMBER) $(if $(RECORD),--record)

bitstream: $(STAMP)
	$(SIGNUM) build --board='$(BOARD)' $(CHOSEN)

demo-camera: $(STAMP)
	$(SIGNUM) demo-camera $(if $(filter command line,$(origin IMAGES)),--images='$(IMAGES)') $(if $(RECORD),--record)

demo: $(STAMP)
	$(SIGNUM) demo $(if $(RECORD),--record)

task: $(STAMP)
	$(SIGNUM) task --task='$(TASK)' $(call given,IMAGES)

train: $(STAMP)
	$(SIGNUM) train --task='$(TASK)' $(call given,SEEDS) $(if $(WIDTHS),--widths)

ablation: $(STAMP)
	$(SIGNUM) ablation $(call given,TASK SEEDS)

resnet18: $(STAMP)
	$(SIGNUM) resnet18

paper: $(STAMP)
	$(SIGNUM) paper

boards: $(STAMP)
	@$(SIGNUM) boards

board-sim: $(STAMP)
	@$(SIGNUM) board-sim

faults: $(STAMP)
	$(SIGNUM) faults $(if $(RECORD),--record)

formal: $(STAMP)
	$(SIGNUM) formal $(call given,SUBJECT) $(if $(RECORD),--record)

mutate: $(STAMP)
	$(SIGNUM) mutate --jobs='$(JOBS)' $(if $(filter command line,$(origin N)),--n='$(N)') $(call given,SEED UNIT) $(if $(RECORD),--record)

coverage: $(STAMP)
	$(SIGNUM) coverage --jobs='$(JOBS)' $(if $(RECORD),--record)

ladder: $(STAMP)
	$(SIGNUM) ladder $(call given,IMAGES PRESET) $(if $(RECORD),--record)

explore: $(STAMP)
	$(SIGNUM) explore --network='$(NETWORK)' --board='$(BOARD)' $(call given,OBJECTIVE)

bench: $(STAMP)
	$(SIGNUM) bench --record
	$(SIGNUM) pages

bench-table: $(STAMP)
	@$(SIGNUM) bench --table $(NAME)

bench-%: $(STAMP)
	$(SIGNUM) bench --record $*
	$(SIGNUM) pages

doctor: $(STAMP)
	@$(SIGNUM) doctor

lint: $(STAMP)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports --no-cache

pages: $(STAMP)
	$(SIGNUM) pages

lock: $(STAMP)
	$(SIGNUM) lock

wheel: $(STAMP)
	rm -rf build/lib build/bdist.* build/dist       # setuptools would pack modules of before that lie there
	$(PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir build/dist .

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
