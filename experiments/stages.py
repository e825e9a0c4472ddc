"""Posts 01 to 05: every stage of the walk, over seeds.

The sample and small sets in folds, so that each photo is judged by networks that never saw it;
large sets on the split of the walk, at 224 px. `--walk stock`: fastai's own pipeline in float32,
the post's four stages, one seed. `--walk lite`: networks whose real weights anyone can install.
"""
import time
from collections import Counter
from dataclasses import replace

from common import NoValidation, keep_photos, options_for, parser, record_name
from fastai.vision.all import IndexSplitter, set_seed
from pet_breeds.baseline import pet_learner
from pet_breeds.checkpoint import Checkpoint, remove_checkpoint
from pet_breeds.data import breed_name, data_block
from pet_breeds.datasets import get_data, labels_of, split_photos, stock_workers
from pet_breeds.loaders import fused_block
from pet_breeds.options import RECOMMENDED
from pet_breeds.photos import find_photos
from pet_breeds.predictions import evaluate
from pet_breeds.records import (cache_folder, data_name, digest, provenance, read_record,
                                results_folder, run_experiment)
from pet_breeds.resnet101_fp16 import mixed_precision
from sklearn.model_selection import StratifiedKFold

LARGE = 2000  # photos; so many have a validation part that tells stages apart without folds
PRECISION = 'bfloat16'
# Network, and how it is trained; `unfreeze` repeats the epochs of `lr_find` before its own
STAGES = {
    'baseline': ('arch', lambda learn, n: learn.fine_tune(n(3))),
    'lr_find': ('arch', lambda learn, n: learn.fit_one_cycle(n(3), 3e-3)),
    'unfreeze': ('arch', lambda learn, n: (learn.fit_one_cycle(n(3), 3e-3), learn.unfreeze(),
                                           learn.fit_one_cycle(n(6), lr_max=slice(1e-6, 1e-4)))),
    # controls with as many epochs: of `unfreeze`, of `deeper`, and the head alone of `baseline`
    'lr_find, longer': ('arch', lambda learn, n: (learn.fit_one_cycle(n(3), 3e-3),
                                                  learn.fit_one_cycle(n(6), 1e-4))),
    'baseline, longer': ('arch', lambda learn, n: learn.fine_tune(n(6), freeze_epochs=n(3))),
    'frozen': ('arch', lambda learn, n: learn.fit_one_cycle(n(4), 2e-3)),
    'deeper': ('deep_arch', lambda learn, n: learn.fine_tune(n(6), freeze_epochs=n(3)))}
POST = 'baseline', 'lr_find', 'unfreeze', 'deeper'


def folds_of(photos, n_folds):
    """For each fold the indices of its photos, the same for every seed of training.

    One fold is the validation part of the walk.
    """
    labels = labels_of(photos)
    if n_folds == 1: return [split_photos(photos, labels)[1]]
    splits = StratifiedKFold(n_folds, shuffle=True, random_state=42).split(photos, labels)
    return [valid.tolist() for _, valid in splits]


def train_fold(photos, valid, recipe, seed, s, curves=False, stock=False):
    """Train a stage on the other photos, judge these; with the curves of its epochs, if asked.

    Goes on after the last whole epoch; such a curve begins there, and so do the seconds.
    """
    set_seed(seed, reproducible=True)
    block = (data_block if stock else fused_block)(s.size, breed_name, IndexSplitter(valid))
    which, fit = STAGES[recipe]
    workers = stock_workers() if stock else 0
    learn = pet_learner(block.dataloaders(photos, bs=s.bs, num_workers=workers), getattr(s, which))
    if not stock: mixed_precision(learn, PRECISION)
    rows = []
    learn.logger = rows.append
    judged = digest([photos[i].name for i in valid])
    trained = f'{"stock-" * stock}{getattr(s, which)}-{recipe}'
    kept = cache_folder() / f'stages-{trained}-{seed}-{judged}.checkpoint'
    kept.parent.mkdir(parents=True, exist_ok=True)
    learn.add_cb(Checkpoint(kept, dict(size=s.size, arch=getattr(s, which))))
    if not curves: learn.add_cb(NoValidation())
    started = time.perf_counter()
    if not stock: keep_photos(learn.dls)
    fit(learn, s.n_epochs)
    seconds = time.perf_counter() - started
    p = evaluate(learn)
    remove_checkpoint(kept)
    found = dict(wrong=dict(zip(p.photos, p.wrong, strict=True)), seconds=round(seconds, 1),
                 **{k: provenance()[k] for k in ('hardware', 'versions')})  # others may differ
    if curves: found |= dict(curve=[[round(float(v), 4) for v in r[1:4]]
                                    for r in rows if len(r) > 3],  # none of skipped epochs
                             confused=confused(p))
    return found


def confused(p):
    "True breed, predicted breed and how often, the most frequent first."
    pairs = Counter((p.breeds[t], p.breeds[q])
                    for t, q in zip(p.truth, p.predicted, strict=True) if t != q)
    return [[a, b, n] for (a, b), n in pairs.most_common() if n > 1]


if __name__ == '__main__':
    asked = parser(__doc__)
    asked.add_argument('--walk', choices=('', 'stock', 'lite'), default='')
    asked = asked.parse_args()
    s, walk = options_for(asked.data, size=128), asked.walk
    photos = find_photos(get_data(s.data))[0]
    name = record_name(f'stages{"-" * bool(walk)}{walk}', s.data)
    large, stock = len(photos) > LARGE, walk == 'stock'
    if large: s = replace(s, size=224, bs=64)
    if walk == 'lite': s = replace(s, arch='tf_efficientnet_lite0', deep_arch=RECOMMENDED['arch'])
    n_seeds, n_folds = (5, 2) if s.data == 'sample' else (5, 1) if large else (3, 5)
    if walk: n_seeds = 1 if stock else 3
    folds = folds_of(photos, n_folds)
    old = (results_folder() / f'{name}.json').exists() and read_record(name)['runs'] or []
    whole = {(r['recipe'], r['seed']) for r in old if 'fold' not in r}  # as 0.1.0 recorded
    cases = [dict(recipe=r, seed=seed, fold=i) for seed in range(1, n_seeds + 1)
             for i in range(n_folds) for r in (POST if stock else STAGES) if (r, seed) not in whole]
    run_experiment(name,
                   dict(data=data_name(s.data), arch=s.arch, deep_arch=s.deep_arch, size=s.size,
                        bs=s.bs, precision='float32' if stock else PRECISION,
                        pipeline='stock' if stock else 'fused', n_folds=n_folds), cases,
                   lambda recipe, seed, fold: train_fold(photos, folds[fold], recipe, seed, s,
                                                         curves=large, stock=stock))
