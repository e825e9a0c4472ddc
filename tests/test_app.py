"`pet_breeds app` in Debian's Chromium, driven by Playwright: what a person sees and does, and that nobody else is asked."
import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from conftest import COMMAND, heed

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which('chromium')
GUARDED = '''
import socket, sys
def guarded(real, host_of):
    def call(*args, **kw):
        host = host_of(*args)
        if host not in (None, '', 'localhost') and not str(host).startswith(('127.', '::1', '0.0.0.0')):
            print('OUTSIDE', host, file=sys.stderr, flush=True)
            raise OSError('this test has no network')
        return real(*args, **kw)
    return call
socket.getaddrinfo = guarded(socket.getaddrinfo, lambda host, *_: host)
socket.socket.connect = guarded(socket.socket.connect, lambda _, a: a[0] if isinstance(a, tuple) else None)
from pet_breeds.cli import app
app()
'''
HOSTILE = '<img src="http://example.com/x">${fetch("http://example.com/y")} {{1}} ![z](http://example.com/z) '


@pytest.fixture(scope='module')
def model(chromium, tmp_path_factory):
    out = tmp_path_factory.mktemp('trained') / 'model'
    subprocess.run([*COMMAND, 'train', 'sample', '--frozen', '--out', str(out)], check=True, capture_output=True)
    return out


@pytest.fixture(scope='module')
def images():
    from pet_breeds.sample import sample_folder
    return sample_folder() / 'images'


@contextmanager
def serving(model, uploads, end=signal.SIGINT):
    "The address of the page; afterwards a signal has ended it, it asked nobody, and kept no photo."
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    process = subprocess.Popen([sys.executable, '-c', GUARDED, 'app', str(model), '--port', str(port)], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=os.environ | {'TMPDIR': str(uploads)}, preexec_fn=heed)
    try:
        said = process.stdout.readline()
        assert f'http://127.0.0.1:{port}' in said, said + process.communicate(timeout=20)[1]
        yield f'http://127.0.0.1:{port}'
        kept = [uploads / f.relative_to(uploads).parts[0] for f in uploads.rglob('*') if f.is_file()]
        assert kept and all(folder.stat().st_mode & 0o77 == 0 for folder in kept)  # while it runs, for its owner only
        process.send_signal(end)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130 and errors.splitlines()[-1] == 'pet_breeds: stopped', errors
        assert 'Traceback' not in errors and 'OUTSIDE' not in errors, errors
        assert [f for f in uploads.rglob('*') if f.is_file()] == []
    finally:
        process.kill()


@pytest.fixture(scope='module')
def chromium():
    if not find_spec('gradio'): pytest.skip('no page here: pip install "pet_breeds[app]"')
    if not CHROMIUM: pytest.skip('no Chromium here: apt-get install chromium')
    playwright = pytest.importorskip('playwright.sync_api', reason='pip install playwright')
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'])
        yield browser
        browser.close()


@contextmanager
def opened(chromium, url, **kw):
    "The page in a fresh window; afterwards no request went to another host and no script failed."
    context, asked, failed = chromium.new_context(**kw), [], []
    context.on('request', lambda r: asked.append(r.url))
    page = context.new_page()
    page.on('pageerror', lambda e: failed.append(str(e)))
    page.set_default_timeout(20_000)
    page.goto(url)
    page.get_by_role('heading', name='Which breed is this?').wait_for()
    page.locator('#verdict[role=status]').wait_for(state='attached')  # by then all of it is there
    yield page
    hosts = {urlsplit(u).hostname for u in asked if not u.startswith(('data:', 'blob:'))}
    assert (hosts, failed) == ({'127.0.0.1'}, [])
    context.close()


def choose(page, file):
    "Give the page a file, and what it says then."
    before = page.locator('#verdict').inner_text().strip()
    page.set_input_files('#photo input[type=file]', file)
    page.wait_for_function('before => !["", before].includes(document.querySelector("#verdict").innerText.trim())', arg=before)
    return page.locator('#verdict').inner_text().strip()


def bars_of(page):
    "What stands at the three bars."
    page.locator('.confidence-set').nth(2).wait_for()
    return [' '.join(text.split()) for text in page.locator('.confidence-set').all_inner_texts()]


@pytest.fixture(scope='module')
def url(model, chromium, tmp_path_factory):
    uploads = tmp_path_factory.mktemp('uploads')
    with serving(model, uploads) as address: yield address


