"The repository in itself: notebooks, modules and metadata fit together."
import ast
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from configparser import ConfigParser

import pytest
import yaml
from conftest import ROOT
from fastcore.docments import docments
from pages import module_source, notebooks, read_module, readme
from pet_breeds.cli import app
from typer.main import get_command

SCHEMAS = {
    'vendor.github-workflows': '.github/workflows/*.yml',
    'custom.github-workflows-require-timeout': '.github/workflows/*.yml',
    'vendor.dependabot': '.github/dependabot.yml',
    'vendor.github-issue-forms': '.github/ISSUE_TEMPLATE/[!c]*.yml',
    'vendor.github-issue-config': '.github/ISSUE_TEMPLATE/config.yml',
    'vendor.citation-file-format': 'CITATION.cff',
}


def contents(folder):
    "All but the line ends, which nbdev writes as Windows does there."
    return {p.relative_to(folder).as_posix(): p.read_bytes().replace(b'\r\n', b'\n') for p in sorted(folder.rglob('*'))
            if p.is_file() and p.suffix in {'.ipynb', '.py'}}


def test_clean_and_export_change_nothing(copy, run):
    before = contents(copy)
    for command in ('from nbdev.clean import nbdev_clean; nbdev_clean()', 'from nbdev.doclinks import nbdev_export; nbdev_export()'):
        done = run(sys.executable, '-c', command, cwd=copy)
        assert done.returncode == 0, done.stderr
    after = contents(copy)
    assert {n for n in before | after if before.get(n) != after.get(n)} == set()


def exported(notebook):
    "Each exported cell's directive and code."
    cells = json.loads(notebook.read_text(encoding='utf-8'))['cells']
    found = [re.search(r'(?m)^#\| *(exports?|exporti)\b', ''.join(c['source'])) for c in cells if c['cell_type'] == 'code']
    return [(m[1], m.string) for m in found if m]


def test_each_module_has_its_notebook(root):
    "A post's module is called as its notebook without the number, one of the library as its notebook."
    names = {n: m[1] for n in notebooks() if (m := re.search(r'#\| default_exp (\w+)', n.read_text(encoding='utf-8')))}
    modules = {m.stem for m in (root / 'pet_breeds').glob('*.py')} - {'__init__', '_modidx'}
    assert sorted(names.values()) == sorted(modules)
    assert {n.stem: module for n, module in names.items() if module != re.sub(r'^\d+[a-z]?_', '', n.stem)} == {}


def test_posts_export_what_they_teach(root):
    "In 00 to 04, with its source on the page, one public definition a cell. A stage with a letter need not."
    posts = [n for n in notebooks() if n.name[0].isdigit()]
    assert [p.name for p in posts if exported(p) or p.name[2] != '_'] == [p.name for p in posts if p.name < '05']
    for post in posts:
        for directive, code in exported(post):
            public = [n.name for n in ast.parse(code).body if hasattr(n, 'name') and n.name[0] != '_']
            assert directive == 'export' or (directive, len(public)) == ('exports', 1), f'{post.name}: {public}'


def test_public_functions_are_documented(root):
    "A docstring, and for each parameter and result a type and a comment; a `**kw` has its comment where docments does not look."
    bad = []
    for file in sorted((root / 'pet_breeds').glob('[a-z]*.py')):
        module = importlib.import_module(f'pet_breeds.{file.stem}')
        for function in filter(inspect.isfunction, (getattr(module, name) for name in module.__all__)):
            if file.stem == 'cli': continue  # see below
            variable = {n for n, p in inspect.signature(function).parameters.items() if p.kind is p.VAR_KEYWORD}
            bad += [f'{file.stem}.{function.__name__}: docstring'] * (not function.__doc__)
            bad += [f'{file.stem}.{function.__name__}: {name}' for name, d in docments(function, full=True).items()
                    if name not in variable and d.anno is not None and 'Iterator[None]' not in str(d.anno)
                    and (d.anno is inspect.Parameter.empty or not d.docment)]
    assert bad == []


