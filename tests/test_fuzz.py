"Two thousand photos of all formats, most of them damaged: each is read everywhere or named everywhere, in bounded time and memory."
import csv
import json
import random
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from conftest import ROOT
from PIL import Image

pytest.importorskip('resource')  # Windows measures memory otherwise
pytestmark = pytest.mark.slow
MOST_MB, MOST_MB_TO_READ, MOST_SECONDS = 3000, 800, 5  # of a process with PyTorch, of one without; of a photo, on one core
MEASURED = '''
import atexit, json, resource, sys, time
from pathlib import Path
def peak():
    status = Path('/proc/self/status')  # Linux: `ru_maxrss` counts what the process that forked this one had
    used = (int(status.read_text().partition('VmHWM:')[2].split()[0]) // 1024 if status.exists() else
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20)
    print('peak MB', used, file=sys.stderr)
atexit.register(peak)
'''
READ = MEASURED + '''
from pet_breeds.errors import UserError
from pet_breeds.photos import find_photos, read_photo
def verdict(path):
    began = time.process_time()
    try:
        whole, small = read_photo(path), read_photo(path, 48)
        assert whole.dtype == small.dtype == 'uint8' and whole.shape[2:] == small.shape[2:] == (3,), path
        assert min(small.shape[:2]) >= min(48, *whole.shape[:2]), path
        why = ''
    except UserError as e: why = str(e)
    return why, time.process_time() - began
photos, left_out = find_photos(sys.argv[1])
verdicts = {p.name: verdict(p) for p in sorted(Path(sys.argv[1]).iterdir())}
print(json.dumps(dict(found=[p.name for p in photos], left_out={p.name: why for p, why in left_out.items()}, verdicts=verdicts)))
'''
USED = MEASURED + '''
from pet_breeds.app import UNREADABLE, answer_photo
from pet_breeds.doctor import check_file
from pet_breeds.options import TrainOptions
from pet_breeds.photos import list_files
from pet_breeds.predict import load_model
from pet_breeds.train import train_model
sys.stdout, stdout = sys.stderr, sys.stdout
folder, out, trained = sys.argv[1], Path(sys.argv[2]), {}
for name, chosen in dict(fused=dict(epochs=1, freeze_epochs=0), stock=dict(epochs=1, freeze_epochs=0, stock=True), frozen=dict(frozen=True)).items():
    train_model(TrainOptions(folder, 'pet_resnet10', size=32, bs=8, **chosen), out / name)
    trained[name] = json.loads((out / name / 'model.json').read_text())['photos']
model, files = load_model(out / 'fused'), sorted(Path(folder).iterdir())
answers = {f.name: answer_photo(model, str(f)) for f in files}
shown = [name for name, (said, top, evidence) in answers.items() if said != UNREADABLE and len(top) == 3 and evidence.shape == (32, 32, 3)]
checked = [name for name in list_files(folder)[1] if check_file(folder, name).digest]
print(json.dumps(dict(trained=trained, shown=shown, checked=checked)), file=stdout)
'''
COMMAND = MEASURED + 'from pet_breeds.cli import app; app()'


def measured(code, *args, ends=0, most=MOST_MB):
    "What it prints; with no traceback and no more memory than allowed."
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code, *map(str, args)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == ends and 'Traceback' not in done.stderr, (done.returncode, done.stderr[-3000:])
    peak = int(done.stderr.rpartition('peak MB ')[2].split()[0])
    print(f'peak of {peak} MB')
    assert peak < most
    return done.stdout


