"""Post 06: what else lowers the error of frozen features.

Heads are compared out of fold on the training photos of the walk; its validation photos are
judged once.
"""
import time
from functools import cache
from multiprocessing.pool import ThreadPool

import numpy as np
import torch
from common import arguments, record_name
from fastai.vision.all import default_device
from pet_breeds.augment import warp_photo
from pet_breeds.datasets import get_data, labels_of, split_photos
from pet_breeds.features import pretrained_body
from pet_breeds.learners import best_precision
from pet_breeds.loaders import DecodedPhotos
from pet_breeds.options import RECOMMENDED
from pet_breeds.photos import find_photos
from pet_breeds.records import data_name, run_experiment
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

SMALL, BIG = dict(arch='tf_efficientnet_lite0', size=288), RECOMMENDED
C, FOLDS = 10, 5
AVERAGE, LARGEST = 0, 1
# What the head is given: parts of length one, from features of (photos, mirrored, pooling, width)
RECIPES = {
    'plain': lambda f: [f(**BIG)[:, 0, AVERAGE]],
    'largest values too': lambda f: [f(**BIG)[:, 0, AVERAGE], f(**BIG)[:, 0, LARGEST]],
    'mirror image too': lambda f: [f(**BIG)[:, :, AVERAGE].mean(1)],
    'two networks': lambda f: [f(**SMALL)[:, 0, AVERAGE], f(**BIG)[:, 0, AVERAGE]],
    'two networks, mirror image too': lambda f: [f(**SMALL)[:, :, AVERAGE].mean(1),
                                                 f(**BIG)[:, :, AVERAGE].mean(1)]}


def pooled(photos, arch, size, bs=32):
    "The last feature maps' averages and largest values, for photos and their mirror images."
    normalise, net = pretrained_body(arch, size).to(memory_format=torch.channels_last)
    maps, rows = torch.nn.Sequential(normalise, net[:-2]), []
    decoded = DecodedPhotos(photos, 3 * size // 2, keep=False)
    half = best_precision(default_device()) == 'bfloat16'
    with (ThreadPool() as pool, torch.inference_mode(),
          torch.autocast('cpu', torch.bfloat16, enabled=half)):
        for i in range(0, len(photos), bs):
            x = np.stack(pool.map(lambda p: warp_photo(decoded(p), size=size), photos[i:i + bs]))
            x = torch.from_numpy(x).permute(0, 3, 1, 2) / 255
            m = maps(torch.cat([x, x.flip(-1)]))
            found = torch.stack([m.mean((2, 3)), m.amax((2, 3))], 1).float()
            rows.append(found.unflatten(0, (2, -1)).transpose(0, 1))
    return torch.cat(rows).numpy()


if __name__ == '__main__':
    data = arguments(__doc__)
    photos = find_photos(get_data(data))[0]
    y = np.array(labels_of(photos))
    train, valid = map(np.array, split_photos(photos, list(y)))
    features = cache(lambda arch, size: pooled(photos, arch, size))
    weights = {net['arch']: sum(p.numel() for p in pretrained_body(**net).parameters())
               for net in (SMALL, BIG)}

    def measure(recipe, judged, seed):
        x = normalize(np.hstack([normalize(part) for part in RECIPES[recipe](features)]))
        head, started = LogisticRegression(C=C, max_iter=2000), time.perf_counter()
        with threadpool_limits(1):
            if judged == 'training':
                folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
                rows, said = train, cross_val_predict(head, x[train], y[train], cv=folds)
            else: rows, said = valid, head.fit(x[train], y[train]).predict(x[valid])
        wrong = said != y[rows]
        return dict(wrong={photos[i].name: w for i, w in zip(rows, wrong, strict=True)},
                    width=x.shape[1], seconds=round(time.perf_counter() - started, 2))

    run_experiment(record_name('heads', data),
                   dict(data=data_name(data), small=SMALL, big=BIG, weights=weights, C=C,
                        n_folds=FOLDS),
                   [dict(recipe=r, judged=j, seed=42) for r in RECIPES
                    for j in ('training', 'validation')], measure)
