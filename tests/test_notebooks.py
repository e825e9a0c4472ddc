"nbdev_test over each notebook, and proof that it ran every cell: by itself it exits 0 when it ran nothing."
import json
import subprocess
import sys

import pytest
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / 'nbs').glob('*.ipynb'))
COUNT = '''
import sys
from execnb.shell import CaptureShell
from nbdev.test import nbdev_test
ran, cell = [], CaptureShell.cell
def counted(self, c, *args, **kw):
    if c.cell_type == 'code' and c.source.strip(): ran.append(c)
    return cell(self, c, *args, **kw)
CaptureShell.cell = counted
nbdev_test.__wrapped__(path=sys.argv[1], n_workers=0)
print('cells run:', len(ran))
'''


def run_counted(notebook):
    "Exit code, output and number of cells that nbdev_test ran."
    done = subprocess.run([sys.executable, '-c', COUNT, str(notebook)], cwd=ROOT, text=True, capture_output=True)
    ran = done.stdout.rpartition('cells run: ')[2].strip()
    return done.returncode, done.stdout + done.stderr, int(ran or 0)


def test_notebooks_are_there():
    assert {'00_data', '01_baseline', 'backbones', 'cli', 'sample', 'walk'} <= {n.stem for n in NOTEBOOKS}


@pytest.mark.parametrize('notebook', NOTEBOOKS, ids=lambda n: n.stem)
def test_notebook(notebook):
    cells = json.loads(notebook.read_text(encoding='utf-8'))['cells']
    code = [c for c in cells if c['cell_type'] == 'code' and ''.join(c['source']).strip()]
    assert code
    status, output, ran = run_counted(notebook)
    assert status == 0, output
    assert ran == len(code), f'{ran} of {len(code)} cells ran:\n{output}'


def test_the_count_notices_what_nbdev_test_hides():
    status, output, ran = run_counted('no_such_notebook.ipynb')
    assert (status, ran) == (0, 0), output
