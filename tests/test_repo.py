"The repository in itself: notebooks, modules and metadata fit together."
import importlib
import inspect
import re
import shutil
import sys
from collections import Counter

from fastcore.docments import docments
from pages import readme


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob('*'))
            if p.is_file() and p.suffix in {'.ipynb', '.py'}}


def test_clean_and_export_change_nothing(copy, run):
    before = contents(copy)
    for command in ('from nbdev.clean import nbdev_clean; nbdev_clean()', 'from nbdev.doclinks import nbdev_export; nbdev_export()'):
        done = run(sys.executable, '-c', command, cwd=copy)
        assert done.returncode == 0, done.stderr
    after = contents(copy)
    assert {n for n in before | after if before.get(n) != after.get(n)} == set()


def test_each_module_has_its_notebook(root):
    exported = {m[1] for n in (root / 'nbs').glob('*.ipynb')
                if (m := re.search(r'#\| default_exp (\w+)', n.read_text(encoding='utf-8')))}
    modules = {m.stem for m in (root / 'pet_breeds').glob('*.py')} - {'__init__', '_modidx'}
    assert modules == exported


def test_public_functions_are_documented(root):
    "A docstring, and for each parameter and result a type and a comment; a `**kw` has its comment where docments does not look."
    bad = []
    for file in sorted((root / 'pet_breeds').glob('[a-z]*.py')):
        module = importlib.import_module(f'pet_breeds.{file.stem}')
        for function in filter(inspect.isfunction, (getattr(module, name) for name in module.__all__)):
            if file.stem == 'cli': continue  # Typer's own help texts
            variable = {n for n, p in inspect.signature(function).parameters.items() if p.kind is p.VAR_KEYWORD}
            bad += [f'{file.stem}.{function.__name__}: docstring'] * (not function.__doc__)
            bad += [f'{file.stem}.{function.__name__}: {name}' for name, d in docments(function, full=True).items()
                    if name not in variable and d.anno is not None and 'Iterator[None]' not in str(d.anno)
                    and (d.anno is inspect.Parameter.empty or not d.docment)]
    assert bad == []


def test_ruff(root, run):
    done = run(sys.executable, '-m', 'ruff', 'check', 'pet_breeds', 'tests', cwd=root)
    assert done.returncode == 0, done.stdout


def test_docs_without_quarto_says_how_to_get_it(root, run, tmp_path):
    for tool in ('sh', 'make'): (tmp_path / tool).symlink_to(shutil.which(tool))
    done = run('make', 'docs', f'PYTHON={sys.executable}', cwd=root, env={'PATH': str(tmp_path)})
    assert 'Quarto 1.6' in done.stdout and 'Error 3' in done.stderr


def test_readme_says_what_the_index_says(root):
    "Word for word; pictures, tables and captions may be laid out differently."
    words = lambda text: Counter(re.findall(r'[\w.%]+', re.sub(r'!\[[^]]*\]\([^)]*\)|<[^>]+>', '', text)))
    text, _ = readme()
    has = (root / 'README.md').read_text(encoding='utf-8')
    assert words(has) == words(text)
    for path in re.findall(r'!\[[^]]*\]\(([^)]+)\)', has): assert (root / path).exists(), path
