"The pages as nbdev hands them to Quarto: what a reader would stumble over."
import ast
import importlib
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from configparser import ConfigParser
from dataclasses import is_dataclass
from datetime import date
from pathlib import Path

import pages
import pytest
import render
import yaml
from conftest import ROOT
from fastcore.docments import docments
from PIL import Image

PAGES = pages.notebooks()
LIBRARY = [p for p in PAGES if p.parent.name == 'lib']
POSTS = [p for p in PAGES if p not in LIBRARY]  # index, results and glossary among them
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
    done = subprocess.run([sys.executable, '-c', code], cwd=copy, capture_output=True, text=True, env=os.environ | {'PYTHONPATH': 'tests'})
    said = done.stdout + done.stderr
    assert done.returncode == 0 and 'Error' not in said and 'Found cells containing' not in said, said
    found = {name_of(p, copy / '_proc'): read(p) for p in sorted((copy / '_proc').rglob('*.ipynb'))}
    assert set(found) == set(map(name_of, PAGES))
    qmd = {}
    for p in (copy / '_proc').glob('*.qmd'):
        _, front, body = p.read_text(encoding='utf-8').split('---\n', 2)
        qmd[p.name] = [dict(cell_type='raw', source=f'---\n{front}---'), dict(cell_type='markdown', source=body)]
    assert set(qmd) == {p.name for p in (ROOT / 'nbs').glob('*.qmd')}
    return found | qmd


def find_links(site, root):
    "Links that lead nowhere. Addresses on the project's own host and repository are followed too; others are not."
    anchors = {name: {slug(words) for _, words in headings(cells)} | {directives(c).get('label') for c in cells}
               for name, cells in site.items()}
    html = {re.sub(r'(^|/)\d+[a-z]?_', r'\1', n.partition('.')[0]).lower() + '.html': n for n in site}
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
    "Tables without a header for each column, and tables in HTML: for these Quarto loads scripts from other hosts."
    bad = []
    for name, cells in site.items():
        for head in re.findall(r'(?m)^\|(.*)\|\n\|[-:| ]+\|$', prose(cells)):
            bad += [f'{name}: |{head}|'] * any(not h.strip() for h in head.split('|'))
        bad += [f'{name}: a table in HTML, use `as_markdown`' for t in outputs(cells, 'text/html') if '<table' in t]
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


def code_blocks(cells):
    "What stands in fences of a page's Markdown: signatures, mostly."
    texts = [text(c['source']) for c in cells if c['cell_type'] == 'markdown'] + outputs(cells, 'text/markdown')
    return [m[2] for t in texts for m in re.finditer(r'(?ms)^(```+|~~~+)[^\n]*\n(.*?)^\1', t)]


def find_links_in_code(site):
    "Links that a reader would see as `](https…`, and links from a plain word to a function that happens to be called so."
    bad = []
    for name, cells in site.items():
        bad += [f'{name}: {line.strip()}' for block in code_blocks(cells) for line in block.split('\n') if re.search(r'\]\((?:https?:|\.|#)', line)]
        bad += [f'{name}: {link}' for link in re.findall(rf'\[`[a-z]+`\]\({HOST}[^)]*\)', prose(cells))]
    return bad


def find_wide_lines(site, width=88):
    "Lines that the column cannot hold: of signatures on all pages, of visible code on the posts."
    bad = []
    for name, cells in site.items():
        lines = [line for block in code_blocks(cells) for line in block.split('\n')]
        if '/' not in name:
            for c in cells:
                d = directives(c)
                if c['cell_type'] == 'code' and 'false' not in (d.get('echo'), d.get('include')): lines += text(c['source']).split('\n')
        bad += [f'{name}: {line}' for line in lines if len(line) > width and line[:2] != '#|']
    return bad


def front_matter(cells):
    return yaml.safe_load(text(cells[0]['source']).strip().strip('-')) or {} if cells[0]['cell_type'] == 'raw' else {}


