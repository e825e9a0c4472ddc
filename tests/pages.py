"""Where stored outputs and the README come from.

python tests/pages.py [NAME …]   execute notebooks in place, on the sample, each in a fresh kernel; then make the README
python tests/pages.py --readme   only make the README, from the outputs that nbs/index.ipynb stores
python tests/pages.py --images   only draw the site's own pictures: the card that shared links show, and the favicon
"""
import ast
import base64
import hashlib
import io
import os
import re
import subprocess
import sys
import tokenize
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from PIL import Image, ImageOps

from pet_breeds.sample import draw_pet, make_breeds
from pet_breeds.walk import QUIET, _for_readers

ROOT = Path(__file__).parent.parent
NBS = ROOT / 'nbs'


parse = cache(ast.parse)


@cache
def code_of(source, docstrings):
    "Code without comments, blanks and, unless told otherwise, docstrings: what an output may depend on."
    rows, lines = source.split('\n'), source.encode().splitlines(keepends=True)
    cuts = [(t.start[0], len(rows[t.start[0] - 1][:t.start[1]].encode()), t.end[0], len(rows[t.end[0] - 1][:t.end[1]].encode()))
            for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.COMMENT]
    for node in ast.walk(parse(source)):
        if docstrings or not isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) or ast.get_docstring(node) is None: continue
        d = node.body[0].value
        cuts.append((d.lineno, d.col_offset, d.end_lineno, d.end_col_offset))
    for first, start, last, end in sorted(cuts, reverse=True):
        lines[first - 1:last] = [lines[first - 1][:start] + lines[last - 1][end:]]
    return ' '.join(b''.join(lines).decode().split())


def parts(notebook):
    "The code of a page and of the modules that it uses, directly or not, by name; and the records that this code names."
    nb = nbformat.read(notebook, as_version=4)
    sources = {'': '\n'.join(c.source for c in nb.cells if c.cell_type == 'code')}
    own = re.search(r'#\| default_exp (\w+)', sources[''])
    sources |= {own[1]: ''} if own else {}  # it stands on the page
    todo, words = [''], set()
    while todo:
        for node in ast.walk(parse(sources[todo.pop()])):
            if isinstance(node, ast.Constant) and isinstance(node.value, str): words.add(node.value)
            if not isinstance(node, ast.ImportFrom) or not node.module: continue
            package, _, name = ('pet_breeds.' * node.level + node.module).partition('.')  # modules say `from .data`
            if package != 'pet_breeds' or not name or name in sources: continue
            sources[name] = (ROOT / f'pet_breeds/{name}.py').read_text(encoding='utf-8')
            todo.append(name)
    def named(file):
        return any(fnmatch(file.name, w) if w.endswith('.json') else '-' in w and (w == file.stem or w[-1] == '-' and file.stem.startswith(w))
                   for w in words)
    return sources, [f for f in sorted((ROOT / 'results').glob('*.json')) if named(f)]


def made_from(notebook):
    """A digest of what the page's outputs come from. The sample counts as the module that draws it.

    Comments and docstrings do not count, except on the command's page, which prints its help.
    """
    sources, records = parts(notebook)
    digest = hashlib.sha256()
    for name, source in sorted(sources.items()): digest.update(f'{name}: {code_of(source, "cli" in sources)}\n'.encode())
    for record in records: digest.update(record.read_bytes())
    return digest.hexdigest()[:16]


def execute(notebook):
    "Execute a notebook where it stands, clean it, and note what its outputs come from."
    nb = nbformat.read(notebook, as_version=4)
    environ = {k: v for k, v in os.environ.items() if not k.startswith('PET_BREEDS_')} | QUIET  # the sample, as planned
    NotebookClient(nb, timeout=None, kernel_name='python3', resources={'metadata': {'path': str(NBS)}}).execute(env=environ)
    for cell in nb.cells:  # what is printed line by line becomes one output
        for output in cell.get('outputs', []): output.get('metadata', {}).clear()
    nb.metadata['made_from'] = made_from(notebook)
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
    text, pictures = readme()
    (ROOT / 'README.md').write_text(text, encoding='utf-8')
    for path, data in pictures.items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_bytes(data if isinstance(data, bytes) else base64.b64decode(data))


def write_images():
    "One pet of each of twelve breeds, and a breed's portrait."
    card = Image.new('RGB', (1200, 630))
    for i, breed in enumerate(make_breeds()[:12]):
        pet = draw_pet(breed, np.random.default_rng([7, i]), long_side=420)
        card.paste(ImageOps.fit(pet, (300, 210)), (300 * (i % 4), 210 * (i // 4)))
    card.save(NBS / 'card.jpg', quality=85)
    pet = draw_pet(make_breeds()[5], np.random.default_rng([7, 5]), long_side=420)
    ImageOps.fit(pet, (64, 64)).save(NBS / 'favicon.png')


if __name__ == '__main__':
    options, names = ([a for a in sys.argv[1:] if a.startswith('--') == flag] for flag in (True, False))
    for name in [] if options else names or sorted(n.stem for n in NBS.glob('*.ipynb')):
        print(name, flush=True)
        execute(NBS / f'{name}.ipynb')
    if '--images' in options: write_images()
    else: write_readme()
