"""Post 08: seconds from JPEGs on disk to 93 % of the walk's validation photos named right.

Decoding, reading weights, training and answering count; imports do not. Nothing is kept between
runs. Each entry says what was new in it; the record is its log. A GPU has its own record.
"""
import os
import tempfile
import time
from unittest.mock import patch

import numpy as np
import torch
from common import (NoValidation, arguments, keep_photos, on_gpu, options_for, record_name,
                    wrong_photos)
from fastai.vision.all import IndexSplitter, default_device, noop, set_seed
from pet_breeds.baseline import pet_learner
from pet_breeds.data import breed_name, data_block
from pet_breeds.datasets import get_data, labels_of, split_photos, stock_workers
from pet_breeds.features import fit_head, frozen_features
from pet_breeds.loaders import fused_block
from pet_breeds.networks import keep_freed_memory
from pet_breeds.options import RECOMMENDED
from pet_breeds.photos import find_photos
from pet_breeds.records import data_name, run_experiment
from pet_breeds.train import linear_probe, speed_up
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, normalize
from threadpoolctl import threadpool_limits

SEEDS = range(1, 11)


def parts(photos): return split_photos(photos, labels_of(photos))


def stock(photos, seed):
    "fastai's own way, three epochs."
    s = options_for(arguments(__doc__))
    keep_freed_memory(False)
    set_seed(seed, reproducible=True)
    block = data_block(s.size, breed_name, IndexSplitter(parts(photos)[1]))
    dls = block.dataloaders(photos, bs=s.bs, num_workers=stock_workers())
    learn = pet_learner(dls, s.arch)
    learn.logger = noop
    learn.fine_tune(3)
    return wrong_photos(learn)


def tuned(photos, seed):
    "The recommended network, whole, after its head is solved by one fit; asked for several views."
    set_seed(seed, reproducible=True)
    block = fused_block(RECOMMENDED['size'], breed_name, IndexSplitter(parts(photos)[1]))
    learn = pet_learner(block.dataloaders(photos, bs=64, num_workers=0), RECOMMENDED['arch'])
    learn.logger = noop
    speed_up(learn)
    keep_photos(learn.dls)
    with (patch('pet_breeds.train.fit_head', lambda x, y, folds: fitted(x, y)),
          learn.added_cbs(NoValidation())):
        linear_probe(learn, 6, slice(1e-4, 1e-3))
    return wrong_photos(learn, views=True)


def solved(size, fit, keep=False, precision='auto'):
    "A head on features of the recommended network, fitted by `fit(x, labels, …)`."
    def run(photos, seed):
        with patch('pet_breeds.features.keep_freed_memory', lambda: keep_freed_memory(keep)):
            x = frozen_features(photos, RECOMMENDED['arch'], size, precision=precision)
        labels = np.array([breed_name(p) for p in photos])
        train, valid = parts(photos)
        found = fit(x, labels, train, valid, seed)
        wrong = found != labels[valid]
        return dict(zip([photos[i].name for i in valid], wrong, strict=True))
    return run


def searched(x, labels, train, valid, seed):
    "Regularisation by cross-validation."
    return fit_head(x[train], labels[train], seed=seed).predict(x[valid])


def once(x, labels, train, valid, seed):
    "One fit; with C = 10 the fewest training photos were wrong in cross-validation."
    return fitted(x[train], labels[train]).predict(x[valid])


def fitted(x, labels):
    head = make_pipeline(Normalizer(), LogisticRegression(C=10, max_iter=2000))
    with threadpool_limits(1): return head.fit(x, labels)


def once_by_torch(x, labels, train, valid, seed):
    "The same minimum, found where the network computed."
    names, y = np.unique(labels, return_inverse=True)
    x = torch.from_numpy(normalize(x)).to(default_device())
    y = torch.from_numpy(y[train]).to(default_device())
    layer = torch.nn.Linear(x.shape[1], len(names)).to(default_device())
    step = torch.optim.LBFGS(layer.parameters(), max_iter=500, line_search_fn='strong_wolfe')

    def loss():
        step.zero_grad()
        size = layer.weight.square().sum() / (2 * 10 * len(y))
        found = torch.nn.functional.cross_entropy(layer(x[train]), y) + size
        found.backward()
        return found
    step.step(loss)
    return names[layer(x[valid]).argmax(1).cpu().numpy()]


ENTRIES = {  # Day and what was new, the oldest first
    '2026-11-26: stock fastai, a smaller network': stock,
    '2026-11-26: a head that is solved': solved(RECOMMENDED['size'], searched),
    '2026-11-26: one fit of the head': solved(RECOMMENDED['size'], once),
    '2026-11-26: smaller images': solved(256, once),
    '2026-11-26: freed memory is kept': solved(256, once, keep=True)}
ON_GPU = {  # Those of a GPU
    '2026-11-27: stock fastai, a smaller network': stock,
    '2026-11-27: one fit of the head, smaller images': solved(256, once),
    '2026-11-27: 16 bits, and the head is solved on the GPU': solved(256, once_by_torch,
                                                                     precision='bfloat16'),
    '2026-11-27: then the whole network is tuned': tuned}


def measure(photos, recipe, seed):
    "An entry, with an empty cache."
    with tempfile.TemporaryDirectory() as tmp, patch.dict(os.environ, XDG_CACHE_HOME=tmp):
        started = time.perf_counter()
        wrong = (ENTRIES | ON_GPU)[recipe](photos, seed)
        return dict(wrong=wrong, seconds=round(time.perf_counter() - started, 1))


if __name__ == '__main__':
    data = arguments(__doc__)
    photos = find_photos(get_data(data))[0]
    run_experiment(record_name(f'speedrun{"-gpu" * on_gpu()}', data),
                   dict(data=data_name(data), arch=RECOMMENDED['arch'], size=RECOMMENDED['size']),
                   [dict(recipe=r, seed=seed) for seed in SEEDS
                    for r in (ON_GPU if on_gpu() else ENTRIES)],
                   lambda **case: measure(photos, **case))
