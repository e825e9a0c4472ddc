"""nbdev 3, in an environment of its own with the newest fastai 2.8: the same modules, the same notebooks, and all their tests pass.

The project's own environment keeps nbdev 2, whose last version lives on pins that age.
"""
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == 'nt', reason='scripts and links lie elsewhere on Windows')]
PACKAGES = 'nbdev>=3.3,<3.4', 'fastai>=2.8.12,<2.9'


@pytest.fixture(scope='module')
def scripts(tmp_path_factory):
    "The folder of an environment's scripts: new are nbdev and fastai, the rest comes from this one."
    home = tmp_path_factory.mktemp('nbdev3')
    venv.create(home, with_pip=False)
    paths = sysconfig.get_paths('venv', vars={'base': str(home), 'platbase': str(home)})
    (Path(paths['purelib']) / 'outer.pth').write_text(sysconfig.get_paths()['purelib'] + '\n')
    (home / 'share').symlink_to(Path(sys.prefix) / 'share')  # nbconvert's templates
    python = Path(paths['scripts']) / 'python'
    pip = [sys.executable, '-m', 'pip', '--python', python, 'install', '--quiet', '--retries', '1', '--no-warn-conflicts', *PACKAGES]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode and 'GITHUB_ACTIONS' not in os.environ:  # there a registry can be reached
        pytest.skip(f'pip fetches no {PACKAGES[0]} here: {done.stderr.strip().splitlines()[-1]}')
    assert done.returncode == 0, done.stderr
    return Path(paths['scripts'])


@pytest.fixture(scope='module')
def tree(copy, tmp_path_factory):
    "A copy that no other test changes."
    return Path(shutil.copytree(copy, tmp_path_factory.mktemp('copy of it') / 'repo', symlinks=True))


@pytest.fixture
def nbdev3(scripts, tree):
    "Run a command of nbdev 3 in the copy, whose modules are the ones that all processes find."
    environ = os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(tree), 'PATH': f'{scripts}:{os.environ["PATH"]}'}
    return lambda *args: subprocess.run([str(scripts / args[0]), *args[1:]], cwd=tree, env=environ, capture_output=True, text=True)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file() and '__pycache__' not in p.parts}


def test_it_is_nbdev_3(nbdev3):
    found = nbdev3('python', '-c', 'import nbdev, fastai; print(nbdev.__version__, fastai.__version__)').stdout.split()
    assert found[0].startswith('3.3.') and found[1].startswith('2.8.'), found


@pytest.mark.parametrize('command', ['nbdev-clean', 'nbdev-export'])
def test_nothing_changes(nbdev3, tree, command):
    before = contents(tree)
    done = nbdev3(command)
    assert done.returncode == 0, done.stderr
    after = contents(tree)
    assert {n for n in before | after if before.get(n) != after.get(n)} == set()


def test_all_notebooks_pass(nbdev3):
    done = nbdev3('nbdev-test', '--n-workers', '2', '--do-print')
    assert done.returncode == 0 and 'Success.' in done.stdout, done.stdout[-2000:] + done.stderr[-8000:]