def find_front_matter(site):
    "Posts have an author, a date and a citation, a picture with words and the minutes to read; no other page has."
    bad = []
    for name, cells in site.items():
        meta = front_matter(cells)
        of_posts = dict(author=[dict(name=dict(literal=SETTINGS['DEFAULT']['author']))], citation=dict(type='webpage'))
        if not re.match(r'\d\d[a-z]?_', name):
            bad += [f'{name}: {k}' for k in (*of_posts, 'date', 'reading') if k in meta]
            continue
        bad += [f'{name}: {k}' for k, v in of_posts.items() if meta.get(k) != v]
        bad += [f'{name}: date'] * (not isinstance(meta.get('date'), date) or meta['date'] > date.today())
        bad += [f'{name}: reading'] * (not re.fullmatch(r'[1-9]\d* min', meta.get('reading', '')))
        bad += [f'{name}: image'] * (len(meta.get('image-alt', '').split()) < 3 or not (ROOT / 'nbs' / meta.get('image', '?')).is_file())
        bad += [f'{name}: the line to Colab and Kaggle is not quiet'] * ('::: {.quiet}\n[Open in' not in prose(cells))
    return bad


def find_mixed_cells(notebooks):
    "Cells with an import and other code: nbdev executes them when it makes the site, and warns."
    bad = []
    for name, cells in notebooks.items():
        for c in cells:
            source = re.sub(r'(?m)^%.*$', '', text(c['source']))
            if c['cell_type'] != 'code' or re.search(r'(?m)^#\| *(exports?|exporti|exec_doc|eval: *false)\b', source): continue
            try:
                kinds = {type(n) for n in ast.walk(ast.parse(source))}
            except SyntaxError as e:
                bad.append(f'{name}: {e}')
                continue
            if kinds & {ast.Import, ast.ImportFrom} and kinds & {ast.Expr, ast.Assign}: bad.append(f'{name}: {source[:80]}')
    return bad


def contrast(a, b):
    "As WCAG defines it, of two colours such as `#1f5fa6` and `#fff`."
    def light(colour):
        digits = colour.removeprefix('#')
        parts = [int(d, 16) / 255 for d in re.findall('..', digits if len(digits) == 6 else ''.join(2 * d for d in digits))]
        return sum(w * (p / 12.92 if p <= .04045 else ((p + .055) / 1.055) ** 2.4) for w, p in zip((.2126, .7152, .0722), parts, strict=True))
    low, high = sorted((light(a), light(b)))
    return (high + .05) / (low + .05)


def find_pale(scss):
    "Pairs of a theme's colours that are hard to read on each other."
    colours = dict(re.findall(r'(?m)^\$([\w-]+): (#[0-9a-f]+);', scss))
    pairs = ('quiet', 'page'), ('inline-code', 'inline-code-bg'), ('primary', 'page')
    return [pair for pair in pairs if pair[0] in colours and contrast(*(colours[c] for c in pair)) < 4.5]


def find_rendered(folder, of_posts):
    "What only the finished pages show."
    bad = []
    for page in sorted(folder.rglob('*.html')):
        name, html = page.relative_to(folder).as_posix(), page.read_text(encoding='utf-8')
        bad += [f'{name}: loads {m}' for m in re.findall(r'<(?:script|link)\b[^>]*(?:src|href)="(https?:[^"]*\.(?:js|css)[^"]*)"', html)]
        bad += [f'{name}: citation'] * (('id="quarto-citation"' in html) != (name in of_posts))
        bad += [f'{name}: role of the citation'] * bool(re.search(r'csl-entry[^>]*role=|role=[^>]*csl-entry', html))
        bad += [f'{name}: a link in code'] * bool(re.search(r'<code[^>]*>[^<]*\]\(https?:', html))
    for file in ('search.json', 'llms.txt'):
        words = (folder / file).read_text(encoding='utf-8') if (folder / file).exists() else ''
        bad += [f'{file}: a raw link'] * (file == 'search.json' and '](http' in words)
        for link in re.findall(rf'\]\({SITE}/([^)]*)\)', words) if file == 'llms.txt' else []:
            bad += [f'{file}: {link}'] * (not (folder / link).is_file())
    return bad