def test_every_option_has_its_help():
    commands = get_command(app).commands
    assert [(name, p.opts) for name, c in commands.items() for p in c.params if not getattr(p, 'help', None)] == []
    assert [name for name, c in commands.items() if not c.help] == []


def test_ruff(root, run):
    done = run(sys.executable, '-m', 'ruff', 'check', 'pet_breeds', 'tests', 'experiments', 'demo', cwd=root)
    assert done.returncode == 0, done.stdout


def long_lines(module):
    "Those of more than 100 characters, without the first ones, down to `__all__`, which nbdev writes."
    head, _, own = module.partition('\n# %% ../nbs')
    return [i for i, row in enumerate(own.split('\n'), head.count('\n') + 2) if len(row) > 100]


def test_lines_of_the_library_fit(root):
    assert long_lines(f'"{"x" * 101}"\n\n# %% ../nbs/a.ipynb\n{"x" * 100}\n{"x" * 101}') == [5]
    found = {f.name: long_lines(f.read_text(encoding='utf-8')) for f in sorted((root / 'pet_breeds').glob('[a-z]*.py'))}
    assert {name: rows for name, rows in found.items() if rows} == {}


def one_line_tries(code):
    return [n.lineno for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Try) and n.body[0].lineno == n.lineno]


def test_no_try_on_one_line(root):
    assert one_line_tries('if 1:\n    try: f()\n    except E: pass') == [2] and one_line_tries('try:\n    f()\nexcept E: pass') == []
    files = [f for folder in ('pet_breeds', 'tests', 'experiments', 'demo') for f in sorted((root / folder).glob('*.py'))]
    assert {f.name: found for f in files if (found := one_line_tries(f.read_text(encoding='utf-8')))} == {}


def test_types(root, run):
    "Of the package, the tests and the experiments."
    done = run(sys.executable, '-m', 'mypy', cwd=root)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize('schema', SCHEMAS)
def test_files_fit_their_schemas(root, run, schema):
    files = sorted(root.glob(SCHEMAS[schema]))
    assert files
    done = run(sys.executable, '-m', 'check_jsonschema', '--builtin-schema', schema, *files)
    assert done.returncode == 0, done.stdout


def test_workflows_are_pinned_and_may_little(root):
    hashes = {}
    for file in sorted((root / '.github/workflows').glob('*.yml')):
        text = file.read_text(encoding='utf-8')
        assert yaml.safe_load(text)['permissions'] == {'contents': 'read'}, file.name
        for used in re.findall(r'uses: (.+)', text):
            action = re.fullmatch(r'([\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+', used)
            assert action, f'{file.name}: {used}'
            assert hashes.setdefault(action[1], action[2]) == action[2], f'{file.name}: {used}'


def test_hooks_are_valid(root, run):
    done = run(sys.executable, '-m', 'pre_commit', 'validate-config', root / '.pre-commit-config.yaml')
    assert done.returncode == 0, done.stdout


def settings():
    parser = ConfigParser(delimiters=['='])
    parser.read_file((ROOT / 'settings.ini').open(encoding='utf-8'))
    return parser['DEFAULT']


def test_one_version(root):
    version = settings()['version']
    assert importlib.import_module('pet_breeds').__version__ == version
    assert yaml.safe_load((root / 'CITATION.cff').read_text(encoding='utf-8'))['version'] == version
    newest = re.search(r'^## (.+)', (root / 'CHANGELOG.md').read_text(encoding='utf-8'), re.MULTILINE)[1]
    assert re.fullmatch(rf'{re.escape(version)} \((unreleased|\d{{4}}-\d\d-\d\d)\)', newest)


