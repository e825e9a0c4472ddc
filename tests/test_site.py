"The pages as nbdev hands them to Quarto: what a reader would stumble over."
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from datetime import date

import pages
import pytest
import yaml
from conftest import ROOT

PAGES = pages.notebooks()
LIBRARY = [p for p in PAGES if p.parent.name == 'lib']
POSTS = [p for p in PAGES if p not in LIBRARY]  # index and results among them
NUMBERED = [p for p in POSTS if p.name[0].isdigit()]
SETTINGS = ConfigParser(delimiters=['='])
SETTINGS.read(ROOT / 'settings.ini')
GIT, HOST = (SETTINGS['DEFAULT'][k] for k in ('git_url', 'doc_host'))
SITE = HOST + SETTINGS['DEFAULT']['doc_baseurl']


def text(x): return ''.join(x or '')


def name_of(page, folder=ROOT / 'nbs'):
    "As links and menus name it: `00_data.ipynb`, `lib/stats.ipynb`."
    return page.relative_to(folder).as_posix()


def read(page): return json.loads(page.read_text(encoding='utf-8'))['cells']


def outputs(cells, kind):
    return [text(o['data'][kind]) for c in cells for o in c.get('outputs', []) if kind in o.get('data', {})]


def prose(cells):
    "The Markdown of a page, without code blocks: its own and what its cells print."
    parts = [text(c['source']) for c in cells if c['cell_type'] == 'markdown'] + outputs(cells, 'text/markdown')
    return re.sub(r'(?ms)^```.*?^```', '', '\n\n'.join(parts))


def directives(cell): return dict(re.findall(r'(?m)^#\| *([\w-]+): *"?(.*?)"?$', text(cell['source'])))


def headings(cells):
    "Levels and words of the headings below the title, in the order of the page."
    found = []
    for c in cells:
        for part in [text(c['source'])] * (c['cell_type'] == 'markdown') + outputs([c], 'text/markdown'):
            part = re.sub(r'(?ms)^```.*?^```', '', part)
            found += [(len(marks), words) for marks, words in re.findall(r'(?m)^(#+) (.+)$', part)]
    return found


def slug(words):
    "The anchor that pandoc gives to a heading."
    if own := re.search(r'\{#([\w.-]+)', words): return own[1]
    words = re.sub(r'\[([^]]*)\]\([^)]*\)|[`*]', r'\1', words).strip().lower()
    return re.sub(r'^[^a-z]+', '', re.sub(r'\s+', '-', re.sub(r'[^\w\s.-]', '', words)))


