"""How the house stands: what a reader of the posts meets, which module stands on which, what a change costs.

python tests/test_house.py [FOLDER]   print the measures of this tree, or of the checkout in FOLDER
python tests/test_house.py --draw     draw the floors anew in CONTRIBUTING.md
"""
import ast
import io
import json
import re
import statistics
import subprocess
import sys
import tokenize
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pages
import pytest

ROOT = Path(__file__).parent.parent
BEGIN, END = ('<!-- floors: drawn from the imports by `python tests/test_house.py --draw` -->', '<!-- floors end -->')
LINES = 6800  # at most, by `written`; the modules of 0.1.0 had 5,121, without weights, a shipped model that answers without PyTorch, a gate, layouts
HEAVY = {'torch', 'fastai', 'numpy', 'pandas', 'matplotlib'}


# Cells

def read(page):
    return json.loads(page.read_text(encoding='utf-8'))['cells']


def source(cell):
    return ''.join(cell['source'])


def lines(cell):
    "Non-blank lines that are no directive."
    return [line for line in source(cell).split('\n') if line.strip() and not line.startswith('#|')]


def is_code(cell):
    return cell['cell_type'] == 'code' and bool(lines(cell))


def is_visible(cell):
    "Whether the site shows the code itself: not hidden, folded, or exported without its source."
    hiding = r'(?m)^#\| *(hide|hide_input|export|exporti|default_exp .*|(echo|include): *false|code-fold: *true) *$'
    return is_code(cell) and not re.search(hiding, source(cell))


def posts(root):
    return sorted((root / 'nbs').glob('[0-9]*.ipynb'))


# Measures of the posts

def before_training(root, chosen=is_visible):
    "Cells and lines of code before the cell that calls `fine_tune`, posts 00 and 01 together."
    cells = [c for post in posts(root)[:2] for c in read(post)]
    first = next(i for i, c in enumerate(cells) if is_code(c) and re.search(r'(?m)^[^#\n]*\.fine_tune\(', source(c)))
    before = [c for c in cells[:first] if chosen(c)]
    return len(before), sum(len(lines(c)) for c in before)


def story(post):
    "Markdown's share of the lines that a reader sees."
    cells = read(post)
    told = sum(len(lines(c)) for c in cells if c['cell_type'] == 'markdown')
    return told / (told + sum(len(lines(c)) for c in cells if is_visible(c)))


def longest_cell(post):
    return max(len(lines(c)) for c in read(post) if is_visible(c))


def wide_lines(post, width=88):
    return [line for c in read(post) if is_visible(c) for line in lines(c) if len(line) > width]


def opens_with_pets(root):
    "Whether the data page shows a picture before it shows code."
    for cell in filter(is_code, read(posts(root)[0])):
        if any(kind.startswith('image/') for o in cell['outputs'] for kind in o.get('data', {})): return True
        if is_visible(cell): return False
    return False


# Measures of the modules

def notebooks(root):
    return sorted((root / 'nbs').glob('*.ipynb')) + sorted((root / 'nbs').glob('lib/*.ipynb'))


def modules(root):
    "Their sources by name."
    files = sorted((root / 'pet_breeds').glob('*.py'))
    return {f.stem: f.read_text(encoding='utf-8') for f in files if f.stem not in ('__init__', '_modidx')}


def written(code):
    "Lines of a module that somebody wrote: nbdev's and blank ones left out."
    return [row for row in code.partition('\n# %% ../nbs')[2].split('\n')[1:] if row.strip() and not row.startswith('# %% ')]


def tokens(code):
    "Names, numbers, texts and signs: what lines of any width hold."
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    return sum(t.type not in layout for t in tokenize.generate_tokens(io.StringIO(code).readline))


def graph(root):
    "Which of our modules each module imports, also within its functions."
    return {name: {m for m, _ in pages.imported(ast.parse(code)).values()} - {name} for name, code in modules(root).items()}


def floors(uses):
    "Each module's floor, one above the highest that it imports; `ValueError` for a cycle."
    found = {}
    while ready := {m for m in uses.keys() - found if uses[m] & uses.keys() <= found.keys()}:
        found |= {m: 1 + max((found[u] for u in uses[m] & uses.keys()), default=0) for m in ready}
    if cycle := sorted(uses.keys() - found): raise ValueError(f'these import each other, or from such: {", ".join(cycle)}')
    return found


def loaded(code):
    "What is in `sys.modules` after a fresh Python ran some code."
    done = subprocess.run([sys.executable, '-c', f'{code}\nimport sys; print(*sys.modules)'], check=True, capture_output=True, text=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split())


