"""Post 06: the recommended network fine-tuned as a whole, which wants a GPU.

Which recipe is best is told on a fifth of the walk's training photos, by networks that were
trained on the rest; it alone is trained on all of them and judged on the validation photos.
Seconds are those of the training, from the last epoch on that was kept if it was interrupted.
"""
import time
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache

from common import NoValidation, arguments, keep_photos, options_for, record_name, wrong_photos
from fastai.vision.all import IndexSplitter, noop, set_seed
from pet_breeds.baseline import pet_learner
from pet_breeds.checkpoint import Checkpoint, remove_checkpoint
from pet_breeds.data import breed_name
from pet_breeds.datasets import get_data, labels_of, split_photos
from pet_breeds.learners import FreezeBatchNorm
from pet_breeds.loaders import fused_block
from pet_breeds.options import RECOMMENDED
from pet_breeds.photos import find_photos
from pet_breeds.records import cache_folder, data_name, digest, provenance, run_experiment
from pet_breeds.train import linear_probe, speed_up
from torch.optim.swa_utils import AveragedModel

VIEWS, SOUP = ', several views', 3  # SOUP: trainings whose weights are averaged


def alone(fit):
    "A way of one training, which is kept epoch by epoch."
    def train(learn, kept):
        with learn.added_cbs(kept(0)): fit(learn)
    return train


def soup(learn, kept):
    "Tune three times from one solved head, average the weights: Wortsman et al. 2022, 2203.05482."
    linear_probe(learn)
    learn.unfreeze()
    start, mean = deepcopy(learn.model.state_dict()), AveragedModel(learn.model)
    for i in range(SOUP):
        learn.model.load_state_dict(start)
        learn.opt = None
        with learn.added_cbs([FreezeBatchNorm(), kept(i)]):
            learn.fit_one_cycle(6, slice(1e-4, 1e-3))
        mean.update_parameters(learn.model)
    learn.model.load_state_dict(mean.module.state_dict())


FITS = {
    'solved head': alone(linear_probe),
    'fine_tune': alone(lambda learn: learn.fine_tune(6)),
    'probe, then tune': alone(lambda learn: linear_probe(learn, 6, slice(1e-5, 1e-4))),
    'probe, then tune at ten times the rates':
        alone(lambda learn: linear_probe(learn, 6, slice(1e-4, 1e-3))),
    'the average of three so tuned': soup}
RECIPES = [r + views for r in FITS for views in ('', VIEWS)]


def split(photos, fold):
    "Photos to train on and to judge: in fold 0 parts of the training photos, else the walk's own."
    parts = split_photos(photos, labels_of(photos))
    train, valid = ([photos[i] for i in part] for part in parts)
    if fold: return train, valid
    return ([train[i] for i in part] for part in split_photos(train, labels_of(train)))


@lru_cache(maxsize=1)
def trained(photos, fit, seed, fold, s):
    set_seed(seed, reproducible=True)
    started = time.perf_counter()
    train, judged = split(photos, fold)
    splitter = IndexSplitter(range(len(train), len(train) + len(judged)))
    dls = fused_block(s.size, breed_name, splitter).dataloaders(train + judged, bs=s.bs,
                                                                num_workers=0)
    learn = pet_learner(dls, s.arch)
    learn.logger = noop
    speed_up(learn)
    keep_photos(dls)
    key = digest([f'{s}, {fit}, {seed}, {fold}', *(p.name for p in train)])
    files = [cache_folder() / f'tune-{key}-{i}.checkpoint' for i in range(SOUP)]
    files[0].parent.mkdir(parents=True, exist_ok=True)
    with learn.added_cbs(NoValidation()): FITS[fit](learn, lambda i: Checkpoint(files[i], {}))
    for file in files: remove_checkpoint(file)
    return learn, time.perf_counter() - started


def measure(photos, recipe, seed, fold, s):
    learn, seconds = trained(photos, recipe.removesuffix(VIEWS), seed, fold, s)
    return dict(wrong=wrong_photos(learn, views=recipe.endswith(VIEWS)), seconds=round(seconds, 1),
                **{k: provenance()[k] for k in ('hardware', 'versions')})  # others may differ


if __name__ == '__main__':
    s = options_for(arguments(__doc__))
    if s.data != 'sample': s = replace(s, bs=64, **RECOMMENDED)
    photos = tuple(find_photos(get_data(s.data))[0])

    def run(cases):
        return run_experiment(record_name('tune', s.data),
                              dict(data=data_name(s.data), arch=s.arch, size=s.size, bs=s.bs),
                              cases, lambda **case: measure(photos, **case, s=s))
    runs = run([dict(recipe=r, seed=1, fold=0) for r in RECIPES])['runs']
    wrong = {r['recipe']: r['wrong'].count('1') for r in runs if not r['fold']}
    best = min(wrong, key=lambda recipe: wrong[recipe])
    run([dict(recipe=best, seed=1, fold=1)])
