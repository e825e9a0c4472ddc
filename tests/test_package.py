"The package as others get it: built, installed elsewhere, without display or network."
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

TEN_LINES = '''
import socket
def refuse(*_): raise OSError('this test has no network')
socket.socket.connect = refuse
import pet_breeds
from pet_breeds.data import breed_name
from pet_breeds.datasets import BREEDS, data_loaders
from pet_breeds.learners import get_arch
from pet_breeds.records import results_folder
from pet_breeds.stats import error_interval
from pet_breeds.walk import pages
dls = data_loaders('sample', size=32, bs=8)
print(dls.one_batch()[0].shape, breed_name('great_pyrenees_173.jpg'), len(BREEDS), error_interval(98, 1478))
assert get_arch('pet_resnet10')(weights='DEFAULT') is not None
assert pages() and results_folder().is_dir()
print(pet_breeds.__file__)
'''


@pytest.fixture(scope='module')
def dist(tmp_path_factory, copy):
    "Wheel and sdist of a clean copy; the wheel is built from the sdist, so what that lacks is missed."
    out = tmp_path_factory.mktemp('dist')
    done = subprocess.run([sys.executable, '-m', 'build', '--no-isolation', '--outdir', out, copy], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_contents(dist):
    wheel = zipfile.ZipFile(next(dist.glob('*.whl'))).namelist()
    assert {'pet_breeds/py.typed', 'pet_breeds/ready/model.safetensors', 'pet_breeds/weights/pet_resnet10.safetensors', 'pet_breeds/nbs/00_data.ipynb', 'pet_breeds/cli.py'} <= set(wheel)
    sdist = tarfile.open(next(dist.glob('*.tar.gz'))).getnames()
    assert any(n.endswith('/settings.ini') for n in sdist)
    assert not [n for n in [*wheel, *sdist] if n.endswith(('.pth', '.pkl', '.jpg'))]
    assert any(n.endswith('/nbs/lib/stats.ipynb') for n in sdist)
    assert not [n for n in wheel if '/lib/' in n or 'experiments' in n]  # the library is there as modules


def test_installs_in_a_path_with_a_space(dist, tmp_path, run):
    home = tmp_path / 'my environment'
    venv.create(home, with_pip=False)
    paths = sysconfig.get_paths('venv', vars={'base': str(home), 'platbase': str(home)})
    site, scripts = Path(paths['purelib']), Path(paths['scripts'])
    (site / 'outer.pth').write_text(sysconfig.get_paths()['purelib'] + '\n')  # the dependencies, not installed again
    python = scripts / Path(sys.executable).name
    done = run(sys.executable, '-m', 'pip', '--python', python, 'install', '--no-deps', '--no-index', next(dist.glob('*.whl')))
    assert done.returncode == 0, done.stderr
    clean = {'PATH': os.defpath, 'SYSTEMROOT': os.environ.get('SYSTEMROOT', ''), 'XDG_CACHE_HOME': str(tmp_path / 'cache'), 'HOME': str(tmp_path)}
    done = run(python, '-c', TEN_LINES, cwd=tmp_path, env=clean)
    assert done.returncode == 0, done.stderr
    assert str(site) in done.stdout and 'great_pyrenees 37' in done.stdout
    done = run(scripts / 'pet_breeds', '--help', cwd=tmp_path, env=clean)
    assert (done.returncode, 'walk' in done.stdout) == (0, True)