def test_a_photo_is_answered_as_predict_answers_it(model, chromium, url, images, tmp_path):
    "Also one in four colours and on its side, which would come out differently if it were encoded anew."
    from pet_breeds.predict import load_model, predict
    from PIL import Image
    odd, exif = tmp_path / 'odd.jpg', Image.Exif()
    exif[0x0112] = 6
    Image.open(images / 'Marlow_1.jpg').rotate(90, expand=True).convert('CMYK').save(odd, exif=exif, quality=40)
    for answer in predict(load_model(model), [images / 'Marlow_1.jpg', odd]):
        with opened(chromium, url) as page:
            said, bars = choose(page, answer['file']), bars_of(page)
            names = [breed.replace('_', ' ') for breed, _ in answer['top']]
            assert said.startswith(f"Looks like {names[0]}, {answer['probability']:.0%}" if answer['sure'] else 'Not sure: one of these')
            assert not answer['sure'] or all(breed.replace('_', ' ') in said for breed in answer['look_alikes'])
            assert bars == [f'{n} {100 * p:.0f}%' for n, (_, p) in zip(names, answer['top'], strict=True)]
            for alt in ('The photo you chose', 'What the network saw, faded where nothing spoke for this breed'):
                assert page.get_by_alt_text(alt).evaluate('i => i.decode().then(() => i.naturalWidth)') >= 96


def test_a_bad_file_is_answered_with_a_message(chromium, url, images, tmp_path):
    from PIL import Image
    Image.new('1', (30_000, 6_000)).save(tmp_path / 'bomb.png')
    for name, data in {'text.jpg': b'no photo', 'empty.jpg': b'', 'half.jpg': (images / 'Marlow_1.jpg').read_bytes()[:1500]}.items():
        (tmp_path / name).write_bytes(data)
    for bad in sorted(tmp_path.iterdir()):
        with opened(chromium, url) as page:
            assert 'cannot be read as a photo' in choose(page, bad), bad
            assert not page.locator('.confidence-set').count() and not page.locator('img').count()
            assert not choose(page, images / 'Marlow_1.jpg').startswith('This file')  # one can go on at once


def test_a_photo_can_be_pasted_and_taken(chromium, url, images):
    "From the clipboard, and with the camera; Chromium's own stand-in for one shows a green field."
    from PIL import Image
    Image.open(images / 'Marlow_1.jpg').save(png := BytesIO(), 'PNG')  # browsers copy no other kind
    with opened(chromium, url, permissions=['camera', 'clipboard-read', 'clipboard-write']) as page:
        answer = page.locator('#verdict').get_by_text(re.compile('Looks like|Not sure'))
        page.evaluate("""async url => { const blob = await (await fetch(url)).blob()
                         await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]) }""",
                      f'data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}')
        page.keyboard.press('Control+v')
        answer.wait_for()
        assert page.get_by_alt_text('The photo you chose').evaluate('i => i.decode().then(() => i.naturalWidth)') == Image.open(png).width
        page.get_by_role('button', name='Remove Image').click()
        answer.wait_for(state='detached')
        page.get_by_label('Capture from camera').click()
        page.get_by_text('Click to Access Webcam').click()
        page.wait_for_function('document.querySelector("video").currentTime > .5')
        page.get_by_label('capture photo').click()
        answer.wait_for()


def test_several_photos_are_answered_in_a_table(model, chromium, url, images, tmp_path):
    "Each as `predict` answers it, in order; a file that is none keeps its row."
    from pet_breeds.predict import load_model, predict
    (tmp_path / 'none.jpg').write_text('no photo')
    photos = [tmp_path / 'none.jpg', *(images / f'Marlow_{i}.jpg' for i in (1, 2, 3))]
    with opened(chromium, url) as page:
        page.locator('input[type=file]').last.set_input_files(photos)
        page.locator('#verdicts[role=status] td').first.wait_for()
        rows = page.locator('#verdicts tr').all_inner_texts()
    assert rows[0].startswith('none.jpg') and 'cannot be read as a photo' in rows[0]
    for row, answer in zip(rows[1:], predict(load_model(model), photos[1:]), strict=True):
        assert row.startswith(os.path.basename(answer['file']))
        assert f"{answer['breed'].replace('_', ' ')}, {answer['probability']:.0%}" in row and ('Not sure' in row) != answer['sure']


def test_another_page_and_another_route_are_refused(url, images):
    "As a page elsewhere would ask, under its own name or under a name that it made mean this computer."
    import requests
    session, photo = requests.Session(), dict(files=('a.jpg', (images / 'Marlow_1.jpg').read_bytes()))
    session.trust_env = False  # no proxy
    status = lambda method, path, **kw: session.request(method, url + path, **kw).status_code
    elsewhere = dict(Origin='http://evil.example')
    assert status('GET', '/') == 200
    assert status('POST', '/gradio_api/upload', files=photo, headers=elsewhere) == 403
    assert status('GET', '/', headers=dict(Host='evil.example')) == 403
    for method, path in (('POST', '/gradio_api/process_recording'), ('GET', '/config'), ('GET', '/gradio_api/info'), ('GET', '/gradio_api/file=/etc/hostname')):
        assert status(method, path) == 404, path


