"Post 09: how long it takes from one's own photos to a model, and from there to its first answer."
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from common import arguments, record_name
from pet_breeds.data import breed_name
from pet_breeds.datasets import get_data
from pet_breeds.photos import find_photos
from pet_breeds.records import data_name, provenance, write_record

SETS = {50: 5, 500: 20, 5_000: 37}  # Photos, of so many breeds; as far as there are such
COMMAND = [sys.executable, '-W', 'ignore', '-c', 'from pet_breeds.cli import app; app()']


def asked(*args, cache):
    "What the command prints as JSON, and its seconds."
    started = time.perf_counter()
    done = subprocess.run([*COMMAND, *map(str, args), '--json'], check=True, text=True,
                          stdout=subprocess.PIPE, env=os.environ | {'XDG_CACHE_HOME': str(cache)})
    return json.loads(done.stdout), round(time.perf_counter() - started, 1)


def first_answer(by_breed, n, n_breeds):
    "Train on n photos by the recommended recipe, with an empty cache, and ask about another one."
    chosen = dict(list(by_breed.items())[:n_breeds])
    each = n // len(chosen)
    with tempfile.TemporaryDirectory() as tmp:
        (folder := Path(tmp) / 'photos').mkdir()
        for photo in (p for photos in chosen.values() for p in photos[1:each + 1]):
            (folder / photo.name).symlink_to(photo.resolve())
        trained, seconds = asked('train', folder, '--out', Path(tmp) / 'model', cache=tmp)
        other = next(iter(chosen.values()))[0]
        _, answer_seconds = asked('predict', Path(tmp) / 'model', other, cache=tmp)
    names = 'photos', 'arch', 'size', 'wrong', 'total'
    return dict(breeds=len(chosen), train_seconds=seconds, answer_seconds=answer_seconds,
                **{k: trained[k] for k in names})


if __name__ == '__main__':
    data, by_breed = arguments(__doc__), defaultdict(list)
    photos = find_photos(get_data(data))[0]
    for photo in photos: by_breed[breed_name(photo)].append(photo)
    sets = {n: k for n, k in SETS.items() if n <= len(photos)}
    write_record(record_name('first-answer', data), provenance() | dict(
        data=data_name(data), runs=[first_answer(by_breed, n, k) for n, k in sets.items()]))