def test_links(site, copy): assert find_links(site, copy) == []
def test_links_in_code(site): assert find_links_in_code(site) == []
def test_lines_fit_the_column(site): assert find_wide_lines(site) == []
def test_front_matter(site): assert find_front_matter(site) == []
def test_imports_stand_alone(): assert find_mixed_cells({name_of(p): read(p) for p in PAGES}) == []


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
    "A reference page may have nothing to show but signatures and tests, the glossary has only words."
    assert [p.name for p in POSTS if p.stem != 'glossary' and not any(c.get('outputs') for c in read(p))] == []


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
    assert find_tables(page('| | |\n|---|---|\n| a | b |')) and find_tables(page('#| x', text_html='<table><tr><th>1'))
    assert not find_tables(page('| a | b |\n|---|---|\n| | b |'))
    for noise in ('Traceback (most', f"'/{'home'}/me/x'", '5%|█', 'UserWarning: x', '<function a at 0x7fd65e840400>', '<script src="https://a.b/c.js">'):
        assert find_noise(page('#| x', text_plain=noise)), noise
    assert find_noise(page('#| x', image_png='x' * 200_000)) and find_noise(page('#| x', image_jpeg='x' * 1_100_000))
    assert not find_noise(page('#| x', text_plain='the share of 5% at home', image_jpeg='x' * 200_000))
    signature = '```python\ndef f(\n    x: int,  # See [`g`](https://a.b/c.html#g)\n)\n```'
    assert find_links_in_code(page(signature)) and find_links_in_code(page('#| x', text_markdown=signature))
    assert find_links_in_code(page(f'`train` [`train`]({SITE}/lib/train.html#train)')) and not find_links_in_code(page(f'[`train()`]({SITE}/a.html)'))
    for wide in (page('#| x\n' + 'a' * 89), page(f'```\n{"a" * 89}\n```', where='lib/x.ipynb')): assert find_wide_lines(wide)
    assert not find_wide_lines(page('#| echo: false\n' + 'a' * 89)) and not find_wide_lines(page('#| x\n' + 'a' * 89, where='lib/x.ipynb'))
    assert find_mixed_cells(page('#| x\nimport os\nos.getcwd()')) and find_mixed_cells(page('#| x\nif f():\n    from a import b\n    c = b'))
    assert not find_mixed_cells(page('#| export\nimport os\na = 1', '#| x\nimport os', '#| x\nos.getcwd()'))
    whole = dict(author=[dict(name=dict(literal=SETTINGS['DEFAULT']['author']))], citation=dict(type='webpage'), date='2026-01-01', reading='7 min')
    whole |= {'image': 'thumb-00.png', 'image-alt': 'Two look-alike cats.'}
    def post(meta, where, line='::: {.quiet}\n[Open in Colab](a)'):
        return {where: [dict(cell_type='raw', source='---\n' + ''.join(f'{k}: {json.dumps(v) if k != "date" else v}\n' for k, v in meta.items()) + '---'),
                        dict(cell_type='markdown', source=line)]}
    assert find_front_matter(post(whole, '00_x.ipynb')) == []
    for key in whole: assert find_front_matter(post({k: v for k, v in whole.items() if k != key}, '00_x.ipynb')), key
    for key in ('author', 'citation', 'date', 'reading'): assert find_front_matter(post({key: whole[key]}, 'results.ipynb')), key
    assert find_front_matter(post(whole, '00_x.ipynb', '[Open in Colab](a)'))
    assert find_front_matter(post(whole | dict(date='2999-01-01'), '00_x.ipynb')) and not find_front_matter(post({}, 'results.ipynb'))
    assert find_pale('$page: #222;\n$quiet: #777;') and find_pale('$inline-code: #fff;\n$inline-code-bg: #eee;') and not find_pale('$page: #fff;\n$quiet: #555;')
    assert abs(contrast('#777', '#ffffff') - 4.48) < .01 and contrast('#000', '#fff') == 21


def test_rendered_faults_are_found(tmp_path):
    def site(html, **files):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, words in {'data.html': html, **{k.replace('_', '.'): v for k, v in files.items()}}.items(): (folder / name).write_text(words)
        return find_rendered(folder, {'data.html'})
    cited = '<section id="quarto-citation"></section>'
    assert site(cited, llms_txt=f'[a]({SITE}/data.html)', search_json='{}') == []
    assert site(cited, other_html=cited) and site('no citation')
    assert site(cited + '<script src="https://a.b/require.min.js"></script>') and site(cited + '<link href="https://a.b/x.css">')
    assert site(cited + '<div class="csl-entry" role="listitem">') and site(cited + '<code class="x">f(x # [g](https://a.b)</code>')
    assert site(cited, llms_txt=f'[a]({SITE}/no.html)') and site(cited, search_json='"](https://a.b"')