def open_by_keyboard(page):
    "The browser's dialogue, by Tab and Enter; Gradio may draw the field anew at first, and then the focus is lost."
    chosen = []
    page.on('filechooser', lambda c: chosen.append(c))  # Playwright takes no bound method of a list
    for _ in range(10):
        page.keyboard.press('Tab')
        if 'upload' not in (page.evaluate('document.activeElement.ariaLabel') or ''): continue
        page.keyboard.press('Enter')
        page.wait_for_timeout(1000)
        if chosen: return chosen[0]
    raise AssertionError('no dialogue after ten times Tab')


def test_what_is_no_photo_or_too_large_is_refused_at_the_door(chromium, url, tmp_path):
    (tmp_path / 'text.txt').write_text('no photo')
    (tmp_path / 'large.jpg').write_bytes(os.urandom(21_000_000))
    for name, word in {'text.txt': 'Invalid file type', 'large.jpg': 'exceed the maximum allowed size'}.items():
        with opened(chromium, url) as page:
            page.set_input_files('#photo input[type=file]', tmp_path / name)
            page.get_by_text(word).wait_for()


def test_a_narrow_window_and_a_keyboard(chromium, url, images):
    "On a phone nothing sticks out; without a mouse one can choose a photo, read the answer and choose another."
    with opened(chromium, url, viewport={'width': 360, 'height': 740}, color_scheme='dark') as page:
        fits = lambda: page.evaluate('document.documentElement.scrollWidth <= innerWidth')
        assert fits()
        open_by_keyboard(page).set_files(images / 'Marlow_1.jpg')
        page.get_by_alt_text('What the network saw').wait_for()
        boxes = [i.bounding_box() for i in page.locator('img').all()]
        assert fits() and len(boxes) == 2 and all(b['x'] >= 0 and b['x'] + b['width'] <= 360 for b in boxes), boxes
        page.get_by_role('button', name='Remove Image').press('Enter')
        page.get_by_alt_text('What the network saw').wait_for(state='detached')
        assert page.locator('#verdict').inner_text().strip() == '' and not page.locator('img').count()


def test_what_a_model_says_is_text(model, chromium, tmp_path_factory, images, tmp_path):
    "Names in a model that somebody sent ask nobody and run nothing; and a model that is never sure says so."
    copy = tmp_path / 'model'
    shutil.copytree(model, copy)
    metadata = json.loads((copy / 'model.json').read_text())
    for threshold, end in ((0, signal.SIGTERM), (2, signal.SIGHUP)):
        alike = {HOSTILE + b: [HOSTILE + other for other in others] for b, others in metadata['look_alikes'].items()}
        changed = metadata | {'breeds': [HOSTILE + b for b in metadata['breeds']], 'look_alikes': alike, 'confidence_threshold': threshold}
        (copy / 'model.json').write_text(json.dumps(changed))
        with serving(copy, tmp_path_factory.mktemp('uploads'), end) as address, opened(chromium, address) as page:
            said = choose(page, images / 'Marlow_1.jpg')
            assert said.startswith('Not sure: one of' if threshold else f'Looks like {HOSTILE.strip()}')
            assert [b.startswith(HOSTILE.strip()) for b in bars_of(page)] == [True] * 3


def test_a_space_starts(chromium, model, images, tmp_path):
    "As its host starts it, in this environment: the page is there and answers; its packages are pinned."
    out, copy = tmp_path / 'space', shutil.copytree(model, tmp_path / 'copy')
    (copy / 'README.md').unlink()  # no model needs it
    subprocess.run([*COMMAND, 'space', str(out), '--model', str(copy)], check=True, capture_output=True)
    assert sorted(f.name for f in out.iterdir()) == ['README.md', 'app.py', 'model', 'requirements.txt']
    assert all('==' in line or '@v' in line for line in (out / 'requirements.txt').read_text().splitlines())
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    process = subprocess.Popen([sys.executable, 'app.py'], cwd=out, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=os.environ | {'GRADIO_SERVER_PORT': str(port), 'GRADIO_ANALYTICS_ENABLED': 'False'})
    try:
        assert any(str(port) in line for line in iter(process.stdout.readline, ''))
        with opened(chromium, f'http://127.0.0.1:{port}') as page:
            assert choose(page, images / 'Marlow_1.jpg').startswith(('Looks like', 'Not sure'))
    finally:
        process.kill()
    again = subprocess.run([*COMMAND, 'space', str(out)], capture_output=True, text=True)
    assert again.returncode == 1 and 'there already' in again.stderr
