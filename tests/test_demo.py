"The page that runs the shipped model in the reader's browser, driven by Playwright in Debian's Chromium: its answers, and whom it asks."
import gzip
import json
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
import pytest
from conftest import ROOT
from test_app import chromium  # noqa: F401, the browser

pytestmark = pytest.mark.slow
MADE = {3: 'npm on PATH', 4: 'the npm registry'}  # what the script lacked, by its exit status


@pytest.fixture(scope='module')
def folder(chromium, tmp_path_factory):  # noqa: F811
    out = tmp_path_factory.mktemp('demo') / 'site'
    done = subprocess.run([sys.executable, ROOT / 'demo/build.py', out], text=True, capture_output=True)
    if done.returncode in MADE: pytest.skip(f'no demo here: {MADE[done.returncode]} is missing')
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope='module')
def url(folder):
    code = 'import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import build; build.serve(Path(sys.argv[2]))'
    process = subprocess.Popen([sys.executable, '-c', code, ROOT / 'demo', folder], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield re.search(r'http://127\.0\.0\.1:\d+/', process.stdout.readline())[0]
    finally: process.kill()


@contextmanager
def opened(chromium, url, **kw):  # noqa: F811
    "The page in a fresh window; afterwards no request went to another host, no script failed, and nothing broke the page's own rules."
    context, asked, said = chromium.new_context(**kw), [], []
    context.on('request', lambda r: asked.append(r.url))
    page = context.new_page()
    page.on('pageerror', lambda e: said.append(str(e)))
    page.on('console', lambda m: said.append(m.text))
    page.set_default_timeout(60_000)
    page.goto(url)
    page.locator('#load:enabled').wait_for()
    yield page, asked
    said = [s for s in said if 'ERR_INTERNET_DISCONNECTED' not in s]  # by the test itself, see below
    assert ({urlsplit(u).hostname for u in asked}, said) == ({'127.0.0.1'}, [])
    context.close()


@contextmanager
def loaded(chromium, url, **kw):  # noqa: F811
    "The same with its model, and no network from then on."
    with opened(chromium, url, **kw) as (page, asked):
        page.locator('#load').click()
        page.locator('#choose').wait_for()
        page.wait_for_load_state('networkidle')
        page.context.set_offline(True)
        before = list(asked)
        yield page
        assert asked == before


def answered(page, files):
    "What stands on the page for each file: heading, candidates with their probabilities, the other sentences."
    count = page.locator('article').count()
    page.set_input_files('#files', [str(f) for f in files])
    page.locator('article').nth(count + len(files) - 1).wait_for(timeout=600_000)
    rows = page.evaluate('''() => [...document.querySelectorAll('article')].map(a => [a.querySelector('h2')?.textContent,
        [...a.querySelectorAll('li')].map(li => [...li.querySelectorAll('span')].slice(0, 2).map(s => s.textContent)),
        [...a.querySelectorAll('p')].map(p => p.textContent)])''')
    return rows[:len(files)][::-1]


def python_answers(files):
    from pet_breeds.predict import load_model, predict
    return list(predict(load_model(), [str(f) for f in files]))


def test_what_is_loaded_is_small_and_said_before(chromium, url, folder):  # noqa: F811
    "Files that the page loads weigh what its button says; the model has at most 6 MB; without the button nothing is loaded."
    with opened(chromium, url) as (page, asked):
        size = sum((folder / name).stat().st_size for name in ('ort.js', 'ort.wasm.gzip', 'model.onnx.gzip'))
        assert page.locator('#load').inner_text() == f'Load the model ({size / 1e6:.1f} MB)'
        assert len(gzip.decompress((folder / 'model.onnx.gzip').read_bytes())) <= 6e6
        page.wait_for_load_state('networkidle')
        assert {urlsplit(u).path for u in asked} == {'/', '/demo.css', '/demo.js', '/demo.json', '/favicon.png'}
        rules = page.locator('meta[http-equiv=Content-Security-Policy]').get_attribute('content')
        assert "default-src 'self'" in rules and 'http' not in rules and 'unsafe-inline' not in rules and "'unsafe-eval'" not in rules


def test_the_network_sees_what_python_sees(chromium, url, photos, tmp_path):  # noqa: F811
    "Of photos of every size, and upright, in four colours, on white, of the first frame."
    from PIL import Image
    from pet_breeds.predict import photo_views, read_metadata, READY
    files, sides = sorted((photos / 'images').glob('*.jpg')), {}
    for file in files:
        with Image.open(file) as image: sides[file] = min(image.size)
    chosen = sorted(files, key=sides.get)
    chosen = [*chosen[::170], *chosen[-8:]]
    with Image.open(chosen[-1]) as source: large = source.convert('RGB')
    exif = Image.Exif()
    for turn in (2, 5, 6, 8):
        exif[0x0112] = turn
        large.resize((2400 - 8 * turn, 1600)).save(tmp_path / f'turn{turn}.jpg', exif=exif, quality=95)
    large.convert('CMYK').save(tmp_path / 'cmyk.jpg', quality=95)
    large.resize((900, 700)).save(tmp_path / 'frames.gif', save_all=True, append_images=[Image.new('RGB', (900, 700))])
    clear = large.resize((4800, 700)).convert('RGBA')
    clear.putalpha(Image.linear_gradient('L').resize(clear.size))
    clear.save(tmp_path / 'clear.png')
    metadata, far = read_metadata(READY), {}
    with loaded(chromium, url) as page:
        page.evaluate('''async () => { window.demo = await import('./demo.js');
            document.body.append(Object.assign(document.createElement('input'), {type: 'file', id: 'probe'})) }''')
        for file in [*chosen, *sorted(tmp_path.iterdir())]:
            page.set_input_files('#probe', str(file))
            text = page.evaluate('''async () => {
                const square = await demo.squareOf(document.getElementById('probe').files[0]);
                return Array.from(square, b => String.fromCharCode(b)).join('') }''')
            seen = np.frombuffer(text.encode('latin-1'), np.uint8).astype(int)
            view = photo_views(str(file), metadata)[0]
            far[file.name] = float(np.abs(np.reshape(seen, view.shape) - view.astype(int)).mean())
    print({name: round(d, 2) for name, d in far.items()})
    # Levels of 256; simplejpeg has its own way from four colours to three.
    assert {name: d for name, d in far.items() if not d < (1.5 if name == 'cmyk.jpg' else .6)} == {}


def test_answers_are_pythons(chromium, url, photos):  # noqa: F811
    "Same breed on at least 99 % of 200 real photos, about the same probabilities, the same look-alikes."
    files = sorted((photos / 'images').glob('*.jpg'))[::3][:200]
    with loaded(chromium, url) as page:
        start = time.perf_counter()
        rows = answered(page, files[:1])
        print(f'first answer after {time.perf_counter() - start:.2f} s')
        rows += answered(page, files[1:])
        print(f'{len(files)} answers in {time.perf_counter() - start:.0f} s')
    same, close, alike = [], [], []
    for file, (title, top, said), ours in zip(files, rows, python_answers(files), strict=True):
        assert said[-1] == file.name
        if 'error' in ours: continue  # no cat or dog, by the last layer of ImageNet, which the page does not load
        names = [b.replace('_', ' ') for b, _ in ours['top']]
        same.append(top[0][0] == names[0])
        if not same[-1]: continue
        close.append(title == (f'Looks like {names[0]}' if ours['sure'] else 'Not sure: one of these?') and len(top) == 3
                     and abs(int(re.search(r'\d+', top[0][1])[0]) / 100 - ours['probability']) < .06)
        alike.append(all(b.replace('_', ' ') in said[0] for b in ours['look_alikes']))
    print(f'same breed {sum(same)} of {len(same)}, about the same answer {sum(close)} of {len(close)}')
    assert len(same) >= 190 and np.mean(same) >= .99 and np.mean(close) >= .97 and all(alike)


def test_what_is_no_photo_is_refused_by_name(chromium, url, tmp_path):  # noqa: F811
    "Also beside a photo, which is answered; and noise, of which the network is not sure."
    from PIL import Image
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (400, 500, 3), np.uint8)).resize((800, 700)).save(tmp_path / 'noise.png')
    bad = {'pet.heic': b'\0\0\0\x18ftypheic' + bytes(500), 'renamed.jpg': b'\0\0\0\x18ftypmif1' + bytes(500), 'odd.HEIF': b'odd', 'empty.jpg': b'',
           'text.png': b'no photo', '<img src=x>.gif': b'GIF89a'}
    for name, data in bad.items(): (tmp_path / name).write_bytes(data)
    with loaded(chromium, url) as page:
        rows = answered(page, [*(tmp_path / name for name in bad), tmp_path / 'noise.png'])
        for name, (title, top, said) in zip(bad, rows, strict=False):
            assert (title, top) == (None, []) and said[0].startswith(f'{name} ')
            assert ('is a HEIC photo' in said[0]) == (name in ('pet.heic', 'renamed.jpg', 'odd.HEIF')), said
        assert rows[-1][0] == 'Not sure: one of these?' and len(rows[-1][1]) == 3


