"nbdev_test over each notebook, and proof that it ran every cell: by itself it exits 0 when it ran nothing."
import json
import subprocess
import sys

import pytest
from conftest import ROOT

NBS = ROOT / 'nbs'
NOTEBOOKS = sorted(NBS.glob('*.ipynb')) + sorted(NBS.glob('lib/*.ipynb'))  # posts, then the library
IMPORT = """import pet_breeds.{} as _module
globals().update({{k: v for k, v in vars(_module).items() if not k.startswith('__')}})"""
COUNT = '''
import sys
from execnb.shell import CaptureShell
from nbdev.test import nbdev_test
ran, cell, module = [], CaptureShell.cell, None
def counted(self, c, *args, **kw):
    global module
    if c.cell_type == 'code' and c.source.strip(): ran.append(c)
    flags = getattr(c, 'directives_', {})
    if 'default_exp' in flags: module = flags['default_exp'][0]
    if instead and {'export', 'exporti', 'exports'} & set(flags): c.source = instead.format(module)
    return cell(self, c, *args, **kw)
CaptureShell.cell = counted
instead = sys.argv[2]
nbdev_test.__wrapped__(path=sys.argv[1], n_workers=0)
print('cells run:', len(ran))
'''


def run_counted(notebook, instead=''):
    "Exit code, output and number of cells that nbdev_test ran; in place of the exported cells, if given, `instead`."
    done = subprocess.run([sys.executable, '-c', COUNT, str(notebook), instead], cwd=ROOT, text=True, capture_output=True)
    ran = done.stdout.rpartition('cells run: ')[2].strip()
    return done.returncode, done.stdout + done.stderr, int(ran or 0)


def name(notebook):
    return notebook.relative_to(NBS).with_suffix('').as_posix()


def test_notebooks_are_there():
    assert {'00_data', '01_baseline', 'index', 'lib/cli', 'lib/records', 'lib/sample', 'lib/walk'} <= set(map(name, NOTEBOOKS))


@pytest.mark.parametrize('notebook', NOTEBOOKS, ids=name)
def test_notebook(notebook):
    cells = json.loads(notebook.read_text(encoding='utf-8'))['cells']
    code = [c for c in cells if c['cell_type'] == 'code' and ''.join(c['source']).strip()]
    assert code
    status, output, ran = run_counted(notebook)
    assert status == 0, output
    assert ran == len(code), f'{ran} of {len(code)} cells ran:\n{output}'


@pytest.mark.slow
@pytest.mark.parametrize('notebook', [n for n in NOTEBOOKS if '#| export' in n.read_text(encoding='utf-8')], ids=name)
def test_module_passes_its_notebooks_tests(notebook):
    "Each exported cell gives way to what the module holds: coverage sees modules only."
    status, output, _ = run_counted(notebook, IMPORT)
    assert status == 0, output


def test_the_count_notices_what_nbdev_test_hides():
    status, output, ran = run_counted('no_such_notebook.ipynb')
    assert (status, ran) == (0, 0), output
