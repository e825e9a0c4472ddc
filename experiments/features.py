"""Post 06: frozen features and a logistic regression.

Judged in the walk's split, out of fold, by the official lists, with few photos.
"""
from collections import Counter
from functools import cache

import numpy as np
from common import arguments, record_name
from pet_breeds.datasets import get_data, labels_of, split_photos
from pet_breeds.features import fit_head, k_shot, out_of_fold, timed_features
from pet_breeds.photos import find_photos
from pet_breeds.records import data_name, run_experiment

SIZES = dict(resnet18=288, resnet50=288, tf_efficientnet_lite0=288, tf_efficientnet_lite1=304,
             tf_efficientnet_lite2=320)  # side of the images, pixels
KS, DRAWS, FEW = (1, 2, 5, 10, 16, 25, 50), 5, 16  # FEW: the photos of each breed that MIEB draws


def cases(sizes, protocols):
    "Protocols of each network; `few` has a seed for each draw."
    for arch in sizes:
        for protocol in protocols:
            seeds = range(1, DRAWS + 1) if protocol == 'few' else (42,)
            yield from (dict(recipe=arch, protocol=protocol, seed=seed) for seed in seeds)


def drawn(rows, y, seed):
    "Some of the training photos: a few of each breed."
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.choice(rows[y[rows] == breed], FEW, replace=False)
                           for breed in np.unique(y)])


def judge(x, labels, protocol, seed, splits):
    "Which photos are wrong: their indices, and whether they are."
    y = np.array(labels)
    if protocol == 'out of fold':
        probs, breeds = out_of_fold(x, labels)
        return np.arange(len(y)), np.array(breeds)[probs.argmax(1)] != y
    train, valid = map(np.array, splits['official' if protocol == 'few' else protocol])
    if protocol == 'few': train = drawn(train, y, seed)
    return valid, fit_head(x[train], list(y[train])).predict(x[valid]) != y[valid]


if __name__ == '__main__':
    data = arguments(__doc__)
    sizes = dict(pet_resnet10=96) if data == 'sample' else SIZES
    photos = find_photos(get_data(data))[0]
    labels = labels_of(photos)
    splits = {'random split': split_photos(photos, labels)}
    protocols = ['random split', 'out of fold', 'curve']
    if (photos[0].parents[1] / 'annotations/test.txt').is_file():
        splits['official'] = train, _ = split_photos(photos, labels, 'official')
        rarest = min(Counter(labels[i] for i in train).values())
        protocols += ['official', 'few'] if rarest >= FEW else ['official']
    ks = [k for k in KS if k < min(Counter(labels).values())]
    features = cache(lambda arch: timed_features(photos, arch, sizes[arch]))

    def measure(recipe, protocol, seed):
        x, how = features(recipe)
        kept = {k: how[k] for k in ('weights', 'precision')} | dict(seconds=how['feature_seconds'])
        if protocol == 'curve':
            return kept | dict(wrong={}, curve=k_shot(x, labels, ks, DRAWS).to_dict('records'))
        rows, wrong = judge(x, labels, protocol, seed, splits)
        return kept | dict(wrong={photos[i].name: w for i, w in zip(rows, wrong, strict=True)})

    run_experiment(record_name('features', data), dict(data=data_name(data), sizes=sizes),
                   cases(sizes, protocols), measure)