def function_lengths(root):
    "Lines of each function from `def` to its end, without its parameters, docstring, blanks and comments."
    found = {}
    for module, code in modules(root).items():
        rows = code.split('\n')
        for node in ast.walk(ast.parse(code)):
            if not isinstance(node, ast.FunctionDef): continue
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            text = rows[body[0].lineno - 1:node.end_lineno] if body else []
            found[f'{module}.{node.name}'] = sum(bool(t.strip()) and not t.strip().startswith('#') for t in text)
    return found


def used_by(root):
    "What each notebook uses of our modules, as that tree's own tests/pages.py sees it: whole modules, or statements of them."
    spec = spec_from_file_location('pages_there', root / 'tests/pages.py')
    spec.loader.exec_module(there := module_from_spec(spec))
    found = {}
    for notebook in notebooks(root):
        first, *rest = there.parts(notebook)
        found[notebook] = ({(module, None) for module in first} if isinstance(first, dict)  # the house of 0.1.0
                           else {(module, s.text) for (module, _), statements in rest[0].items() for s in statements})
    return found


def stale_pages(root):
    "For each line of each module, how many pages are stale if it changes: numbers by module."
    owner = {m[1]: n for n in notebooks(root) if (m := re.search(r'#\| default_exp (\w+)', n.read_text(encoding='utf-8')))}
    used, found = used_by(root), {}
    for module, code in modules(root).items():
        texts = {s.text for statements in pages.read_module(code)[0].values() for s in statements}
        found[module] = []
        for text in texts:
            users = {n for n, keys in used.items() if {(module, None), (module, text)} & keys} | {owner.get(module)} - {None}
            found[module] += [len(users)] * len(text.split('\n'))
    return found


# The table and the picture

def measures(root):
    "The table: what is measured, and its value."
    codes, uses, longest = modules(root).values(), graph(root), function_lengths(root)
    stale = {m: numbers for m, numbers in stale_pages(root).items() if numbers}
    worst = max(stale, key=lambda m: statistics.median(stale[m]))
    cells, rows = before_training(root)
    yield 'visible code before the first `fine_tune` (00 and 01)', f'{cells} cells, {rows} lines'
    yield 'the same with hidden code', '{} cells, {} lines'.format(*before_training(root, is_code))
    yield 'a picture of pets before the first visible code of 00', 'yes' if opens_with_pets(root) else 'no'
    for post in posts(root):
        n = sum(map(is_visible, read(post)))
        yield f'{post.stem}: story, visible code cells, longest', f'{story(post):.0%}, {n}, {longest_cell(post)} lines'
    yield 'lines over 88 characters in visible cells of posts', str(sum(len(wide_lines(post)) for post in posts(root)))
    yield 'modules', f'{len(codes)} with {sum(len(written(c)) for c in codes):,} lines, {sum(map(tokens, codes)):,} tokens'
    yield 'floors of imports', str(max(floors(uses).values()))
    yield 'import `walk`', ', '.join(sorted(m for m in uses if 'walk' in uses[m]))
    for name, bound in (('longest function', 40), ('functions of more than 25 lines', 25)):
        found = sorted(((n, f) for f, n in longest.items()), reverse=True)
        yield name, f'{found[0][0]} lines, {found[0][1]}' if bound == 40 else ', '.join(f'{f} {n}' for n, f in found if n > bound) or 'none'
    yield 'pages that a changed line makes stale, of ' + str(len(notebooks(root))), (
        f'{statistics.median(n for numbers in stale.values() for n in numbers):.0f} (median line); '
        f'{statistics.median(stale[worst]):.0f} (median line of the worst module, {worst}); {max(max(n) for n in stale.values())} (worst line)')
    yield 'stale pages by module, median line and worst', ', '.join(
        f'{m} {statistics.median(numbers):.0f}/{max(numbers)}' for m, numbers in stale.items())


def table(root):
    return '\n'.join(['| measure | value |', '|---|---|', *(f'| {name} | {value} |' for name, value in measures(root))])


def draw(root):
    "The floors, the highest first; a module stands on modules below it only."
    found = floors(graph(root))
    rows = [f'{floor}  ' + '  '.join(m for m in sorted(found) if found[m] == floor) for floor in range(max(found.values()), 0, -1)]
    return '\n'.join([BEGIN, '', *('    ' + row for row in rows), '', END])


def drawn(text):
    "The part of CONTRIBUTING.md that `draw` makes."
    return text[text.index(BEGIN):text.index(END) + len(END)]


# What is held

def test_training_comes_soon():
    cells, rows = before_training(ROOT)
    assert 0 < cells <= 12 and rows <= 60


def test_the_data_page_opens_with_pets():
    assert opens_with_pets(ROOT), 'no picture in the output of a cell before the first visible one; make pages PAGES=00_data?'


