"Training shared by two processes: the same losses as one process with the same batches, and each validation photo once."
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from pet_breeds.records import alone
from pet_breeds.sample import sample_folder

SCRIPT = '''
import json, os, sys
from pathlib import Path
from fastai.vision.all import Callback, set_seed
from pet_breeds.baseline import pet_learner
from pet_breeds.datasets import data_loaders
from pet_breeds.distributed import distributed
from pet_breeds.learners import FreezeBatchNorm

class Losses(Callback):
    def before_fit(self): self.kept = []
    def after_batch(self):
        if self.training: self.kept.append(float(self.loss_grad))

set_seed(1, reproducible=True)
learn = pet_learner(data_loaders('sample', 32, 32, fused=True), 'pet_resnet10', ps=0.)  # each process would drop other units
learn.unfreeze()
losses = Losses()
with distributed(learn):
    learn.fit_one_cycle(2, 1e-4, cbs=[FreezeBatchNorm(), losses])
    preds, truth = learn.get_preds()
wrong = int((preds.argmax(1) != truth).sum())
weights = [float(p.double().sum()) for p in learn.model.parameters()]
out = Path(sys.argv[1]) / f"{os.environ.get('RANK', 'alone')}.json"
out.write_text(json.dumps(dict(losses=losses.kept, photos=len(truth), wrong=wrong, weights=weights)))
'''
ENV = os.environ | {'OMP_NUM_THREADS': '1'}
TWO = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2', '--standalone']  # at a free port


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path):
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT)
    for command in ([sys.executable], TWO):
        subprocess.run([*command, str(script), str(tmp_path)], check=True, cwd=ROOT, env=ENV | {'PYTHONPATH': str(ROOT)})
    one, a, b = (json.loads((tmp_path / f'{name}.json').read_text()) for name in ('alone', '0', '1'))
    assert len(one['losses']) == 2 * (672 // 32)
    shared = [(x + y) / 2 for x, y in zip(a['losses'], b['losses'], strict=True)]
    assert a['losses'] != b['losses']  # each saw its own part
    assert shared == pytest.approx(one['losses'], abs=1e-4)  # another order of sums, nothing else
    assert a['weights'] == b['weights'] == pytest.approx(one['weights'], rel=1e-3, abs=1e-2)
    assert (a['photos'], b['photos']) == (167, 167) and a['wrong'] == b['wrong'] == one['wrong']


@pytest.mark.slow
def test_the_command_writes_one_folder(tmp_path):
    command = ['--no-python', os.path.join(os.path.dirname(sys.executable), 'pet_breeds'), 'train', 'sample', '--out', str(tmp_path / 'model'),
               '--size', '32', '--epochs', '1', '--freeze-epochs', '0']
    done = subprocess.run([*TWO, *command], check=True, cwd=tmp_path, env=ENV, capture_output=True, text=True)
    assert json.loads((tmp_path / 'model/model.json').read_text())['total'] == 167
    assert os.listdir(tmp_path) == ['model'] and done.stdout.count('epoch 0:') == 1


@pytest.mark.slow
def test_seeds_train_side_by_side(command, tmp_path):
    args = ['train', 'sample', '--size', '32', '--epochs', '1', '--freeze-epochs', '0', '--seeds', '2', '--procs', '2']
    done = command(*args, '--out', tmp_path / 'runs', env=ENV)
    assert (done.returncode, sorted(os.listdir(tmp_path / 'runs'))) == (0, ['seed-42', 'seed-43']), done.stderr
    seeds = [json.loads((tmp_path / f'runs/seed-{s}/model.json').read_text())['seed'] for s in (42, 43)]
    assert seeds == [42, 43]
    bad = command(*args, '--out', tmp_path / 'bad', '--arch', 'resnet35', env=ENV)
    assert bad.returncode == 1 and 'did you mean' in bad.stderr and 'Traceback' not in bad.stderr, bad.stderr


def test_two_processes_answer_as_one(command, tmp_path):
    "In order, a damaged photo in its place, and the exit status of one process."
    photos = sorted(sample_folder().rglob('*.jpg'))[:150]
    for i, photo in enumerate(photos): shutil.copy(photo, tmp_path / f'{i:03}.jpg')
    (tmp_path / '077.jpg').write_bytes(b'no photo')
    model = tmp_path / 'model'
    command('train', 'sample', '--arch', 'pet_resnet10', '--size', '32', '--frozen', '--out', model)
    asked = ['predict', str(model), str(tmp_path), '--csv']
    alone = command(*asked, cwd=tmp_path)
    pet_breeds = os.path.join(os.path.dirname(sys.executable), 'pet_breeds')
    shared = subprocess.run([*TWO, '--no-python', pet_breeds, *asked], cwd=tmp_path, env=ENV, capture_output=True, text=True)
    assert alone.stdout.count('\n') == 151 and shared.stdout == alone.stdout
    assert alone.returncode == 1 and shared.returncode != 0


@pytest.mark.slow
def test_a_seed_that_fails_ends_the_others(command, tmp_path):
    "What waits is not begun, what has begun ends, and so does the command."
    (runs := tmp_path / 'runs').mkdir()
    with alone(runs / '.seed-42.lock', ''):
        done = command('train', 'sample', '--size', '32', '--epochs', '1', '--freeze-epochs', '0', '--seeds', '4', '--procs', '2', '--out', runs, env=ENV)
    assert done.returncode == 1 and 'seed 42: another training writes' in done.stderr and 'Traceback' not in done.stderr, done.stderr
    assert [p.name for p in runs.glob('seed-*')] == []
