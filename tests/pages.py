"""Where stored outputs and the README come from.

python tests/pages.py [NAME …]   execute notebooks in place, on the sample, each in a fresh kernel; then make the README
python tests/pages.py --readme   only make the README, from the outputs that nbs/index.ipynb stores
"""
import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

from pet_breeds.walk import QUIET, _for_readers

ROOT = Path(__file__).parent.parent
NBS = ROOT / 'nbs'


def execute(notebook):
    "Execute a notebook where it stands and clean it."
    nb = nbformat.read(notebook, as_version=4)
    environ = {k: v for k, v in os.environ.items() if not k.startswith('PET_BREEDS_')} | QUIET  # the sample, as planned
    NotebookClient(nb, timeout=None, kernel_name='python3', resources={'metadata': {'path': str(NBS)}}).execute(env=environ)
    for cell in nb.cells:  # what is printed line by line becomes one output
        for output in cell.get('outputs', []): output.get('metadata', {}).clear()
    nbformat.write(nb, notebook)
    code = 'import sys; from nbdev.clean import nbdev_clean; nbdev_clean.__wrapped__(fname=sys.argv[1])'
    subprocess.run([sys.executable, '-c', code, notebook], check=True, cwd=ROOT)


def readme():
    "nbs/index.ipynb as Markdown, and the pictures it shows, by path."
    nb = nbformat.read(NBS / 'index.ipynb', as_version=4)
    nb = nbformat.from_dict({**nb, 'cells': [c for cell in nb.cells for c in _for_readers(cell)]})
    nb.metadata['language_info'] = {'name': 'python'}
    alts = [c.metadata.get('alt', '') for c in nb.cells for o in c.get('outputs', [])
            if {'image/png', 'image/jpeg'} & set(o.get('data', {}))]
    text, resources = MarkdownExporter().from_notebook_node(nb, {'output_files_dir': 'nbs/images', 'unique_key': 'readme'})
    text = re.sub(r'\]\((?!https?:|nbs/)([^)]+\.ipynb)\)', r'](nbs/\1)', text)
    for alt in alts: text = re.sub(r'!\[(png|jpeg)\]', lambda _: f'![{alt}]', text, count=1)
    return re.sub(r'\n{3,}', '\n\n', text).strip() + '\n', resources['outputs']


def write_readme():
    "By Quarto where it is installed, else by nbconvert; a test compares the README with the latter's text."
    if shutil.which('quarto'):
        from nbdev.quarto import nbdev_readme
        return nbdev_readme.__wrapped__()
    text, pictures = readme()
    (ROOT / 'README.md').write_text(text, encoding='utf-8')
    for path, data in pictures.items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_bytes(data if isinstance(data, bytes) else base64.b64decode(data))


if __name__ == '__main__':
    names = [a for a in sys.argv[1:] if a != '--readme'] or sorted(n.stem for n in NBS.glob('*.ipynb'))
    for name in names if '--readme' not in sys.argv else []:
        print(name, flush=True)
        execute(NBS / f'{name}.ipynb')
    write_readme()