each_post = pytest.mark.parametrize('post', posts(ROOT), ids=lambda p: p.stem)


@each_post
def test_a_post_tells_a_story(post):
    assert story(post) > .5


@each_post
def test_the_cells_of_a_post_are_few_and_short(post):
    assert sum(map(is_visible, read(post))) <= 25
    assert [source(c) for c in read(post) if is_visible(c) and len(lines(c)) > 12] == []


def test_floors():
    "No cycle, at most seven; the command alone stands on the page runner."
    uses = graph(ROOT)
    assert max(floors(uses).values()) <= 7
    assert [m for m in uses if 'walk' in uses[m]] == ['cli']


def test_help_imports_nothing_heavy():
    for words in (['--help'], ['train', '--help'], ['walk', '--help']):
        assert loaded(f'import pet_breeds.cli as c\ntry: c.app({words})\nexcept SystemExit as e: assert e.code == 0') & HEAVY == set()


def test_functions_and_modules_stay_small():
    assert {f: n for f, n in function_lengths(ROOT).items() if n > 40} == {}
    assert sum(len(written(code)) for code in modules(ROOT).values()) < LINES


def test_a_changed_line_makes_few_pages_stale():
    "The sample's own drawing aside, which is what most pages show."
    medians = {m: statistics.median(numbers) for m, numbers in stale_pages(ROOT).items() if numbers and m != 'sample'}
    assert {m: n for m, n in medians.items() if n > len(notebooks(ROOT)) / 2} == {}


def test_the_picture_of_the_floors_is_drawn_from_the_imports():
    assert drawn((ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')) == draw(ROOT), 'python tests/test_house.py --draw'


def test_the_measures_see_what_they_look_for(tmp_path):
    "One fault of each kind, in a house of two posts and some modules."
    def cell(code, kind='code', **output):
        outputs = [dict(output_type='display_data', data={k.replace('_', '/'): v for k, v in output.items()})] * bool(output)
        return dict(cell_type=kind, source=code, outputs=outputs)
    def build(*cells, **codes):
        for folder in ('nbs', 'pet_breeds'): (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / 'nbs/00_a.ipynb').write_text(json.dumps(dict(cells=cells)))
        (tmp_path / 'nbs/01_b.ipynb').write_text(json.dumps(dict(cells=[cell('learn.fine_tune(1)')])))
        for name, code in codes.items(): (tmp_path / f'pet_breeds/{name}.py').write_text(code)
        return tmp_path
    hidden = [cell(f'#| {d}\nx = 1') for d in ('hide', 'export', 'echo: false', 'code-fold: true', 'include: false')]
    seen = [cell(f'#| {d}\nx = 1\n\ny = 2') for d in ('exports', 'label: fig-a', 'output: false')]
    root = build(*hidden, *seen, cell('#| default_exp a'), cell('one line\n', 'markdown'), cell(f'x = {"1" * 90}'))
    assert before_training(root) == (4, 7) and before_training(root, is_code) == (9, 12)
    page = posts(root)[0]
    assert story(page) == 1 / 8 and longest_cell(page) == 2 and len(wide_lines(page)) == 1
    for cells, opens in (((cell('#| echo: false\nx', image_png=''), cell('y')), True), ((cell('y'), cell('x', image_png='')), False),
                         ((cell('#| hide\nx', text_plain=''), cell('y')), False), ((cell('y', image_jpeg=''),), True)):
        assert opens_with_pets(build(*cells)) == opens
    root = build(a='def f():\n    from .b import g', b='import pet_breeds.c', c='def f(\n  a,\n):\n    "Doc."\n    # why\n    a = 1\n\n    return a')
    assert graph(root) == dict(a={'b'}, b={'c'}, c=set()) and floors(graph(root)) == dict(a=3, b=2, c=1)
    assert function_lengths(root) == {'a.f': 1, 'c.f': 2}
    assert written('"Doc."\n\n# %% auto #0\n__all__ = []\n\n# %% ../nbs/a.ipynb #1\nx = 1\n\n# %% ../nbs/a.ipynb #2\ny = 2 # two') == ['x = 1', 'y = 2 # two']
    assert tokens('def f(): # one\n    "two"\n    return 3\n') == 8
    with pytest.raises(ValueError, match='a, b, c'): floors(graph(build(c='from pet_breeds import a')))


if __name__ == '__main__':
    where = Path(next((a for a in sys.argv[1:] if a[0] != '-'), ROOT)).resolve()
    if '--draw' in sys.argv:
        file = where / 'CONTRIBUTING.md'
        text = file.read_text(encoding='utf-8')
        file.write_text(text.replace(drawn(text), draw(where)), encoding='utf-8')
    else: print(table(where), draw(where), sep='\n\n')
