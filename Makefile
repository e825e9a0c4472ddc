# make help · walk · test · test-all · lab · pages · docs · demo · record
# PYTHON=… uses an existing environment instead of .venv.

PY := $(if $(PYTHON),$(PYTHON),.venv/bin/python)
READY := $(if $(PYTHON),,.venv/installed)
OUT ?= _walk
# An option of `walk`, if its variable stands on the command line; the environment's ARCH or SIZE mean other things.
given = $(if $(filter command,$(word 1,$(origin $(1)))),--$(2) "$($(1))")
PET_BREEDS = "$(PY)" -c 'from pet_breeds.cli import app; app()'
WALK = $(PET_BREEDS) walk --out "$(OUT)" $(call given,DATA,data) $(call given,ARCH,arch) \
  $(call given,DEEP_ARCH,deep-arch) $(call given,SIZE,size) $(call given,BS,bs) $(call given,SEED,seed) \
  $(call given,EPOCHS,epochs) $(call given,LABEL,label) $(call given,FROM,from)
PYTEST = -m pytest $(if $(JUNIT),--junitxml="$(JUNIT)")

.PHONY: help walk test test-all lab pages docs demo record

walk: $(READY)
	$(WALK)

test: $(READY)
	"$(PY)" $(PYTEST)

# Everything, and which lines of the modules ran; by the table one sees what no test reaches.
test-all: $(READY)
	rm -f .coverage*
	"$(PY)" -m coverage run $(PYTEST) -m ''
	"$(PY)" -m coverage combine --quiet
	"$(PY)" -m coverage report

lab: $(READY)
	"$(PY)" -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) nbs

help:
	@echo 'make walk      execute the pages on the drawn sample; DATA=FOLDER or pets, ARCH= DEEP_ARCH= SIZE= BS= SEED= EPOCHS= LABEL= FROM= OUT='
	@echo 'make test      the tests; make test-all also the slow ones'
	@echo 'make lab       open the notebooks in JupyterLab'
	@echo 'make pages     execute stale pages, or PAGES="02_lr_find"'
	@echo 'make docs      render the site; make demo builds and serves its page that answers in the browser'
	@echo 'make record    NAME=… [DATA=…] runs an experiment and keeps its record'

# The outputs that the pages store, of stale pages or of PAGES="02_lr_find lib/stats" (or all): each in a fresh kernel, on the sample.
pages: $(READY)
	"$(PY)" tests/pages.py $(PAGES)

# The site, made in a copy so that no photo gets into the sources; DATA=… executes the pages on it first. AXE=1 lets each page
# show what its accessibility check found (Quarto loads the checker from another host, so it is not for publishing).
docs: $(READY)
	@command -v quarto >/dev/null || { echo 'the site needs Quarto 1.6 or newer on PATH: https://quarto.org/docs/get-started'; exit 3; }
	$(if $(DATA),$(WALK))
	rm -rf "$(OUT)/site" && mkdir -p "$(OUT)/site" && git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$(OUT)/site"
	$(if $(DATA),cp "$(OUT)"/0*.ipynb "$(OUT)/site/nbs/")
	case $$(quarto --version) in 1.[678].*) ;; *) sed -i.bak 's/# 1\.9: //' "$(OUT)/site/_quarto.yml";; esac
	$(if $(AXE),sed -i.bak 's/# axe: //' "$(OUT)/site/_quarto.yml")
	touch "$(OUT)/site/README.md"  # nbdev need not make it again
	cd "$(OUT)/site" && PYTHONPATH=tests "$(abspath $(PY))" -c 'from nbdev.quarto import nbdev_docs; nbdev_docs()'
	cd "$(OUT)/site" && "$(abspath $(PY))" tests/render.py _docs
	"$(PY)" demo/build.py "$(OUT)/site/_docs/demo" || test $$? -eq 3  # 3: no npm, and the page says so
	@echo "open $(OUT)/site/_docs/index.html"

# The page that answers in the reader's browser, alone: built into _demo and served on this computer. It needs npm.
demo: $(READY)
	"$(PY)" demo/build.py _demo --serve

# Run an experiment and keep its record in results/: make record NAME=rates, or with DATA=../shared/pets; it resumes.
record: $(READY)
	@test -f "experiments/$(NAME:common=).py" || { echo 'say which: make record NAME=…, one of '$$(cd experiments && ls *.py | sed 's/\.py//' | grep -v common); exit 2; }
	"$(PY)" "experiments/$(NAME).py" $(call given,DATA,data)

.venv/installed: settings.ini setup.py
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pet_breeds needs Python 3.11 or newer; python3 is " + sys.version.split()[0])'
	test -x .venv/bin/python || python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade pip
	.venv/bin/python -m pip install --quiet -e '.[dev]'
	touch $@