@pytest.mark.slow
def test_rendered_site(run, tmp_path, copy):
    if not shutil.which('quarto'): pytest.skip('no Quarto here: only what nbdev hands to it has been checked')
    for step in (['init', '-q'], ['add', '-A']): run('git', *step, cwd=copy)
    done = run('make', 'docs', f'PYTHON={sys.executable}', f'OUT={tmp_path}/out', cwd=copy)
    assert done.returncode == 0, done.stderr
    assert find_rendered(tmp_path / 'out/site/_docs', {re.sub(r'^\d+[a-z]?_', '', p.stem).lower() + '.html' for p in NUMBERED}) == []


def test_themes(root):
    "Colours that can be read, a column that holds a line of code, nothing that is cut off, and no scrolling that the keyboard cannot reach."
    html = yaml.safe_load((root / '_quarto.yml').read_text(encoding='utf-8'))['format']['html']
    common = (root / 'nbs/site.scss').read_text(encoding='utf-8')
    for theme in ('light', 'dark'):
        scss = (root / f'nbs/{theme}.scss').read_text(encoding='utf-8')
        assert html['theme'][theme][1:] == [f'{theme}.scss', 'site.scss']
        assert {'page', 'quiet', 'inline-code', 'inline-code-bg'} <= set(re.findall(r'(?m)^\$([\w-]+):', scss))
        assert find_pale(scss) == [], theme
    quiet = re.search(r'(?m)^(figcaption.*?)\{(.*?)\}', common, re.S)
    assert {'figcaption', '.quarto-category', '.listing-category', 'details > summary', '.quiet a'} <= {x.strip() for x in quiet[1].split(',')}
    assert 'color: $quiet' in quiet[2] and 'opacity: 1' in quiet[2]
    assert re.search(r':not\(pre\) > code:not\(\.sourceCode\) \{\s*color: \$inline-code[^}]*background-color: \$inline-code-bg', common)
    size = int(re.search(r'\$code-block-font-size: (\d+)px', common)[1])
    grid = {k: float(re.match(r'[\d.]+', v)[0]) for k, v in html['grid'].items()}
    column = min(1280 - grid['sidebar-width'] - grid['margin-width'] - 4 * 17 * grid['gutter-width'], grid['body-width'] - 2 * 17 * grid['gutter-width'])
    assert size == 13 and 820 <= column <= 840 and (column - 24) / (.602 * size) >= 100, column
    assert html['code-overflow'] == 'wrap' and re.search(r'\.cell-output pre, [^{]*\{ white-space: pre-wrap; overflow-wrap: anywhere', common)
    assert re.search(r'\.thumbnail img \{[^}]*height: auto !important; object-fit: contain', common)  # not a strip of its middle
    script = html['include-after-body']['text']
    scrolls = re.findall(r'(?m)^(?:main )?(\w+) \{[^}]*overflow-x: auto', common)
    assert scrolls == ['table'] and all(f'main {x}' in script for x in (*scrolls, 'pre')) and 'tabIndex = 0' in script


