"What ends `train` from outside leaves no process, no temporary folder and no half file; what is known at the start is said then."
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import COMMAND, ROOT, heed

if os.name != 'posix': pytest.skip('signals of POSIX', allow_module_level=True)
SMALL = 'train', 'sample', '--size', '32', '--freeze-epochs', '0'
ENV = os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
PATCHED = 'import os, signal, time\nimport pet_breeds.train as t\nreal = t.write_predictions\n{patch}\nt.write_predictions = write\nfrom pet_breeds.cli import app\napp()'
KILLED = 'def write(*a):\n    real(*a)\n    os.kill(os.getpid(), signal.{signal})\n    time.sleep(9)'


def begin(*args):
    "A command in a session of its own, after its first epoch."
    process = subprocess.Popen([*COMMAND, *SMALL, *map(str, args)], env=ENV, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True, preexec_fn=heed)
    assert any(line.startswith('epoch') for line in process.stdout)
    return process


def alive(process):
    "Processes of its session or group that run, also those whose parent has ended; macOS shows no number for a session."
    rows = subprocess.run(['ps', '-eo', 'pid=,pgid=,sess=,stat='], capture_output=True, text=True).stdout.splitlines()
    return [int(pid) for pid, *of, stat in map(str.split, rows) if str(process.pid) in of and stat[0] != 'Z']


def wait(process, seconds):
    "Until no process of its session is left; gives those that are."
    ends = time.monotonic() + seconds
    while alive(process) and time.monotonic() < ends: time.sleep(.2)
    left = alive(process)
    for pid in left: os.kill(pid, signal.SIGKILL)
    return left


@pytest.mark.slow
@pytest.mark.parametrize('sent, to_all, code', [(signal.SIGTERM, False, 130), (signal.SIGINT, True, 130), (signal.SIGHUP, True, 130),
                                                (signal.SIGKILL, False, -9)])
def test_no_process_outlives_the_command(tmp_path, sent, to_all, code):
    "Ctrl-C and a terminal's end go to all of them, SIGTERM and SIGKILL to the first one; seeds that wait do not begin."
    process = begin('--epochs', '40', '--seeds', '4', '--procs', '2', '--out', tmp_path / 'runs')
    assert len(alive(process)) > 2  # the command and its trainings
    (os.killpg if to_all else os.kill)(process.pid, sent)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == code
    assert wait(process, 20) == []
    if sent != signal.SIGHUP: assert 'Traceback' not in output  # that also ends multiprocessing's own process, which complains
    assert {name for name in os.listdir(tmp_path / 'runs')} <= {f'.seed-{s}.{kind}' for s in (42, 43) for kind in ('checkpoint', 'lock')}
    if sent != signal.SIGKILL: assert not list(tmp_path.rglob('*.lock'))


def family(pid):
    "A process and what it has started, also in other sessions, as a kernel of Jupyter is; none that has ended."
    rows = subprocess.run(['ps', '-eo', 'pid=,ppid=,stat='], capture_output=True, text=True).stdout.splitlines()
    parents = {int(p): int(parent) for p, parent, stat in map(str.split, rows) if stat[0] != 'Z'}
    found, more = {pid}, {pid}
    while more:
        more = {p for p, parent in parents.items() if parent in found} - found
        found |= more
    return found & set(parents)


@pytest.mark.slow
@pytest.mark.parametrize('sent', [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize('command, workers', [('doctor', 2), ('walk', 1)])
def test_doctor_and_walk_leave_nothing(tmp_path, command, workers, sent):
    "No process, and nothing in the folders for temporary files."
    from pet_breeds.sample import sample_folder
    args = dict(doctor=[sample_folder()], walk=['--epochs', '1', '--out', tmp_path / 'walk'])[command]
    (tmp := tmp_path / 'tmp').mkdir()
    process = subprocess.Popen([*COMMAND, command, *map(str, args)], env=ENV | {'TMPDIR': str(tmp), 'JUPYTER_RUNTIME_DIR': str(tmp)},
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=heed)
    while len(begun := family(process.pid)) <= workers and process.poll() is None: time.sleep(.01)
    (os.killpg if sent == signal.SIGHUP else os.kill)(process.pid, sent)
    said = process.communicate(timeout=60)[1]
    assert (process.returncode, 'pet_breeds: stopped' in said.splitlines(), 'Traceback' in said) == (130, True, False), said
    ends = time.monotonic() + 10
    while (left := set().union(*map(family, begun))) and time.monotonic() < ends: time.sleep(.2)
    assert left == set()
    assert list(tmp.iterdir()) == []


@pytest.mark.slow
def test_a_signal_while_the_folder_is_written(tmp_path):
    "SIGTERM leaves none; what SIGKILL leaves, the same command removes, and no more than that."
    command, out = [*SMALL, '--probe', '--out', str(tmp_path / 'm')], tmp_path
    others = ['.m-2.checkpoint', '.mm-0123abcd.tmp']
    for name in others: (out / name).touch()
    for name, left in (('SIGTERM', 0), ('SIGKILL', 1)):
        code = PATCHED.format(patch=KILLED.format(signal=name))
        done = subprocess.run([sys.executable, '-c', code, *command], env=ENV, capture_output=True, text=True)
        assert done.returncode and 'Traceback' not in done.stderr, done.stderr
        assert len(list(out.glob('.m-*.tmp'))) == left
    done = subprocess.run([*COMMAND, *command], env=ENV, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(out)) == sorted([*others, 'm'])


@pytest.mark.slow
def test_a_second_training_of_one_folder_is_refused(tmp_path):
    process = begin('--epochs', '40', '--out', tmp_path / 'm')
    second = subprocess.run([*COMMAND, *SMALL, '--epochs', '40', '--out', str(tmp_path / 'm')], env=ENV, capture_output=True, text=True)
    assert second.returncode == 1 and 'another training writes' in second.stderr and 'epoch' not in second.stdout, second.stderr
    process.terminate()
    assert process.wait(timeout=60) == 130
    assert os.listdir(tmp_path) == ['.m.checkpoint']


@pytest.mark.slow
def test_the_home_folder_by_its_sign(tmp_path):
    "bash leaves `~` as it is in `--out=~/model`."
    env = ENV | {'HOME': str(tmp_path), 'XDG_CACHE_HOME': str(tmp_path / 'cache')}
    done = subprocess.run([*COMMAND, *SMALL, '--epochs', '1', '--out=~/m'], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'm/model.json').is_file() and not (tmp_path / '~').exists()


def test_a_training_that_diverges_is_told_in_one_line(tmp_path):
    done = subprocess.run([*COMMAND, *SMALL, '--epochs', '1', '--lr', '1e30', '--out', str(tmp_path / 'm')], env=ENV, capture_output=True, text=True)
    assert (done.returncode, os.listdir(tmp_path)) == (1, [])
    said = [line for line in done.stderr.splitlines() if 'Warning:' not in line and 'warnings.warn' not in line]  # torch deprecates what fastai uses
    assert len(said) == 1 and said[0].startswith('pet_breeds: the loss is nan') and said[0].endswith('give a lower lr')
