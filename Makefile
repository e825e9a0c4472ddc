# make walk · test · test-all · lab · pages · docs · record · record-experiments · record-steps · record-photos · record-official · record-race · record-start · record-options · bench · difficulty · backbones
# PYTHON=… uses an existing environment instead of .venv.

PY := $(if $(PYTHON),$(PYTHON),.venv/bin/python)
READY := $(if $(PYTHON),,.venv/installed)
OUT ?= _walk
# An option of `walk`, if its variable stands on the command line; the environment's ARCH or SIZE mean other things.
given = $(if $(filter command,$(word 1,$(origin $(1)))),--$(2) "$($(1))")
PET_BREEDS = "$(PY)" -c 'from pet_breeds.cli import app; app()'
WALK = $(PET_BREEDS) walk --out "$(OUT)" $(call given,DATA,data) $(call given,ARCH,arch) \
  $(call given,DEEP_ARCH,deep-arch) $(call given,SIZE,size) $(call given,BS,bs) $(call given,SEED,seed) \
  $(call given,EPOCHS,epochs) $(call given,FROM,from)
PYTEST = -m pytest $(if $(JUNIT),--junitxml="$(JUNIT)")

.PHONY: walk test test-all test-slow lab pages docs record record-experiments record-steps record-photos record-official record-race record-start record-options bench difficulty backbones

walk: $(READY)
	$(WALK)

test: $(READY)
	"$(PY)" $(PYTEST)

test-slow: $(READY)
	"$(PY)" $(PYTEST) -m slow

# Everything, and which lines of the modules ran; by the table one sees what no test reaches.
test-all: $(READY)
	rm -f .coverage*
	"$(PY)" -m coverage run $(PYTEST) -m ''
	"$(PY)" -m coverage combine --quiet
	"$(PY)" -m coverage report

lab: $(READY)
	"$(PY)" -m jupyterlab nbs

# The outputs that the pages store: each notebook in a fresh kernel, on the sample.
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
	cd "$(OUT)/site" && "$(abspath $(PY))" -c 'from nbdev.quarto import nbdev_docs; nbdev_docs()'
	@echo "open $(OUT)/site/_docs/index.html"

# Keep a walk's results in the repository: make record NAME=walk-sample, or with DATA=… as for walk.
record: $(READY)
	@test -n "$(NAME)" || { echo 'say under which name: make record NAME=walk-sample'; exit 2; }
	$(WALK)
	cp "$(OUT)/results.json" "results/$(NAME).json"

# The comparisons that are too long for the walk.
record-experiments: $(READY)
	"$(PY)" -c 'from pet_breeds.unfreeze import compare_rates; from pet_breeds.walk import save_results; save_results("rates", compare_rates())'
	"$(PY)" -c 'from pet_breeds.resnet101_fp16 import compare_precisions; from pet_breeds.walk import save_results; save_results("precision", compare_precisions())'

# Every step, judged on all photos over several seeds: hours; goes on where it was stopped. NAME=steps-sample or steps-shared-pets
record-steps: $(READY)
	@test -n "$(NAME)" || { echo 'say which: make record-steps NAME=steps-sample, or NAME=steps-shared-pets'; exit 2; }
	"$(PY)" -c 'import sys; from pet_breeds.steps import RECORDS, record_steps; record_steps(sys.argv[1], **RECORDS[sys.argv[1]])' "$(NAME)"

# The pages beyond the walk, on real photos: features and doubt.
record-photos: $(READY)
	"$(PY)" -c 'from pet_breeds.features import record_features; record_features()'
	"$(PY)" -c 'from pet_breeds.doubt import head_runs, record_doubt; record_doubt("doubt-shared-pets", head_runs("../shared/pets", "resnet18", 128, 32), "resnet18 with reconstructed ImageNet weights (top-1 65.8 % as published, the originals 69.8 %), on 680 photos of the Oxford-IIIT Pet set")'

# Trained on the official list, judged on the official test photos.
record-official: $(READY)
	for arch in resnet18 resnet50; do \
	  rm -rf "$(OUT)/official-$$arch" && \
	  $(PET_BREEDS) train ../shared/pets --frozen --split official --arch $$arch --out "$(OUT)/official-$$arch" && \
	  cp "$(OUT)/official-$$arch/model.json" results/official-$$arch.json || exit 1; done

# Speed: stock and ours turn about, some minutes; FULL=1 for more. DATA=FOLDER for real photos, with their NAME.
bench: $(READY)
	$(PET_BREEDS) bench $(call given,DATA,data) $(if $(FULL),--full) --out "results/bench-$(or $(NAME),sample).json"

# How soon the first answer comes, in new processes turn about; the page on prediction shows it.
record-start: $(READY)
	"$(PY)" -c 'import json; from pet_breeds.bench import bench_start; from pet_breeds.walk import results_folder, write_whole; write_whole(results_folder() / "start-up-sample.json", json.dumps(bench_start(), indent=1) + "\n")'

# Recipes raced to stock's error, over seeds, on the sample and on real photos; goes on where it was stopped.
record-race: $(READY)
	"$(PY)" -c 'from pet_breeds.speed import race; from pet_breeds.walk import results_folder; race(results_folder() / "race-sample.json", "sample", "pet_resnet10", 96, 32, (1, 2, 3, 4, 5))'
	"$(PY)" -c 'from pet_breeds.speed import race; from pet_breeds.walk import results_folder; race(results_folder() / "race-shared-pets.json", "../shared/pets", "resnet18", 224, 32, (1, 2, 3))'

# Mixup, label smoothing and several views, each against a training without it; goes on where it was stopped.
record-options: $(READY)
	"$(PY)" -c 'from pet_breeds.train import record_options; record_options("options-sample", 5, arch="pet_resnet10", size=96, bs=32)'
	"$(PY)" -c 'from pet_breeds.train import record_options; record_options("options-shared-pets", 3, data="../shared/pets", arch="resnet18", size=128, bs=32)'

# How hard the sample is: walks on samples of other seeds than the shipped one.
difficulty: $(READY)
	for seed in 1 2 3; do \
	  rm -rf "$(OUT)/sample-$$seed" && $(PET_BREEDS) sample "$(OUT)/sample-$$seed" --seed $$seed && \
	  $(PET_BREEDS) walk --data "$(OUT)/sample-$$seed" --out "$(OUT)/difficulty-$$seed" --seed $$seed \
	    --arch pet_resnet10 --deep-arch pet_resnet18 --size 96 --bs 32 && \
	  cp "$(OUT)/difficulty-$$seed/results.json" results/difficulty-$$seed.json || exit 1; done

# The shipped weights, some minutes each on two cores.
backbones: $(READY)
	"$(PY)" -c 'from pet_breeds.backbones import make_backbones; make_backbones()'

.venv/installed: settings.ini setup.py
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pet_breeds needs Python 3.11 or newer; python3 is " + sys.version.split()[0])'
	test -x .venv/bin/python || python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade pip
	.venv/bin/python -m pip install --quiet -e '.[dev]'
	touch $@