@pytest.fixture(scope='session')
def site(copy):
    "All pages by the name of their source: notebooks as nbdev processes them; its own command would install Quarto with sudo."
    code = '''import nbdev.quarto as q
from nbdev.serve import proc_nbs
q.refresh_quarto_yml(); q.nbdev_sidebar.__wrapped__(); proc_nbs(force=True, n_workers=1)'''
    # Links from names to pages and sources go by an entry point of the package, which an older install may lack.
    subprocess.run([sys.executable, 'setup.py', '-q', 'egg_info'], cwd=copy, check=True, capture_output=True)
    done = subprocess.run([sys.executable, '-c', code], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0 and 'Error' not in done.stdout + done.stderr, done.stdout + done.stderr
    found = {name_of(p, copy / '_proc'): read(p) for p in sorted((copy / '_proc').rglob('*.ipynb'))}
    assert set(found) == set(map(name_of, PAGES))
    qmd = {p.name: [dict(cell_type='markdown', source=p.read_text(encoding='utf-8'))] for p in (copy / '_proc').glob('*.qmd')}
    assert set(qmd) == {p.name for p in (ROOT / 'nbs').glob('*.qmd')}
    return found | qmd


def find_links(site, root):
    "Links that lead nowhere. Addresses on the project's own host and repository are followed too; others are not."
    anchors = {name: {slug(words) for _, words in headings(cells)} | {directives(c).get('label') for c in cells}
               for name, cells in site.items()}
    html = {re.sub(r'(^|/)\d+_', r'\1', n.partition('.')[0]).lower() + '.html': n for n in site}
    dead = []
    for name, cells in site.items():
        for link in re.findall(r'\]\(([^)\s]+)\)', prose(cells)):
            target, _, anchor = link.partition('#')
            if target.startswith(SITE): target = html.get(target[len(SITE):].strip('/'), target)
            elif target.startswith(f'{GIT}/blob/main/'):
                dead += [f'{name}: {link}'] * (not (root / target.removeprefix(f'{GIT}/blob/main/')).exists())
                continue
            elif re.match(r'https?:|mailto:', target): continue
            else: target = posixpath.normpath(posixpath.join(posixpath.dirname(name), target)) if target else name
            if target in site: dead += [f'{name}: {link}'] * bool(anchor and anchor not in anchors[target])
            else: dead += [f'{name}: {link}'] * (not (root / '_proc' / target).is_file())
        for label in re.findall(r'(?<![\w@])@((?:fig|tbl|sec)-[\w-]+)', prose(cells)):
            dead += [f'{name}: @{label}'] * (label not in anchors[name])
    return dead


def find_figures(site):
    "Pictures without a label, caption or words for those who do not see them, and labels used twice on a page."
    bad = []
    for name, cells in site.items():
        labels = []
        for c in cells:
            kinds = {k for o in c.get('outputs', []) for k in o.get('data', {}) if k.startswith('image/')}
            if not kinds: continue
            d = directives(c)
            labels.append(d.get('label'))
            bad += [f'{name}: {k} of {d.get("label")}' for k in ('fig-cap', 'fig-alt') if len(d.get(k, '').split()) < 3]
            bad += [f'{name}: label {d.get("label")}'] * (not re.fullmatch(r'fig-[a-z0-9-]+', d.get('label', '')))
            bad += [f'{name}: alt repeats the caption of {d.get("label")}'] * (d.get('fig-alt') == d.get('fig-cap'))
        bad += [f'{name}: {label} twice' for label in set(labels) if labels.count(label) > 1]
        bad += [f'{name}: picture without alt: {src}' for src in re.findall(r'!\[\s*\]\(([^)]*)\)', prose(cells))]
    return bad


def find_headings(site):
    "Headings that skip a level or repeat the title's."
    bad = []
    for name, cells in site.items():
        before = 1
        for level, words in headings(cells):
            bad += [f'{name}: {"#" * level} {words}'] * (level == 1 or level > before + 1)
            before = level
    return bad


def find_tables(site):
    "Tables without a header for each column."
    bad = []
    for name, cells in site.items():
        for head in re.findall(r'(?m)^\|(.*)\|\n\|[-:| ]+\|$', prose(cells)):
            bad += [f'{name}: |{head}|'] * any(not h.strip() for h in head.split('|'))
        bad += [f'{name}: table' for t in outputs(cells, 'text/html') if '<table' in t and '<th' not in t]
    return bad


NOISE = re.compile(r'Traceback|(?<!\w)/(?:root|home|tmp|work|Users)/|\d+%\|[ █]|Warning:| at 0x[0-9a-f]{4}')


def find_noise(site):
    "Outputs that no reader wants, no output at all, and heavy ones: photos belong into JPEGs."
    bad = []
    for name, cells in site.items():
        found = [o for c in cells for o in c.get('outputs', [])]
        words = json.dumps([{k: v for k, v in o.get('data', o).items() if not k.startswith('image/')} for o in found], ensure_ascii=False)
        bad += [f'{name}: {m}' for m in NOISE.findall(words)]
        bad += [f'{name}: loads from another host' for m in re.findall(r'(?:src|href)=\\?"https?:[^>]*?(?:\.js|\.css)', words)]
        size = len(json.dumps(found))
        bad += [f'{name}: {size} bytes'] * (size > 1_000_000)
        bad += [f'{name}: a PNG of {len(p)} bytes' for p in outputs(cells, 'image/png') if len(p) > 150_000]
    return bad


def test_links(site, copy): assert find_links(site, copy) == []


def test_public_functions_link_to_their_source(site):
    "nbdev's own documentation of a function, with the line on GitHub where it stands."
    shown = [part for cells in site.values() for part in outputs(cells, 'text/markdown') if part.startswith('---\n\n')]
    assert len(shown) > 100
    assert [part.splitlines()[2] for part in shown if not re.match(rf'---\n\n\[source\]\({GIT}/blob/main/pet_breeds/\w+\.py#L\d+\)', part)] == []


def test_figures(site): assert find_figures(site) == []
def test_headings(site): assert find_headings(site) == []
def test_tables(site): assert find_tables(site) == []
def test_noise(site): assert find_noise(site) == []


def test_each_page_shows_what_its_code_made():
    "A reference page may have nothing to show but signatures and tests."
    assert [p.name for p in POSTS if not any(c.get('outputs') for c in read(p))] == []


def test_the_checks_see_what_they_look_for(root):
    "One fault of each kind."
    def page(*sources, where='x.ipynb', **output):
        out = [dict(output_type='display_data', data={k.replace('_', '/'): v for k, v in output.items()})] if output else []
        return {where: [dict(cell_type='markdown', source=s) for s in sources if s[:2] != '#|']
                       + [dict(cell_type='code', source=s, outputs=out) for s in sources if s[:2] == '#|']}
    good = '#| label: fig-a\n#| fig-cap: "What it shows."\n#| fig-alt: "Two rising lines that cross."\nplot()'
    for link in ('y.ipynb', 'x.ipynb#no', f'{SITE}/y.html', f'{SITE}/x.html#no', f'{GIT}/blob/main/no', 'images/no.png'):
        assert find_links(page(f'## Yes\n[a]({link})'), root), link
    assert find_links(page('see @fig-no'), root)
    two = page('## Yes', where='00_x.ipynb') | page(f'[a](../00_x.ipynb#yes) [b]({SITE}/lib/y.html) [c](y.ipynb)', where='lib/y.ipynb')
    assert find_links(two, root) == []
    for link in ('00_x.ipynb', 'lib/y.ipynb', '../y.ipynb', '../00_x.ipynb#no', f'{SITE}/y.html', f'{SITE}/lib/x.html'):
        assert find_links(two | page(f'[a]({link})', where='lib/z.ipynb'), root), link
    assert find_links(page(f'## Yes, `it` is\n[a](x.ipynb#yes-it-is) [b]({SITE}/x.html#fig-a) @fig-a', good), root) == []
    for fault in (('fig-a', 'figa'), ('"What it shows."', '""'), ('fig-alt', 'fig-other'), ('Two rising lines that cross', 'What it shows')):
        assert find_figures(page(good.replace(*fault), image_png='')), fault
    assert find_figures(page(good, good, image_png='')) and find_figures(page('![](a.png)'))
    assert find_figures(page(good, image_png='')) == []
    assert find_headings(page('# Again')) and find_headings(page('## a\n#### b')) and not find_headings(page('## a\n### b\n## c'))
    assert find_tables(page('| | |\n|---|---|\n| a | b |')) and find_tables(page('#| x', text_html='<table><tr><td>1'))
    assert not find_tables(page('| a | b |\n|---|---|\n| | b |'))
    for noise in ('Traceback (most', f"'/{'home'}/me/x'", '5%|█', 'UserWarning: x', '<function a at 0x7fd65e840400>', '<script src="https://a.b/c.js">'):
        assert find_noise(page('#| x', text_plain=noise)), noise
    assert find_noise(page('#| x', image_png='x' * 200_000)) and find_noise(page('#| x', image_jpeg='x' * 1_100_000))
    assert not find_noise(page('#| x', text_plain='the share of 5% at home', image_jpeg='x' * 200_000))


@pytest.mark.parametrize('page', LIBRARY, ids=lambda p: p.stem)
def test_reference_page_says_first_what_it_is_for(page):
    "Title, one line, categories; then a short lead; and it is called as its module."
    title, lead = ''.join(read(page)[0]['source']), ''.join(read(page)[1]['source'])
    assert re.fullmatch(r'# .+\n\n> .+\n\n- categories: \[library\]\n*', title), title
    assert read(page)[1]['cell_type'] == 'markdown' and len(re.sub(r'\]\([^)]*\)', ']', lead).split()) <= 140
    assert f'#| default_exp {page.stem}' in [text(c['source']).strip() for c in read(page)]


@pytest.mark.parametrize('page', POSTS, ids=lambda p: p.stem)
def test_page_opens_with_its_question_and_ends_with_what_comes_next(page):
    cells = [c for c in read(page) if c['cell_type'] == 'markdown']
    lead = re.sub(r'\]\([^)]*\)', ']', text(cells[1]['source']))
    assert '?' in lead and len(lead.split()) <= 120, f'{len(lead.split())} words'
    assert re.search(r'\]\([\w/]+\.(ipynb|qmd)\)', text(cells[-1]['source'])), text(cells[-1]['source'])


@pytest.mark.parametrize('page', NUMBERED, ids=lambda p: p.stem)
def test_numbered_page_opens_in_colab(page):
    cells = read(page)
    colab = f'https://colab.research.google.com/github/{GIT.partition("github.com/")[2]}/blob/main/nbs/{page.name}'
    assert f'[Open in Colab]({colab})' in ' '.join(text(cells[1]['source']).split())
    first = next(text(c['source']) for c in cells if c['cell_type'] == 'code')
    assert first.startswith("#| hide\nif 'google.colab' in str(get_ipython()):") and f'git+{GIT}\'' in first


def test_nothing_installs_a_package_of_our_name_from_a_registry(root):
    files = [*PAGES, *(root / 'nbs').glob('*.qmd'), root / 'README.md', *(root / 'pet_breeds').glob('*.py'), *(root / 'experiments').glob('*.py')]
    bare = re.compile(r'pip install(?: -{1,2}\w+)* [\\\'"]*pet[_-]breeds(?![\w\[]| @ git)')
    assert [f.name for f in files if bare.search(f.read_text(encoding='utf-8'))] == []


def test_menus_lead_to_every_page(root):
    "Each page once in the sidebar, and each numbered one among the posts, in the order of reading; each module's page in the reference; no date to come."
    config = yaml.safe_load((root / '_quarto.yml').read_text(encoding='utf-8'))
    link = root / 'nbs/_quarto.yml'  # Windows may make a text file of it that says where it leads
    assert (os.readlink(link) if link.is_symlink() else link.read_text(encoding='utf-8')) == '../_quarto.yml'
    web = config['website']
    flat = [p for item in web['sidebar']['contents'] for p in (item['contents'] if isinstance(item, dict) else [item])]
    assert sorted(flat) == sorted(set(map(name_of, PAGES)) | {p.name for p in (root / 'nbs').glob('*.qmd')} - {'404.qmd'})
    assert [p for p in flat if p[0].isdigit()] == [p.name for p in NUMBERED]
    for item in web['navbar']['left']: assert (root / 'nbs' / item['href']).exists(), item
    front = lambda name: yaml.safe_load((root / 'nbs' / name).read_text(encoding='utf-8').split('---')[1])
    modules = {name_of(p) for p in PAGES if '#| default_exp' in p.read_text(encoding='utf-8')}
    listed = front('reference.qmd')['listing']['contents']
    assert sorted(listed) == sorted(modules)
    assert front('posts.qmd')['listing']['contents'] == [p.name for p in NUMBERED]
    dates = {p.name: re.search(r'- date: (\S+)', text(read(p)[0]['source']))[1] for p in POSTS if p.stem != 'index'}
    assert {n: d for n, d in dates.items() if d > date.today().isoformat()} == {}


def test_what_the_site_is_dressed_in_gets_there(site, copy):
    "nbdev hands no folder on: pictures and styles lie beside the pages."
    config = yaml.safe_load((copy / '_proc/_quarto.yml').read_text(encoding='utf-8'))
    web, html = config['website'], config['format']['html']
    files = [web['favicon'], web['open-graph']['image'], web['twitter-card']['image'], *(t[1] for t in html['theme'].values()), *config['metadata-files']]
    assert [f for f in files if not 0 < (copy / '_proc' / f).stat().st_size < 300_000] == []


@pytest.mark.parametrize('version, new', [('1.6.43', False), ('1.8.27', False), ('1.9.1', True), ('1.10.2', True), ('2.0.0', True)])
def test_docs_asks_of_quarto_only_what_it_knows(root, run, tmp_path, version, new):
    "`llms-txt` is an error for Quarto before 1.9."
    for name, answer in (('quarto', f'echo {version}'), ('python', 'exit 0')):
        (tmp_path / name).write_text(f'#!/bin/sh\n{answer}\n')
        (tmp_path / name).chmod(0o755)
    path = {'PATH': f'{tmp_path}:{os.environ["PATH"]}'}
    for axe in ('', '1'):
        done = run('make', 'docs', f'PYTHON={tmp_path}/python', f'OUT={tmp_path}/out', f'AXE={axe}', cwd=root, env=os.environ | path)
        assert done.returncode == 0, done.stderr
        made = yaml.safe_load((tmp_path / 'out/site/_quarto.yml').read_text(encoding='utf-8'))
        assert ('llms-txt' in made['website'], 'axe' in made['format']['html']) == (new, bool(axe))


def test_a_digest_changes_with_what_an_output_depends_on(monkeypatch, tmp_path):
    "A page's code, what it imports and what that needs of its own module, records named by any code behind it; not comments, docstrings and the rest."
    files = {
        'page.ipynb': json.dumps(dict(nbformat=4, nbformat_minor=5, metadata={}, cells=[dict(
            cell_type='code', id='a', metadata={}, outputs=[], execution_count=None,
            source='from pet_breeds.a import f, Pen, app, shared\nimport pet_breeds.c as c\n# said\nrows = read(f"official-{f()}"), x\n')])),
        'pet_breeds/a.py': """from .b import g, shared
LIMIT = 3
SPARE = [f for f in ()]
Image.init()
def helper(): return LIMIT
def f():
    "Says."
    return helper() + g()  # said
def other(): pass
class Pen: pass
@patch
def draw(self: Pen): pass
app = Typer()
@app.command()
def walk(): pass
""",
        'pet_breeds/b.py': "shared = 1\ndef g(): return read('rates-sample', glob('walk-*.json'))\n",
        'pet_breeds/c.py': 'def h(): pass\n',
        **{f'results/{name}.json': '1' for name in ('official-x', 'rates-sample', 'walk-sample', 'race-sample')}}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(pages, 'ROOT', tmp_path)
    def changes(file, old, new, page='page.ipynb'):
        assert old in files[file]
        before = pages.made_from(tmp_path / page)
        (tmp_path / file).write_text(files[file].replace(old, new, 1))
        after = pages.made_from(tmp_path / page)
        (tmp_path / file).write_text(files[file])
        return after != before
    assert changes('page.ipynb', ', x', ', y')
    for old, new in {'LIMIT = 3': 'LIMIT = 4', 'init': 'preinit', 'return LIMIT': 'return 2', '+ g()': '- g()', 'class Pen: pass': 'class Pen: a = 1',
                     'self: Pen): pass': 'self: Pen): return', 'Typer()': 'Typer(1)', 'walk(): pass': 'walk(): return'}.items():
        assert changes('pet_breeds/a.py', old, new), old
    assert changes('pet_breeds/b.py', 'shared = 1', 'shared = 2') and changes('pet_breeds/c.py', 'pass', 'return')
    for name in ('official-x', 'rates-sample', 'walk-sample'): assert changes(f'results/{name}.json', '1', '2'), name
    for old, new in {'Says.': 'Tells.', '# said': '# told', 'other(): pass': 'other(): return', 'f in ()': 'f in (1,)', 'from .b': 'import os\nfrom .b'}.items():
        assert not changes('pet_breeds/a.py', old, new), old
    assert not changes('page.ipynb', '# said', '# told') and not changes('results/race-sample.json', '1', '2')
    assert not changes('pet_breeds/b.py', 'return read', 'return 1 + read')  # at second hand
    shutil.copy(tmp_path / 'page.ipynb', tmp_path / 'cli.ipynb')
    assert changes('pet_breeds/a.py', '# said', '# told', 'cli.ipynb') and changes('pet_breeds/a.py', 'Says.', 'Tells.', 'cli.ipynb')


def test_stored_outputs_are_fresh():
    "What `make pages` noted when it executed a page still holds."
    stale = [name_of(p).removesuffix('.ipynb') for p in pages.stale()]
    assert stale == [], f'make pages PAGES="{" ".join(stale)}"'