def test_by_keyboard_and_aloud(chromium, url, folder, tmp_path):  # noqa: F811
    "Load, choose and read without a mouse; what changes stands in regions that a screen reader reads; a phone's window holds it."
    from PIL import Image
    Image.new('RGB', (300, 400), 'tan').save(tmp_path / 'tan.jpg')
    with opened(chromium, url, viewport={'width': 390, 'height': 760}, color_scheme='dark') as (page, _):
        chosen = []
        page.on('filechooser', lambda c: chosen.append(c))  # heard from the beginning; Playwright takes no bound method of a list
        focused = lambda: page.evaluate('document.activeElement.id')
        page.keyboard.press('Tab')
        assert focused() == 'load'
        page.keyboard.press('Enter')
        page.locator('#choose').wait_for()
        assert 'model is there' in page.get_by_role('status').inner_text() and focused() == 'files'
        assert page.get_by_label('Choose photos').get_attribute('id') == 'files'
        page.keyboard.press('Enter')
        page.wait_for_timeout(3000)
        assert [c.is_multiple() for c in chosen] == [True]
        chosen[0].set_files(tmp_path / 'tan.jpg')
        region = page.get_by_role('region', name='Answers')
        region.get_by_role('heading').wait_for()
        assert region.get_attribute('aria-live') == 'polite' and focused() == 'files'
        region.get_by_role('img', name='The middle of tan.jpg').wait_for()
        assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')
        assert page.locator('#camera').get_attribute('capture') == 'environment'


