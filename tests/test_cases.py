"Every program of ../shared/cases ends with exit code 0: the faults that it was written for are gone."
import os
import subprocess
import sys

import pytest
from conftest import ROOT, SHARED

CASES = SHARED / 'cases'
if not CASES.is_dir(): pytest.skip('no cases here: ../shared/cases is missing', allow_module_level=True)
if os.name != 'posix': pytest.skip('the cases are written for POSIX', allow_module_level=True)

# Public names that changed since the programs were written, as CHANGELOG.md lists them, and private ones that they use; in this order.
NEW_NAMES = {
    'from pet_breeds.warp import read_photo, warp_photo': 'from pet_breeds.photos import read_photo; from pet_breeds.augment import warp_photo',
    'pet_breeds.warp': 'pet_breeds.photos',
    'from pet_breeds.data import as_jpeg, data_loaders': 'from pet_breeds.plots import as_jpeg; from pet_breeds.datasets import data_loaders',
    'from pet_breeds.data import data_loaders': 'from pet_breeds.datasets import data_loaders',
    'from pet_breeds.data import find_photos': 'from pet_breeds.photos import find_photos',
    'from pet_breeds.doctor import list_files': 'from pet_breeds.photos import list_files',
    'from pet_breeds.predict import _files': 'from pet_breeds.photos import photo_files as _files',
    'from pet_breeds.baseline import scale_for': 'from pet_breeds.learners import set_normalization as scale_for',
    'one_warp=': 'fused=',
    'from pet_breeds.runs import': 'from pet_breeds.records import',
    'from pet_breeds.walk import write_whole': 'from pet_breeds.records import atomic_write as write_whole',
    'temperature=1., sure_above=.5)\n': 'temperature=1., confidence_threshold=.5)\n',  # of s19; others write model folders of 0.1.0, which are read
    't.write_run': 't.write_predictions',
    # s11
    'from pet_breeds.train import Plan, _identity, _learner': 'from pet_breeds.options import TrainOptions as Plan; from pet_breeds.train import _identity, _learner',
    'learn, precision = _learner(plan, plan.settings(), 42)': 'learn, _, precision = _learner(plan)',
    '_identity(learn, plan, 42, precision)': '_identity(learn, plan)',
    # s21 goes on as another user, who may not read the folders of this Python: all is imported before
    "(d / 'sub').chmod(0)": "find_photos(d), list(_files([d])); (d / 'sub').chmod(0)",
    # s28: what `write_model` takes of a learner's predictions
    "types.SimpleNamespace(about=dict(arch='pet_resnet10'))":
        "types.SimpleNamespace(metadata=dict(arch='pet_resnet10'), breeds=['a', 'b'], probs=__import__('numpy').ones((1, 2)) / 2)",
    # s30: a page knows its walk by a mark in the environment, a row is kept by `append_stage`, and the table is called `rows`
    "w._begin(r, settings(seed='1')": "one = w._begin(r, settings(seed='1')",
    "w._begin(r, settings(seed='2'": "two = w._begin(r, settings(seed='2'",
    'PET_BREEDS_SEED=seed': "PET_BREEDS_WALK=two if seed == '2' else one",
    'w.settings({': '__import__("pet_breeds.options").options.settings({',
    'w.record_step(step, arch, dict(wrong=1, total=2, error=.5, low=0., high=1.), 2, 1.)':
        '__import__("pet_breeds.records").records.append_stage(dict(stage=step, arch=arch, data=data, photos=2, wrong=1, total=2))',
    "d['steps']": "d['rows']"}
SLOW = {'16', '17', '21', '28', 's14', 's16', 's32', 's37', 's38'}  # over 20 seconds


def adapted(source):
    "The program as it is written for the names of today."
    for old, new in NEW_NAMES.items(): source = source.replace(old, new)
    return source


def case(name): return pytest.param(name, marks=[pytest.mark.slow] if name.partition('-')[0] in SLOW else [])


@pytest.mark.parametrize('name', [case(f.stem) for f in sorted(CASES.glob('*.py'))])
def test_case(name, tmp_path):
    program = tmp_path / f'{name}.py'
    program.write_text(adapted((CASES / program.name).read_text()))
    env = os.environ | {'REPO': str(ROOT), 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run([sys.executable, str(program)], env=env, cwd=tmp_path, text=True, timeout=600,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:]
    assert 'Traceback' not in done.stdout, done.stdout[-3000:]  # it would have shown nothing
