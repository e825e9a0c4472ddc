"Two thousand damaged photos: each is answered or named, nothing crashes or hangs, and memory stays bounded."
import csv
import random
import subprocess
import sys

import pytest
from conftest import COMMAND

pytest.importorskip('resource')  # Windows measures memory otherwise
MEASURED = '''
import resource, sys
from pet_breeds.cli import app
try:
    app()
finally:
    print('peak MB', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == 'darwin' else 1024), file=sys.stderr)
'''


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


@pytest.mark.slow
def test_damaged_photos(tmp_path):
    from pet_breeds.photos import find_photos
    from pet_breeds.sample import sample_folder
    rng, model, folder = random.Random(1), tmp_path / 'model', tmp_path / 'photos'
    subprocess.run([*COMMAND, 'train', 'sample', '--probe', '--out', str(model)], check=True, capture_output=True)
    originals = [p.read_bytes() for p in find_photos(sample_folder())[0][::10]]
    folder.mkdir()
    for i in range(2000):
        (folder / f'{i:04}.{rng.choice(("jpg", "png"))}').write_bytes(damaged(rng.choice(originals), rng))
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', MEASURED, 'predict', str(model), str(folder), '--csv'],
                          capture_output=True, text=True, timeout=300)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert done.returncode == 1 and 'Traceback' not in done.stderr, done.stderr[-2000:]
    assert [r['file'] for r in rows] == [str(p) for p in sorted(folder.iterdir())]
    assert all(bool(r['breed']) != bool(r['error']) for r in rows)
    answered = sum(bool(r['breed']) for r in rows)
    print(f'{answered} of 2000 answered, the others named')
    assert 200 < answered < 1900
    assert int(done.stderr.rpartition('peak MB ')[2].split()[0]) < 3000