def test_drop_and_paste(chromium, url):  # noqa: F811
    with loaded(chromium, url) as page:
        for i, (kind, cls, field) in enumerate((('drop', 'DragEvent', 'dataTransfer'), ('paste', 'ClipboardEvent', 'clipboardData'))):
            page.evaluate('''async ([kind, cls, field]) => {
                const canvas = Object.assign(document.createElement('canvas'), {width: 40, height: 30}), data = new DataTransfer();
                canvas.getContext('2d').fillRect(0, 0, 9, 9);
                data.items.add(new File([await new Promise(done => canvas.toBlob(done))], kind + '.png'));
                document.body.dispatchEvent(new window[cls](kind, {[field]: data, bubbles: true, cancelable: true}));
            }''', [kind, cls, field])
            page.locator('article').nth(i).wait_for()
            assert page.locator('article').first.locator('.name').inner_text() == f'{kind}.png'


def test_a_load_that_fails_can_be_tried_again(chromium, url):  # noqa: F811
    with opened(chromium, url) as (page, _):
        page.context.set_offline(True)
        page.locator('#load').click()
        page.get_by_role('status').get_by_text('could not be loaded').wait_for()
        page.context.set_offline(False)
        page.locator('#load').click()
        page.locator('#choose').wait_for()


def test_what_the_page_is_told(folder):
    from pet_breeds.predict import READY, read_metadata
    told, metadata = json.loads((folder / 'demo.json').read_text(encoding='utf-8')), read_metadata(READY)
    assert {k: v for k, v in told.items() if k not in ('bytes', 'runtime')} == {k: metadata[k] for k in told if k in metadata}
    assert {'breeds', 'size', 'confidence_threshold', 'look_alikes', 'error'} <= set(told)
    assert not shutil.which('git') or subprocess.run(['git', 'check-ignore', '-q', '_demo/ort.js'], cwd=ROOT).returncode == 0
