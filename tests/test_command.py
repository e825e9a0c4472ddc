"`pet_breeds` as a process: start, interruption, exit codes."
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import COMMAND, heed

ctrl_c = pytest.mark.skipif(os.name == 'nt', reason='Windows sends Ctrl-C to a whole console')


def test_wrong_use_is_2_and_failure_is_1(command, tmp_path):
    assert command('tarin').returncode == 2
    assert command('train', 'sample').returncode == 2
    failed = command('train', tmp_path, '--out', tmp_path / 'out')
    assert (failed.returncode, failed.stdout) == (1, '')
    assert 'no photo in' in failed.stderr and 'Traceback' not in failed.stderr


def test_nothing_heavy_is_imported_before_arguments_are_checked(run, tmp_path):
    "No PyTorch for wrong data, an existing folder, or a comparison; and no warning of it."
    (tmp_path / 'there').mkdir()
    for args, said in ((['train', 'pests', '--out', 'x'], 'did you mean `pets`?'), (['train', 'sample', '--out', tmp_path / 'there'], 'is there already'),
                       (['compare', 'a', 'b'], 'holds no predictions')):
        code = f"""import sys
from pet_breeds.cli import app
try: app({[str(a) for a in args]})
finally: assert not {{'torch', 'fastai'}} & set(sys.modules)"""
        done = run(sys.executable, '-c', code, cwd=tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1) and said in done.stderr, done.stderr


def test_no_warning_that_is_not_ours(command, tmp_path):
    failed = command('train', 'sample', '--out', tmp_path / 'x', '--exclude', 'none.txt')  # PyTorch and fastai are imported before
    assert failed.stderr == "pet_breeds: no list 'none.txt': write one with `pet_breeds doctor`\n"


def test_top_level_names_are_imported_when_asked_for(run):
    "And `help` says what each parameter is."
    code = """import sys, pet_breeds
assert 'data_loaders' in dir(pet_breeds) and not {'torch', 'fastai', 'numpy'} & set(sys.modules)
from pet_breeds import TrainOptions
assert not {'torch', 'fastai'} & set(sys.modules)
from pet_breeds import breed_name, data_loaders, load_model
help(data_loaders)
for name in pet_breeds._WHERE: getattr(pet_breeds, name)"""
    done = run(sys.executable, '-c', code)
    assert done.returncode == 0, done.stderr
    assert 'valid_fraction: Part of the photos for validation' in done.stdout


@pytest.mark.skipif(os.name == 'nt', reason='no make on Windows')
def test_make_walk_takes_each_option(run, root):
    "On its command line, not from the environment, where the names mean other things."
    from pet_breeds.options import WalkOptions, options_of
    names = [o.name for o in options_of(WalkOptions)]
    planned = lambda *given, **env: run('make', '-n', 'walk', f'PYTHON={sys.executable}', *given, cwd=root, env=os.environ | env).stdout
    said = planned(*(f'{name.upper()}=x y' for name in names))
    assert [name for name in names if f'--{name.replace("_", "-")} "x y"' not in said] == []
    assert planned(**{name.upper(): 'x' for name in names}) == planned() != ''


@pytest.fixture
def start():
    "Start `pet_breeds` and let Ctrl-C reach it, also where the tests themselves run in the background; it does not outlive the test."
    processes = []
    def started(*args):
        processes.append(subprocess.Popen([*COMMAND, *args], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed))
        return processes[-1]
    yield started
    for process in processes: process.kill()


@ctrl_c
def test_ctrl_c_leaves_only_the_checkpoint(start, tmp_path):
    process = start('train', 'sample', '--out', tmp_path / 'out', '--epochs', '50', '--freeze-epochs', '0')
    assert any(line.startswith('epoch 1') for line in process.stdout)  # then that of epoch 0 is on the disk
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'stopped' in said and 'Traceback' not in said
    assert os.listdir(tmp_path) == ['.out.checkpoint']


@ctrl_c
def test_ctrl_c_stops_a_walk_and_keeps_what_is_done(start, tmp_path):
    process = start('walk', '--out', tmp_path / 'walk', '--epochs', '1')
    assert any(line.startswith('01_baseline') for line in process.stdout)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'pet_breeds: stopped' in said.splitlines()  # the interrupted kernel may complain before or after
    assert {'00_data.html', 'index.html', 'results.json'} <= set(os.listdir(tmp_path / 'walk'))


@pytest.mark.slow
def test_train_on_real_photos(command, photos, torch_home, tmp_path):
    "resnet18 at 128 pixels, as a programmer would run it; after two whole epochs it errs on less than half of 37 breeds."
    done = command('train', photos, '--out', tmp_path / 'model', '--arch', 'resnet18', '--epochs', '2', '--size', '128', '--bs', '32',
                   '--json', env={**os.environ, 'TORCH_HOME': str(torch_home)})
    assert done.returncode == 0, done.stderr
    doc = json.loads(done.stdout)
    assert (doc['photos'], doc['total'], len(doc['breeds'])) == (680, 136, 37)
    assert doc['error'] < .5
    assert 'Abyssinian_100.mat' in done.stderr


@pytest.mark.slow
def test_walk_on_real_photos(run, photos, torch_home, tmp_path):
    "The first two pages at 128 pixels with phases of two epochs; after one, an error hangs on the number of threads."
    code = """import sys
from pet_breeds.options import settings
from pet_breeds.walk import pages, run_walk
keys = dict(DATA=sys.argv[1], ARCH='resnet18', DEEP_ARCH='resnet18', SIZE='128', BS='32', EPOCHS='2')
run_walk(settings({f'PET_BREEDS_{k}': v for k, v in keys.items()}), sys.argv[2], notebooks=pages()[:2])"""
    out = tmp_path / 'walk'
    done = run(sys.executable, '-c', code, photos, out, env={**os.environ, 'TORCH_HOME': str(torch_home)})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    row, = json.loads((out / 'results.json').read_text())['rows']
    assert (row['stage'], row['data'], row['photos']) == ('baseline', 'shared/pets', 680)
    assert 0 < row['low'] < row['error'] < row['high'] < .6
    assert {p.name for p in out.glob('*.html')} == {'00_data.html', '01_baseline.html', 'index.html'}


@pytest.mark.slow
def test_plain_nbdev_test(run, root):
    one_thread = {**os.environ, 'OMP_NUM_THREADS': '1'}  # its workers run side by side
    done = run(Path(sys.executable).parent / 'nbdev_test', cwd=root, env=one_thread)
    assert (done.returncode, done.stdout.strip()) == (0, 'Success.'), done.stderr


def test_a_reader_that_stops_reading_is_no_failure(tmp_path):
    "As `| head` does; a message would stand among what it shows."
    for n, breed in enumerate(('pug', 'beagle') * 3): (tmp_path / f'{breed}_{n}.jpg').write_bytes(b'no photo')
    with subprocess.Popen([*COMMAND, 'doctor', tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asked:
        asked.stdout.close()
        assert asked.stderr.read() == ''
