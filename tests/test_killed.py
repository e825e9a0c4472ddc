"A training that is killed goes on, with the same command, to the same weights."
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import COMMAND, ROOT

if not hasattr(signal, 'SIGKILL'): pytest.skip('Windows has no SIGKILL', allow_module_level=True)
ENV = os.environ | {'OMP_NUM_THREADS': '2'}
TRAIN = 'train', 'sample', '--size', '32', '--epochs', '3', '--out'
PATCHED = """
import os, signal, sys
{patch}
from pet_breeds.cli import app
app()
"""
KILL_BEFORE_RENAME = """
real, seen = os.replace, []
def replace(a, b):
    if str(b).endswith('.checkpoint'):
        seen.append(b)
        if len(seen) == 2: os.kill(os.getpid(), signal.SIGKILL)
    real(a, b)
os.replace = replace
"""
KILL_BEFORE_WRITING = """
import pet_breeds.predict
pet_breeds.predict.write_model = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""
FULL_DISK = """
import resource
def full(*_): resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
import pet_breeds.checkpoint as c
c.Checkpoint.before_fit = (lambda f: lambda self: (full(), f(self))[1])(c.Checkpoint.before_fit)
"""


def digest(folder):
    return json.loads((folder / 'model.json').read_text())['weights_sha256']


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    "What an uninterrupted training ends with."
    out = tmp_path_factory.mktemp('whole') / 'model'
    subprocess.run([*COMMAND, *TRAIN, str(out)], check=True, env=ENV, capture_output=True)
    return digest(out)


@pytest.mark.slow
@pytest.mark.parametrize('seed', [1, 2, 3])
def test_killed_at_random_moments(whole, tmp_path, seed):
    rng, out, kills = random.Random(seed), tmp_path / 'model', 0
    while not out.exists() and kills < 4:
        killed = False
        process = subprocess.Popen([*COMMAND, *TRAIN, str(out)], env=ENV, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith(('epoch', 'going on')) and rng.random() < .5:
                time.sleep(rng.random())
                process.send_signal(signal.SIGKILL)
                kills, killed = kills + 1, True
                break
        process.wait(timeout=120)
        if killed and out.exists():  # it had ended before the signal came: begin anew
            assert digest(out) == whole
            for path in tmp_path.iterdir(): shutil.rmtree(path) if path.is_dir() else path.unlink()
    if not out.exists(): subprocess.run([*COMMAND, *TRAIN, str(out)], check=True, env=ENV, capture_output=True)
    assert digest(out) == whole and kills
    assert os.listdir(tmp_path) == ['model']


@pytest.mark.slow
def test_killed_while_the_checkpoint_is_written(whole, tmp_path):
    out = tmp_path / 'model'
    code = PATCHED.format(patch=KILL_BEFORE_RENAME)
    killed = subprocess.run([sys.executable, '-c', code, *TRAIN, str(out)], env=ENV, cwd=ROOT, capture_output=True)
    assert killed.returncode == -signal.SIGKILL and (tmp_path / '.model.checkpoint').exists()
    done = subprocess.run([*COMMAND, *TRAIN, str(out)], check=True, env=ENV, capture_output=True, text=True)
    assert 'going on after epoch 0 of phase 1' in done.stdout and digest(out) == whole


@pytest.mark.slow
def test_killed_after_the_last_epoch(whole, tmp_path):
    out = tmp_path / 'model'
    code = PATCHED.format(patch=KILL_BEFORE_WRITING)
    subprocess.run([sys.executable, '-c', code, *TRAIN, str(out)], env=ENV, cwd=ROOT, capture_output=True)
    assert not out.exists() and (tmp_path / '.model.checkpoint').exists()
    subprocess.run([*COMMAND, *TRAIN, str(out)], check=True, env=ENV, capture_output=True)
    assert digest(out) == whole


@pytest.mark.slow
def test_a_full_disk_keeps_the_last_checkpoint(whole, tmp_path):
    out = tmp_path / 'model'
    code = PATCHED.format(patch=KILL_BEFORE_RENAME)
    subprocess.run([sys.executable, '-c', code, *TRAIN, str(out)], env=ENV, cwd=ROOT, capture_output=True)
    before = (tmp_path / '.model.checkpoint').read_bytes()
    full = subprocess.run([sys.executable, '-c', PATCHED.format(patch=FULL_DISK), *TRAIN, str(out)], env=ENV, cwd=ROOT,
                          capture_output=True, text=True)
    assert full.returncode == 1 and ".model.checkpoint' cannot be written" in full.stderr and 'Traceback' not in full.stderr
    assert (tmp_path / '.model.checkpoint').read_bytes() == before
    subprocess.run([*COMMAND, *TRAIN, str(out)], check=True, env=ENV, capture_output=True)
    assert digest(out) == whole
