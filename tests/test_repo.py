"The repository in itself: notebooks, modules and metadata fit together."
import json
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    "A copy of what git tracks or would track."
    folder = tmp_path_factory.mktemp('copy of') / 'repo'
    listed = subprocess.run(['git', 'ls-files', '-coz', '--exclude-standard'], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split('\0')):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob('*'))
            if p.is_file() and p.suffix in {'.ipynb', '.py'}}


def test_clean_and_export_change_nothing(copy, run):
    before = contents(copy)
    for command in ('nbdev_clean', 'nbdev_export'):
        done = run(sys.executable, '-c', f'from nbdev.{command[6:]} import {command}; {command}()', cwd=copy)
        assert done.returncode == 0, done.stderr
    after = contents(copy)
    assert {n for n in before | after if before.get(n) != after.get(n)} == set()


def test_each_module_has_its_notebook(root):
    exported = {m[1] for n in (root / 'nbs').glob('*.ipynb')
                if (m := re.search(r'#\| default_exp (\w+)', n.read_text(encoding='utf-8')))}
    modules = {m.stem for m in (root / 'pet_breeds').glob('*.py')} - {'__init__', '_modidx'}
    assert modules == exported


def test_ruff(root, run):
    done = run(sys.executable, '-m', 'ruff', 'check', 'pet_breeds', 'tests', cwd=root)
    assert done.returncode == 0, done.stdout


def test_stored_outputs_are_fit_for_readers(root):
    bad = re.compile(r'Traceback|(?<!\w)/(?:root|home|tmp|work|Users)/|\d+%\|[ █]|Warning:|object at 0x')
    found = []
    for notebook in sorted((root / 'nbs').glob('*.ipynb')):
        outputs = [o for c in json.loads(notebook.read_text(encoding='utf-8'))['cells'] for o in c.get('outputs', [])]
        text = json.dumps([{k: v for k, v in o.get('data', o).items() if not k.startswith('image/')} for o in outputs])
        found += [f'{notebook.name}: {m}' for m in bad.findall(text)]
        found += [f'{notebook.name}: {len(json.dumps(outputs))} bytes'] * (len(json.dumps(outputs)) > 1_000_000)
    assert found == []