def test_the_change_log_names_what_there_was_and_what_there_is(root):
    "In its newest tables: no `module.name` on the left is there any more, each one on the right is."
    newest = re.split(r'(?m)^## ', (root / 'CHANGELOG.md').read_text(encoding='utf-8'))[1]
    rows = [row.strip('|').split('|') for row in newest.split('\n') if row.startswith('| `')]
    defined = lambda cell: {f'{module}.{name}': name in read_module(module_source(module))[0]
                            for module, name in re.findall(r'`(\w+)\.(\w+)', cell) if module_source(module)}
    old, new = ({k: v for row in rows for k, v in defined(row[side]).items()} for side in (0, 1))
    assert len(new) > 20 and [n for n, there in old.items() if there] == [] and [n for n, there in new.items() if not there] == []


def test_both_nbdevs_are_told_the_same(root):
    "nbdev 2 reads settings.ini, nbdev 3 pyproject.toml; what the latter leaves out is nbdev 3's default, here written down."
    toml = tomllib.loads((root / 'pyproject.toml').read_text(encoding='utf-8'))
    defaults = dict(doc_path='_docs', recursive=True, readme_nb='index.ipynb', clean_ids=True, put_version_in_init=True, branch='main',
                    lib_path='pet_breeds', black_formatting=False)
    new = defaults | toml['tool']['nbdev'] | dict(lib_name=toml['project']['name'])
    new['nbs_path'] = os.path.normpath(new['nbs_path'])
    old = settings()
    as_text = lambda v: ' '.join(v) if isinstance(v, list) else str(v)
    assert {k: v for k, v in new.items() if old[k] != as_text(v)} == {}
    urls = toml['project']['urls']
    assert (urls['Repository'], urls['Documentation']) == (old['git_url'], old['doc_host'] + old['doc_baseurl'])


def test_names_fit_every_system(root):
    "No two differ in case only, and Windows takes each."
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=root, capture_output=True, text=True, check=True).stdout.split('\0')[:-1]
    assert [name for name, n in Counter(name.lower() for name in listed).items() if n > 1] == []
    bad = re.compile(r'[<>:"\\|?*\x00-\x1f]|[. ](/|$)|(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.|/|$)', re.IGNORECASE)
    assert [name for name in listed if bad.search(name) or len(name) > 150] == []


@pytest.mark.skipif(os.name == 'nt', reason='no make on Windows')
def test_docs_without_quarto_says_how_to_get_it(root, run, tmp_path):
    for tool in ('sh', 'make'): (tmp_path / tool).symlink_to(shutil.which(tool))
    done = run('make', 'docs', f'PYTHON={sys.executable}', cwd=root, env={'PATH': str(tmp_path)})
    assert 'Quarto 1.6' in done.stdout and 'Error 3' in done.stderr


def test_demo_without_npm_says_how_to_build_it(root, run, tmp_path):
    done = run(sys.executable, root / 'demo/build.py', tmp_path / 'out', env=os.environ | {'PATH': str(tmp_path)})
    assert done.returncode == 3 and 'the demo needs npm on PATH' in done.stderr and 'Traceback' not in done.stderr
    assert '`make demo`' in (tmp_path / 'out/demo.js').read_text(encoding='utf-8')
    assert (tmp_path / 'out/index.html').exists() and not (tmp_path / 'out/demo.json').exists()
    recipe = (root / 'Makefile').read_text(encoding='utf-8').partition('\ndocs:')[2].partition('\n\n')[0]
    assert 'demo/build.py "$(OUT)/site/_docs/demo"' in recipe


def test_readme_says_what_the_index_says(root):
    "Word for word; pictures, tables and captions may be laid out differently."
    words = lambda text: Counter(re.findall(r'[\w.%]+', re.sub(r'!\[[^]]*\]\([^)]*\)|<[^>]+>', '', text)))
    text, _ = readme()
    has = (root / 'README.md').read_text(encoding='utf-8')
    assert words(has) == words(text)
    for path in re.findall(r'\]\((?!https:)([^)#]+)', has): assert (root / path).exists(), path