def kinds(image):
    "The same image in each format that is read, in several modes and compressions."
    turned, other = Image.Exif(), image.rotate(180)
    turned[0x0112] = 6
    for kind, mode, how in (
            ('JPEG', 'RGB', {}), ('JPEG', 'L', dict(progressive=True)), ('JPEG', 'CMYK', dict(exif=turned)),
            ('PNG', 'RGB', {}), ('PNG', 'P', dict(transparency=0)), ('PNG', 'RGBA', dict(exif=turned)), ('PNG', 'I;16', {}), ('PNG', '1', {}),
            ('GIF', 'P', {}), ('GIF', 'P', dict(save_all=True, append_images=[other])),
            ('WEBP', 'RGB', dict(exif=turned)), ('WEBP', 'RGBA', dict(lossless=True)), ('WEBP', 'RGB', dict(save_all=True, append_images=[other])),
            ('BMP', 'RGB', {}), ('BMP', 'P', {}), ('TIFF', 'RGB', {}), ('TIFF', 'CMYK', dict(compression='tiff_lzw')),
            ('TIFF', 'L', dict(compression='tiff_adobe_deflate')), ('TIFF', 'RGB', dict(compression='jpeg')), ('TIFF', '1', dict(compression='group4'))):
        (image.convert('L') if mode == 'I;16' else image).convert(mode).save(buffer := BytesIO(), kind, **how)
        yield buffer.getvalue()


def damaged(data, rng):
    "One of the things that happen to files."
    data = bytearray(data)
    match rng.randrange(5):
        case 0: del data[rng.randrange(len(data)):]
        case 1:
            for _ in range(rng.randrange(1, 30)): data[rng.randrange(len(data))] = rng.randrange(256)
        case 2:
            at = rng.randrange(len(data))
            data[at:at] = rng.randbytes(rng.randrange(1, 200))
        case 3: del data[(at := rng.randrange(len(data))):at + rng.randrange(1, 500)]
        case 4: # the header, where sizes and tables stand
            for _ in range(rng.randrange(1, 8)): data[rng.randrange(min(700, len(data)))] = rng.randrange(256)
    return bytes(data)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    "Of three breeds; a fifth of the photos is whole, and a tenth is not called like a photo."
    from pet_breeds.photos import find_photos
    from pet_breeds.sample import sample_folder
    rng, folder = random.Random(1), tmp_path_factory.mktemp('photos')
    originals = [data for p in find_photos(sample_folder())[0][::100] for data in kinds(Image.open(p).convert('RGB'))]
    for i in range(2000):
        data, ending = rng.choice(originals), rng.choice(['jpg', 'png', 'JPEG'] * 3 + ['svg'])
        (folder / f'{"abc"[i % 3]}_{i:04}.{ending}').write_bytes(damaged(data, rng) if rng.random() < .8 else data)
    return folder


@pytest.fixture(scope='module')
def read(folder):
    return json.loads(measured(READ, folder, most=MOST_MB_TO_READ))


def named(names): return {n for n in names if not n.endswith('.svg')}


def test_each_photo_is_read_or_named(folder, read):
    readable = {name for name, (why, _) in read['verdicts'].items() if not why}
    assert set(read['found']) == named(readable) and len(read['verdicts']) == 2000
    assert set(read['left_out']) == set(read['verdicts']) - set(read['found'])
    assert all(why == '' or why.startswith(f'{str(folder / name)!r}: ') for name, (why, _) in read['verdicts'].items())
    slowest = max(seconds for _, seconds in read['verdicts'].values())
    print(f'{len(readable)} of 2000 read, the slowest in {slowest:.1f} s')
    assert 500 < len(readable) < 1700 and slowest < MOST_SECONDS


def test_others_judge_alike(folder, read, tmp_path):
    "Training in both ways, frozen features, the page in the browser, the doctor and predict; a part of the photos."
    (share := tmp_path / 'share').mkdir()
    for f in sorted(folder.iterdir())[::4]: shutil.copy(f, share)
    readable = {f.name for f in share.iterdir() if not read['verdicts'][f.name][0]}
    found = json.loads(measured(USED, share, tmp_path))
    assert set(found['trained'].values()) == {len(named(readable))}, found['trained']
    assert set(found['shown']) == readable and set(found['checked']) == named(readable)
    rows = list(csv.DictReader(measured(COMMAND, 'predict', tmp_path / 'fused', share, '--csv', ends=1).splitlines()))
    assert [r['file'] for r in rows] == [str(f) for f in sorted(share.iterdir()) if f.suffix != '.svg']
    assert {Path(r['file']).name for r in rows if r['breed']} == named(readable)
    assert all(bool(r['breed']) != bool(r['error']) for r in rows)