def test_llms(tmp_path, root):
    "Texts that Quarto named after the notebook get the name of their page; all are listed, in order, and stand in one file."
    site = tmp_path / '_docs'
    (site / 'lib').mkdir(parents=True)
    side = '<a href="./{}" class="sidebar-item-text sidebar-link"><span>x</span></a>'
    names = {'index': 'index', 'data': '00_data', 'resnet101_fp16': '04_resnet101_fp16', 'lib/stats': 'lib/stats'}
    for page, text_name in names.items():
        (site / f'{page}.html').write_text(f'<title>The {page} – pet_breeds</title>' + ''.join(side.format(f'{p}.html') for p in names))
        (site / f'{text_name}.llms.md').write_text(f'# The {page}\n\nSee [data]({"../" * page.count("/")}data.llms.md).\n')
    (site / '404.html').write_text('<title>No such page</title>')
    (site / '404.llms.md').write_text('# No such page\n')
    (site / 'llms.txt').write_text(f'# x\n\n- [index]({SITE}/index.llms.md)\n')
    (site / 'data.html').write_text((site / 'data.html').read_text() + '<div id="ref-x" class="csl-entry quarto-appendix-citeas" role="listitem">Authors. 2026.</div>')
    for _ in range(2): # a second time changes nothing
        done = subprocess.run([sys.executable, root / 'tests/render.py', site], cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        listed = re.findall(rf'- \[(.*?)\]\({SITE}/(.*?)\)', (site / 'llms.txt').read_text())
        assert listed == [(f'The {p}', f'{p}.llms.md') for p in names]
        assert all((site / link).is_file() for _, link in listed)
        whole = (site / 'llms-full.txt').read_text()
        assert [m for m in re.findall(r'(?m)^# (.*)$', whole)] == ['pet_breeds', *(f'The {p}' for p in names)]
        assert not (site / '00_data.llms.md').exists() and 'llms-full.txt' in (site / 'llms.txt').read_text()
        assert 'role=' not in (site / 'data.html').read_text() and 'Authors. 2026.' in (site / 'data.html').read_text()


def test_make_docs_mends_what_quarto_made(root):
    recipe = (root / 'Makefile').read_text(encoding='utf-8').partition('\ndocs:')[2].partition('\n\n')[0]
    assert 'PYTHONPATH=tests' in recipe and re.search(r'nbdev_docs\(\).*\n.*tests/render\.py _docs', recipe)


def test_signatures():
    "Whole annotations, the fields of dataclasses with their comments, what typer says about an option, no line too long."
    from pet_breeds import cli, lr_find, options, stats
    made = render.signature(options.TrainOptions, 'TrainOptions')
    assert made.startswith('class TrainOptions(\n') and "split: Literal['random', 'stratified', 'official'] = 'random'," in made
    assert 'lrs: torch.Tensor,  # ' in render.signature(lr_find.LRCurve, 'LRCurve').replace('lrs: Tensor', 'lrs: torch.Tensor')
    assert 'Folder to write; must not exist' in render.signature(cli.train, 'train') and 'OptionInfo' not in render.signature(cli.train, 'train')
    assert re.search(r'\) -> \w.*  # ', render.signature(stats.error_interval, 'error_interval'))
    for made in (render.signature(f, n) for n, f in vars(stats).items() if callable(f) and n in stats.__all__):
        assert max(map(len, made.split('\n'))) <= render.WIDTH


def test_names_are_linked_in_prose_only(monkeypatch):
    monkeypatch.setattr(render, 'page_of', lambda name: f'{SITE}/{name}.html' if name in ('train', 'get_arch', 'Model') else None)
    for plain in ('`train` of `dls`', '## `get_arch`', '```python\n# `get_arch`\n```', '    `get_arch`', '[`get_arch`](a.html)', '`no_such`'):
        assert render.link_names(plain) == plain
    assert render.link_names('`get_arch`, `train()`, `Model`') == f'[`get_arch`]({SITE}/get_arch.html), [`train()`]({SITE}/train.html), [`Model`]({SITE}/Model.html)'


def test_reading_time_counts_code():
    words, code = [dict(cell_type='markdown', source='word ' * 400)], [dict(cell_type='code', source='f()\n' * 40, outputs=[])]
    assert render.reading_minutes(words) == 2 and render.reading_minutes(words + code) == 4
    assert render.reading_minutes([dict(cell_type='code', source='#| echo: false\n' + 'f()\n' * 400, outputs=[])]) == 1


def test_options_are_explained_on_the_page(site):
    "Each option's help stands in the table of its command, each field's comment in the signature of its dataclass."
    import typer
    from typer.main import get_command

    from pet_breeds.cli import app
    shown = '\n'.join(outputs(site['lib/cli.ipynb'], 'text/markdown'))
    for name, command in get_command(app).commands.items():
        table = shown.partition(f'### Options of {name}\n')[2].partition('###')[0]
        for option, help_text in filter(None, (p.get_help_record(typer.Context(command)) for p in command.params)):
            assert f"| `{option.replace('|', '/')}` | {help_text} |" in table, f'{name} {option}: make pages PAGES=lib/cli'
    signatures = {n: ' '.join(' '.join(code_blocks(cells)).replace('#', ' ').split()) for n, cells in site.items()}
    seen = 0
    for file in sorted((ROOT / 'pet_breeds').glob('[a-z]*.py')):
        if 'dataclass' not in file.read_text(encoding='utf-8'): continue
        module = importlib.import_module(f'pet_breeds.{file.stem}')
        page = next(name_of(p) for p in PAGES if f'#| default_exp {file.stem}"' in p.read_text(encoding='utf-8'))
        for name in module.__all__:
            cls = getattr(module, name)
            if not (isinstance(cls, type) and is_dataclass(cls) and cls.__module__ == module.__name__): continue
            for field, comment in docments(cls, returns=False).items():
                assert not comment or ' '.join(comment.replace('#', ' ').split()) in signatures[page], f'{page}: {name}.{field}'
                seen += bool(comment)
    assert seen > 50


GLOSSARY = """autocast, batch norm, body, bootstrap, calibration, confidence interval, convex, DDP, discriminative learning rates, ECE, EMA, epoch, error
rate, feature, fine-tuning, frozen, Grad-CAM, head, label smoothing, learning rate, linear probe, logistic regression, loss, McNemar test, mixed
precision, mixup, one-cycle, out of fold, overfitting, presizing, seed, selective risk, temperature, top losses, transfer learning, validation
set, weight decay"""


def test_glossary(root):
    "Its terms in order, each once, with an anchor of its own and one or two sentences; see `test_links` for those who point there."
    words = '\n\n'.join(text(c['source']) for c in read(root / 'nbs/glossary.ipynb')[2:-1] if c['cell_type'] == 'markdown')
    entries = re.findall(r'(?m)^## (.+?) \{#([a-z0-9-]+)\}\n\n([^#].*?)(?=\n\n## |\Z)', words, re.S)
    assert len(entries) == words.count('## ') and {' '.join(t.split()).lower() for t in GLOSSARY.split(',')} <= {t.lower() for t, *_ in entries}
    assert [t.lower() for t, *_ in entries] == sorted({t.lower() for t, *_ in entries})
    assert {t: a for t, a, _ in entries if a != re.sub('[^a-z0-9]+', '-', t.lower())} == {}
    assert [t for t, _, said in entries if not 1 <= len(re.findall(r'[.!?](?= |$)', said)) <= 3] == []


def test_thumbnails(root):
    "One for each post, of few colours and large enough for a shared link."
    for p in NUMBERED:
        with Image.open(root / f'nbs/thumb-{p.name.partition("_")[0]}.png') as image:
            assert image.size == (640, 400) and len(image.convert('RGB').getcolors(640 * 400)) <= 64
        assert len(render.THUMBNAILS[p.name.partition('_')[0]].split()) >= 5


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
    lead = re.sub(r'\]\([^)]*\)', ']', text(cells[1]['source']).partition('\n\n[Open in')[0])
    assert '?' in lead and len(lead.split()) <= 120, f'{len(lead.split())} words'
    assert re.search(r'\]\([\w/]+\.(ipynb|qmd)\)', text(cells[-1]['source'])), text(cells[-1]['source'])


@pytest.mark.parametrize('page', NUMBERED, ids=lambda p: p.stem)
def test_numbered_page_opens_in_colab_and_kaggle(page):
    "In one line of its own, and its first cell installs the package there."
    cells, source = read(page), f'{GIT.partition("github.com/")[2]}/blob/main/nbs/{page.name}'
    launch = f'[Open in Colab](https://colab.research.google.com/github/{source}) · [Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/{source})'
    assert launch in [line for c in cells[:6] if c['cell_type'] == 'markdown' for line in text(c['source']).split('\n')]
    assert next(text(c['source']) for c in cells if c['cell_type'] == 'code') == INSTALL


@pytest.mark.parametrize('page', NUMBERED, ids=lambda p: p.stem)
def test_a_post_has_its_box_its_result_its_questions_and_what_comes_next(page):
    assert find_anatomy(read(page)) == []


def find_anatomy(cells):
    "What a post lacks: a box at the top, a picture in the first screen, what came out, questions with folded answers."
    shown = [c for c in cells if c['cell_type'] == 'markdown' or (text(c['source']).strip() and not HIDDEN.search(text(c['source'])))]
    markdown = '\n\n'.join(text(c['source']) for c in cells if c['cell_type'] == 'markdown')
    boxes = [quoted for c in cells for quoted in outputs([c], 'text/markdown') if quoted.startswith('> **')]
    def box(title): return any(b.startswith(f'> **{title}**') for b in boxes)
    found = []
    if not box('On this page') or not all(f'**You {word}' in boxes[0] for word in ('will learn', 'need')) or '**It takes' not in boxes[0]:
        found.append('no box at the top')
    first = next((i for i, c in enumerate(shown) if any('image/' in kind for o in c.get('outputs', []) for kind in o.get('data', {}))), 99)
    words = sum(len(text(c['source']).split()) for c in shown[2:first] if c['cell_type'] == 'markdown')
    if words > 200: found.append(f'the first picture comes after {words} words')
    if not box('What came out'): found.append('no box with what came out')
    asked = markdown.partition('## Check yourself')[2]
    questions = re.findall(r'(?m)^\*\*(\d+)\. ', asked)
    answers = asked.count('<details><summary>Answer') + sum('#| code-summary: "Answer' in text(c['source']) for c in cells)
    if len(questions) < 5 or answers < len(questions): found.append(f'{len(questions)} questions, {answers} folded answers')
    if not any('#| code-summary: "Answer' in text(c['source']) for c in cells): found.append('no answer that runs')
    if '## Next' not in markdown and 'Next: ' not in text(cells[-1]['source']): found.append('no next')
    return found


HIDDEN = re.compile(r'(?m)^#\| *(hide|export|default_exp .*|include: *false) *$')


def test_what_a_post_lacks_is_found():
    "One fault at a time in a post that has all."
    def md(words): return dict(cell_type='markdown', source=words)
    def code(source, **data): return dict(cell_type='code', source=source, outputs=[dict(output_type='display_data', data=data)] if data else [])
    picture = code('plot()', **{'image/png': 'x'})
    box = code('boxed()', **{'text/markdown': '> **On this page**\n>\n> **You will learn** a\n>\n> **You need** b\n>\n> **It takes** c'})
    out = code('boxed()', **{'text/markdown': '> **What came out**\n>\n> better'})
    answer = '<details><summary>Answer</summary>\n\na\n\n</details>'
    asked = md('## Check yourself\n\n' + '\n\n'.join(f'**{i}. Why?**\n\n{answer}' for i in range(1, 5)) + '\n\n**5. How?**')
    runs = code('#| code-fold: true\n#| code-summary: "Answer"\nassert x')
    post = [md('# A'), md('lead?'), box, picture, md('text'), out, asked, runs, md('## Next\n\n[b](c.ipynb)')]
    assert find_anatomy(post) == []
    def without(part): return find_anatomy([c for c in post if c is not part])
    assert without(box) == ['no box at the top'] and without(out) == ['no box with what came out']
    assert without(runs) == ['5 questions, 4 folded answers', 'no answer that runs'] and without(post[-1]) == ['no next']
    assert find_anatomy([*post[:3], md('word ' * 201), *post[3:]]) == ['the first picture comes after 201 words']
    assert '0 questions, 1 folded answers' in without(asked)


INSTALL = f"""#| hide
if {{'COLAB_RELEASE_TAG', 'KAGGLE_KERNEL_RUN_TYPE'}} & {{*get_ipython().run_line_magic('env', '')}}:
    get_ipython().run_line_magic('pip', 'install --quiet git+{GIT}')"""


@pytest.mark.slow
@pytest.mark.parametrize('there', ['COLAB_RELEASE_TAG', 'KAGGLE_KERNEL_RUN_TYPE', ''])
def test_the_first_cell_installs_the_package(copy, tmp_path, run, there):
    "As on Colab and Kaggle, in an environment without it, word for word; git takes a clone of this checkout for the one on GitHub."
    clone, home = tmp_path / 'clone', tmp_path / 'environment'
    shutil.copytree(copy, clone, symlinks=True, ignore=shutil.ignore_patterns('_proc', '*.egg-info', '.git'))
    for step in (['init', '-q'], ['add', '-A'], ['-c', 'user.name=a', '-c', 'user.email=a@example.org', 'commit', '-qm', 'all']):
        assert run('git', *step, cwd=clone).returncode == 0
    venv.create(home, with_pip=True)
    paths = sysconfig.get_paths('venv', vars={'base': str(home), 'platbase': str(home)})
    (Path(paths['purelib']) / 'outer.pth').write_text(sysconfig.get_paths()['purelib'] + '\n')  # the dependencies, not installed again
    code = f'''from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell({INSTALL!r}).raise_error()
from importlib.util import find_spec
if find_spec('pet_breeds'):
    from pet_breeds.records import read_record
    print('installed', find_spec('pet_breeds').origin, len(read_record('published')['rows']))'''
    environ = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'COLAB_RELEASE_TAG', 'KAGGLE_KERNEL_RUN_TYPE')} | {
        'GIT_CONFIG_COUNT': '1', 'GIT_CONFIG_KEY_0': f'url.{clone.as_uri()}.insteadOf', 'GIT_CONFIG_VALUE_0': GIT,
        'PIP_NO_INDEX': '1', 'PIP_NO_DEPS': '1', 'PIP_NO_BUILD_ISOLATION': '0'} | ({there: '1'} if there else {})
    done = run(Path(paths['scripts']) / Path(sys.executable).name, '-c', code, cwd=tmp_path, env=environ)
    assert done.returncode == 0, done.stderr
    assert (f'installed {home}' in done.stdout) == bool(there), done.stdout + done.stderr


