"What the tests share."
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault('OMP_NUM_THREADS', '1')  # tests run side by side, see addopts
ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / 'shared'
COMMAND = [sys.executable, '-c', 'from pet_breeds.cli import app; app()']


def heed():
    "`preexec_fn` of commands that get signals: they heed them also where pytest runs in the background or under nohup, which ignore some."
    for s in (signal.SIGINT, signal.SIGHUP): signal.signal(s, signal.SIG_DFL)


@pytest.fixture
def root(): return ROOT


@pytest.fixture
def run():
    "Run a command to its end; `run(*args, **kw).returncode`, `.stdout`, `.stderr`."
    return lambda *args, **kw: subprocess.run([str(a) for a in args], text=True, capture_output=True, **kw)


@pytest.fixture
def command(run):
    "Run `pet_breeds` as a process of its own."
    return lambda *args, **kw: run(*COMMAND, *args, **kw)


@pytest.fixture(scope='session')
def copy(tmp_path_factory):
    "A copy of what git tracks or would track."
    folder = tmp_path_factory.mktemp('copy of') / 'repo'
    listed = subprocess.run(['git', 'ls-files', '-coz', '--exclude-standard'], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split('\0')):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


@pytest.fixture
def photos():
    "The real photos, where they are."
    if not (SHARED / 'pets/images').is_dir(): pytest.skip('no real photos here: ../shared/pets is missing')
    return SHARED / 'pets'


@pytest.fixture
def torch_home():
    if not (SHARED / 'torch_home').is_dir(): pytest.skip('no ImageNet weights here: ../shared/torch_home is missing')
    return SHARED / 'torch_home'
