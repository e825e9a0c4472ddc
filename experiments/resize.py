"""Cut or distort a photo? A head trained on squashed photos, asked about natural ones in both ways.

The squashed photos are those of --data, the natural ones those of ../shared/pets.
No natural photo is trained on: those of the same names are left out.
"""
import random
from functools import cache
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import torch
from common import arguments, record_name
from pet_breeds.augment import warp_photo
from pet_breeds.data import breed_name
from pet_breeds.datasets import get_data
from pet_breeds.features import fit_head, pretrained_body, timed_features
from pet_breeds.photos import find_photos, read_photo
from pet_breeds.records import data_name, run_experiment

ARCH, SIZE, NATURAL, STRETCH = 'tf_efficientnet_lite0', 288, '../shared/pets', 4 / 3
RECIPES = {'crop': ('plain', 'crop'), 'squish': ('plain', 'squish'),  # trained on, asked by
           'stretched, crop': ('stretched', 'crop'), 'stretched, squish': ('stretched', 'squish')}


def stretched(photos, bs=64):
    "Features of square photos, each cut to sides of a random ratio, up to 4:3, and squished."
    body = pretrained_body(ARCH, SIZE).to(memory_format=torch.channels_last)
    rng, rows = random.Random(42), []
    ratios = [STRETCH ** rng.uniform(-1, 1) for _ in photos]
    def square(photo, ratio):
        image = read_photo(photo)
        n, less = len(image), round(len(image) * min(ratio, 1 / ratio))
        part = slice((n - less) // 2, (n + less) // 2)
        return warp_photo(image[part] if ratio > 1 else image[:, part], size=SIZE, resize='squish')
    with ThreadPool() as pool, torch.inference_mode(), torch.autocast('cpu', torch.bfloat16):
        for i in range(0, len(photos), bs):
            pairs = zip(photos[i:i + bs], ratios[i:i + bs], strict=True)
            x = torch.from_numpy(np.stack(pool.starmap(square, pairs)))
            rows.append(body(x.permute(0, 3, 1, 2) / 255).float())
    return torch.cat(rows).numpy()


if __name__ == '__main__':
    data = arguments(__doc__)
    photos, natural = (find_photos(get_data(d))[0] for d in (data, Path(NATURAL)))
    asked = {p.name for p in natural}
    rows = [i for i, p in enumerate(photos) if p.name not in asked]
    y, truth = (np.array([breed_name(p) for p in ps])
                for ps in ([photos[i] for i in rows], natural))
    plain = cache(lambda: timed_features(photos, ARCH, SIZE)[0][rows])
    ways = dict(plain=plain, stretched=cache(
        lambda: np.concatenate([plain(), stretched([photos[i] for i in rows])])))
    heads = cache(lambda way: fit_head(ways[way](), [*y] if way == 'plain' else [*y, *y]))

    def measure(recipe, seed):
        way, resize = RECIPES[recipe]
        x, how = timed_features(natural, ARCH, SIZE, resize=resize)
        wrong = heads(way).predict(x) != truth
        return dict(wrong={p.name: w for p, w in zip(natural, wrong, strict=True)},
                    seconds=how['feature_seconds'])

    run_experiment(record_name('resize', data),
                   dict(data=data_name(data), asked=data_name(NATURAL), arch=ARCH, size=SIZE),
                   [dict(recipe=r, seed=42) for r in RECIPES], measure)