def test_nothing_installs_a_package_of_our_name_from_a_registry(root):
    files = [*PAGES, *(root / 'nbs').glob('*.qmd'), root / 'README.md', *(root / 'pet_breeds').glob('*.py'), *(root / 'experiments').glob('*.py')]
    bare = re.compile(r'pip install(?: -{1,2}\w+)* [\\\'"]*pet[_-]breeds(?![\w\[]|(?:\{\w+\})? @ git)')
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
    assert flat[:2] == ['index.ipynb', '00_data.ipynb']  # "Next" on the home page
    assert 'citation' not in config and 'citation' not in config['format']['html']  # see `find_front_matter`
    modules = {name_of(p) for p in PAGES if '#| default_exp' in p.read_text(encoding='utf-8')}
    reference, posts = (front(f'{name}.qmd')['listing'] for name in ('reference', 'posts'))
    assert sorted(reference['contents']) == sorted(m for m in modules if m.startswith('lib/'))
    words = (root / 'nbs/reference.qmd').read_text(encoding='utf-8').split('---')[2]
    assert {m for m in modules if m not in reference['contents']} == set(re.findall(r'\]\((\d[^)]*)\)', words))
    assert posts['contents'] == [p.name for p in NUMBERED] and posts['categories']  # tags of posts lead to this list, which no other shares
    assert {'image', 'reading'} <= set(posts['fields'])
    assert (reference['type'], posts['type']) == ('default', 'default')  # a table scrolls sideways on a phone


def test_what_the_site_is_dressed_in_gets_there(site, copy):
    "nbdev hands no folder on: pictures and styles lie beside the pages."
    config = yaml.safe_load((copy / '_proc/_quarto.yml').read_text(encoding='utf-8'))
    web, html = config['website'], config['format']['html']
    files = [web['favicon'], web['open-graph']['image'], web['twitter-card']['image'], *(f for t in html['theme'].values() for f in t[1:]), *config['metadata-files']]
    files += [front_matter(site[p.name])['image'] for p in NUMBERED]
    assert [f for f in files if not 0 < (copy / '_proc' / f).stat().st_size < 300_000] == []


@pytest.mark.skipif(os.name == 'nt', reason='no make on Windows')
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
            source='from pet_breeds.a import f, Pen, app, shared\nimport pet_breeds.c as c\n# said\nrows = read(f"official-{f()}", f"{f()}-pets"), x\n')])),
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
        **{f'results/{name}.json': '1' for name in ('official-x', 'rates-sample', 'walk-sample', 'rates-pets', 'race-sample')}}
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
    for name in ('official-x', 'rates-sample', 'walk-sample', 'rates-pets'): assert changes(f'results/{name}.json', '1', '2'), name
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
