# make walk · test · test-all · lab · pages · record · docs · backbones
# PYTHON=… uses an existing environment instead of .venv.

PY := $(if $(PYTHON),$(PYTHON),.venv/bin/python)
READY := $(if $(PYTHON),,.venv/installed)
OUT ?= _walk
WALK = $(PY) -c 'from pet_breeds.cli import app; app()' walk --out "$(OUT)" $(if $(DATA),--data "$(DATA)") \
  $(if $(ARCH),--arch "$(ARCH)") $(if $(DEEP_ARCH),--deep-arch "$(DEEP_ARCH)") $(if $(SIZE),--size "$(SIZE)") \
  $(if $(BS),--bs "$(BS)") $(if $(SEED),--seed "$(SEED)") $(if $(EPOCHS),--epochs "$(EPOCHS)") $(if $(FROM),--from "$(FROM)")

.PHONY: walk test test-all test-slow lab pages record backbones

walk: $(READY)
	$(WALK)

test: $(READY)
	$(PY) -m pytest $(if $(JUNIT),--junitxml="$(JUNIT)")

test-slow: $(READY)
	$(PY) -m pytest -m slow

test-all: $(READY)
	$(PY) -m pytest -m ''

lab: $(READY)
	$(PY) -m jupyterlab nbs

# The outputs that the pages store: each notebook in a fresh kernel, on the sample.
pages: $(READY)
	$(PY) tests/pages.py $(PAGES)

# Keep a walk's results in the repository: make record NAME=sample, or with DATA=… as for walk.
record: $(READY)
	@test -n "$(NAME)" || { echo 'say under which name: make record NAME=sample'; exit 2; }
	$(WALK)
	cp "$(OUT)/results.json" "results/$(NAME).json"

# The shipped weights, about half an hour on two cores.
backbones: $(READY)
	$(PY) -c 'from pet_breeds.backbones import make_backbones; make_backbones()'

.venv/installed: settings.ini setup.py
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pet_breeds needs Python 3.11 or newer; python3 is " + sys.version.split()[0])'
	test -x .venv/bin/python || python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade pip
	.venv/bin/python -m pip install --quiet -e '.[dev]'
	touch $@
