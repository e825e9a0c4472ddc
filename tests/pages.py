"""Where stored outputs and the README come from.

python tests/pages.py            execute the stale notebooks in place, on the sample, each in a fresh kernel; then make the README
python tests/pages.py NAME …     execute these, such as 02_lr_find or lib/stats; `all` for all
python tests/pages.py --readme   only make the README, from the outputs that nbs/index.ipynb stores
python tests/pages.py --images   only draw the site's own pictures: the card that shared links show, the favicon, and one for each post
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
from typing import NamedTuple

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from PIL import Image, ImageOps

from pet_breeds.sample import draw_pet, make_breeds
from pet_breeds.walk import QUIET, _for_readers

ROOT = Path(__file__).parent.parent
ACTIONS = 'https://github.com/pet-breeds/pet_breeds/actions/workflows'
BADGES = ' '.join(f'[![{name}]({ACTIONS}/{name}.yml/badge.svg)]({ACTIONS}/{name}.yml)' for name in ('test', 'docs'))
NBS = ROOT / 'nbs'


parse = cache(ast.parse)


def notebooks():
    "All pages: posts, index and results in nbs/, the library's in nbs/lib/."
    return sorted(NBS.glob('*.ipynb')) + sorted(NBS.glob('lib/*.ipynb'))


@cache
def code_of(source):
    "Code without comments, blanks and docstrings: what an output may depend on."
    rows, lines = source.split('\n'), source.encode().splitlines(keepends=True)
    cuts = [(t.start[0], len(rows[t.start[0] - 1][:t.start[1]].encode()), t.end[0], len(rows[t.end[0] - 1][:t.end[1]].encode()))
            for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.COMMENT]
    for node in ast.walk(parse(source)):
        if not isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) or ast.get_docstring(node) is None: continue
        d = node.body[0].value
        cuts.append((d.lineno, d.col_offset, d.end_lineno, d.end_col_offset))
    for first, start, last, end in sorted(cuts, reverse=True):
        lines[first - 1:last] = [lines[first - 1][:start] + lines[last - 1][end:]]
    return ' '.join(b''.join(lines).decode().split())


class Statement(NamedTuple):
    "A top-level statement of a module."
    text: str
    words: set[str]  # Names in it
    strings: set[str]  # Texts in it


def stored(node):
    "Names that a statement assigns, those of comprehensions left out."
    kept = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return kept - {n.id for c in ast.walk(node) if isinstance(c, ast.comprehension) for n in ast.walk(c.target) if isinstance(n, ast.Name)}


def extended(function):
    "Names of what a function's decorators add it to: the class of `@patch`, the app of `@app.command()`."
    for d in getattr(function, 'decorator_list', []):
        if isinstance(d, ast.Name) and d.id == 'patch': yield function.args.args[0].annotation.id
        if isinstance(d, ast.Call) and isinstance(d.func, ast.Attribute) and isinstance(d.func.value, ast.Name): yield d.func.value.id


def imported(tree):
    "What code imports from our modules: `(module, name)` by the name that it has here; `*` is the whole module."
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name: (a.name.partition('.')[2], '*') for a in node.names if a.name.startswith('pet_breeds.')}
        if not isinstance(node, ast.ImportFrom): continue
        package, _, module = ('pet_breeds.' * node.level + (node.module or '')).strip('.').partition('.')  # modules say `from .data`
        if package == 'pet_breeds':
            found |= {a.asname or a.name: (module, a.name) if module else (a.name, '*') for a in node.names}
    return found


@cache
def read_module(source):
    "A module's statements by the names that they define or extend, `` for the others; and what it imports from our modules."
    tree, statements = parse(source), {}
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)): continue
        names = {node.name, *extended(node)} if hasattr(node, 'name') else stored(node) or {''}
        start = min([node.lineno, *(d.lineno for d in getattr(node, 'decorator_list', []))])
        nodes = list(ast.walk(node))
        statement = Statement('\n'.join(source.split('\n')[start - 1:node.end_lineno]), {n.id for n in nodes if isinstance(n, ast.Name)},
                              {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)})
        for name in names: statements.setdefault(name, []).append(statement)
    return statements, imported(tree)


def module_source(module):
    file = ROOT / f'pet_breeds/{module}.py'
    return file.read_text(encoding='utf-8') if file.exists() else ''


def use(names, everywhere=False):
    "The statements behind each `(module, name)`, with what these need of the same module, or of all modules."
    todo, found = list(names), {}
    while todo:
        module, name = key = todo.pop()
        statements, imports = read_module(module_source(module))
        if key in found: continue
        found[key] = statements.get(name, [])
        if name == '*': todo += [(module, n) for n in statements]
        elif not found[key] and name in imports: todo.append(imports[name])  # it only hands it on
        words = {w for s in found[key] for w in s.words}
        todo += [(module, ''), *((module, w) for w in words if w in statements)]
        if everywhere: todo += [imports[w] for w in words if w in imports]
    return {key: statements for key, statements in found.items() if statements}


def parts(notebook):
    "A page's code; what it imports from our modules, see `use`; the records that it names, or that any code behind it names."
    nb = nbformat.read(notebook, as_version=4)
    code = '\n'.join(c.source for c in nb.cells if c.cell_type == 'code')
    names = list(imported(parse(code)).values())
    strings = {n.value for n in ast.walk(parse(code)) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    strings |= {s for statements in use(names, everywhere=True).values() for statement in statements for s in statement.strings}
    def named(file):
        return any(fnmatch(file.name, s) if s.endswith('.json') else s == file.stem or s[-1:] == '-' and file.stem.startswith(s)
                   or s[:1] == '-' and s[1:2].isalpha() and file.stem.endswith(s) for s in strings)
    return code, use(names), [f for f in sorted((ROOT / 'results').glob('*.json')) if named(f)]


def made_from(notebook):
    """A digest of what the page's outputs come from: its code, what it imports from our modules, the records that it reads.

    Comments and docstrings do not count, except on the pages whose outputs show them: options and the command's help.
    """
    code, used, records = parts(notebook)
    kept = str if notebook.stem in ('cli', 'options') else code_of
    texts = [f'{module}.{name}: {kept(s.text)}' for (module, name), statements in sorted(used.items()) for s in statements]
    whole = '\n'.join([kept(code), *texts]).encode() + b''.join(r.read_bytes() for r in records)
    return hashlib.sha256(whole).hexdigest()[:16]


def stale():
    "Pages whose outputs come from something else than what is there now."
    noted = {p: nbformat.read(p, as_version=4).metadata.get('made_from') for p in notebooks()}
    return [p for p in notebooks() if noted[p] != made_from(p)]


def execute(notebook):
    "Execute a notebook where it stands, clean it, and note what its outputs come from."
    nb = nbformat.read(notebook, as_version=4)
    environ = {k: v for k, v in os.environ.items() if not k.startswith('PET_BREEDS_')} | QUIET  # the sample, as planned
    NotebookClient(nb, timeout=None, kernel_name='python3', resources={'metadata': {'path': str(notebook.parent)}}).execute(env=environ)
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
    text = re.sub(r'\]\((?!https?:|nbs/)([^)]+\.(?:ipynb|qmd)(?:#[^)]*)?)\)(?:\{\.btn[^}]*\})?', r'](nbs/\1)', text)
    for alt in alts: text = re.sub(r'!\[(png|jpeg)\]', lambda _: f'![{alt}]', text, count=1)
    title, rest = re.sub(r'\n{3,}', '\n\n', text).strip().split('\n', 1)
    return f'{title}\n\n{BADGES}\n{rest}\n', resources['outputs']


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
    from thumbnails import write_thumbnails  # it sets matplotlib up for files
    write_thumbnails(NBS)


if __name__ == '__main__':
    options, names = ([a for a in sys.argv[1:] if a.startswith('--') == flag] for flag in (True, False))
    chosen = [] if options else notebooks() if names == ['all'] else [NBS / f'{n}.ipynb' for n in names] or stale()
    for page in chosen:
        print(page.relative_to(NBS), flush=True)
        execute(page)
    if '--images' in options: write_images()
    else: write_readme()
