# make walk · test · test-all · lab · pages · docs · record
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

.PHONY: walk test test-all lab pages docs record

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
	"$(PY)" -m jupyterlab nbs

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
	@echo "open $(OUT)/site/_docs/index.html"

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
