"""Post 08: seconds from JPEGs on disk to 93 % of the walk's validation photos named right.

Decoding, reading weights, training and answering count; imports do not. Nothing is kept between
runs. Each entry says what was new in it; the record is its log.
"""
import os
import tempfile
import time
from unittest.mock import patch

import numpy as np
from common import arguments, options_for, record_name
from fastai.vision.all import RandomSplitter, noop, set_seed
from pet_breeds.baseline import pet_learner
from pet_breeds.data import breed_name, data_block
from pet_breeds.datasets import get_data
from pet_breeds.features import fit_head, frozen_features
from pet_breeds.networks import keep_freed_memory
from pet_breeds.options import RECOMMENDED
from pet_breeds.photos import find_photos
from pet_breeds.predictions import evaluate
from pet_breeds.records import data_name, run_experiment
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

SEEDS = range(1, 11)


def stock(photos, seed):
    "fastai's own way, three epochs."
    s = options_for(arguments(__doc__))
    keep_freed_memory(False)
    set_seed(seed, reproducible=True)
    block = data_block(s.size, breed_name, RandomSplitter(.2, seed=42))
    learn = pet_learner(block.dataloaders(photos, bs=s.bs, num_workers=0), s.arch)
    learn.logger = noop
    learn.fine_tune(3)
    p = evaluate(learn)
    return dict(zip(p.photos, p.wrong, strict=True))


def solved(size, fit, keep=False):
    "A head on features of the recommended network, fitted by `fit(x, labels, seed)`."
    def run(photos, seed):
        with patch('pet_breeds.features.keep_freed_memory', lambda: keep_freed_memory(keep)):
            x = frozen_features(photos, RECOMMENDED['arch'], size)
        labels = np.array([breed_name(p) for p in photos])
        train, valid = map(list, RandomSplitter(.2, seed=42)(photos))
        found = fit(x, labels, train, valid, seed)
        wrong = found != labels[valid]
        return dict(zip([photos[i].name for i in valid], wrong, strict=True))
    return run


def searched(x, labels, train, valid, seed):
    "Regularisation by cross-validation."
    return fit_head(x[train], labels[train], seed=seed).predict(x[valid])


def once(x, labels, train, valid, seed):
    "One fit; with C = 10 the fewest training photos were wrong in cross-validation."
    with threadpool_limits(1):
        head = LogisticRegression(C=10, max_iter=2000).fit(normalize(x[train]), labels[train])
        return head.predict(normalize(x[valid]))


ENTRIES = {  # Day and what was new, the oldest first
    '2026-11-26: stock fastai, a smaller network': stock,
    '2026-11-26: a head that is solved': solved(RECOMMENDED['size'], searched),
    '2026-11-26: one fit of the head': solved(RECOMMENDED['size'], once),
    '2026-11-26: smaller images': solved(256, once),
    '2026-11-26: freed memory is kept': solved(256, once, keep=True)}


def measure(photos, recipe, seed):
    "An entry, with an empty cache."
    with tempfile.TemporaryDirectory() as tmp, patch.dict(os.environ, XDG_CACHE_HOME=tmp):
        started = time.perf_counter()
        wrong = ENTRIES[recipe](photos, seed)
        return dict(wrong={k: bool(v) for k, v in wrong.items()},
                    seconds=round(time.perf_counter() - started, 1))


if __name__ == '__main__':
    data = arguments(__doc__)
    photos = find_photos(get_data(data))[0]
    run_experiment(record_name('speedrun', data),
                   dict(data=data_name(data), arch=RECOMMENDED['arch'], size=RECOMMENDED['size']),
                   [dict(recipe=r, seed=seed) for seed in SEEDS for r in ENTRIES],
                   lambda **case: measure(photos, **case))
