"""Post 05: tricks of training, each against the same plain fine-tuning of resnet18.

A seed draws 25 photos a breed from the training part of the walk; its whole validation part is
judged. Tricks that only judge otherwise take the network of the plain training.
"""
import time
from functools import lru_cache

import numpy as np
import torch
from common import NoValidation, arguments, options_for, record_name, wrong_photos
from fastai.vision.all import (Callback, CrossEntropyLossFlat, DataBlock, IndexSplitter, MixUp,
                               TensorImage, Transform, TransformBlock, noop, set_seed)
from pet_breeds.baseline import pet_learner
from pet_breeds.data import breed_name
from pet_breeds.datasets import get_data, labels_of, split_photos
from pet_breeds.features import frozen_features, out_of_fold
from pet_breeds.loaders import FusedAugment, FusedPhotoBlock, fused_block, keep_decoded
from pet_breeds.options import RECOMMENDED
from pet_breeds.photos import find_photos
from pet_breeds.records import data_name, run_experiment
from pet_breeds.train import linear_probe, speed_up
from torchvision.transforms.v2 import TrivialAugmentWide

SEEDS, EACH, EPOCHS, HIGHER = (1, 2, 3), 25, 4, 288  # HIGHER: pixels to judge at, not 224


class WeightEMA(Callback):
    "An average of the weights over the last steps beside the training; it changes nothing."
    def before_fit(self):
        self.average = {k: v.clone() for k, v in self.model.state_dict().items()}

    def after_batch(self):
        if not self.training: return
        for k, v in self.model.state_dict().items():
            if v.is_floating_point(): self.average[k].lerp_(v, .02)


class Trivial(Transform):
    "TrivialAugment (Müller and Hutter 2021) after the usual augmentation."
    order, split_idx, change = 2, 0, TrivialAugmentWide()
    def encodes(self, x:TensorImage): return TensorImage(self.change(torch.Tensor(x).byte()))


def fine_tune(learn, **kwargs): learn.fine_tune(EPOCHS, **kwargs)


def one_rate(learn):
    "`fine_tune`, but for the rate once the body is trained: one, the geometric mean of its rates."
    learn.freeze()
    learn.fit_one_cycle(1, slice(2e-3), pct_start=.99)
    learn.unfreeze()
    learn.fit_one_cycle(EPOCHS, 1e-4, pct_start=.3, div=5)


def smooth(learn):
    learn.loss_func = CrossEntropyLossFlat(label_smoothing=.1)
    fine_tune(learn)


def distil(learn):
    "Fine-tune towards what a head on the recommended network says, fitted without the photo."
    photos, vocab = list(learn.dls.train_ds.items), list(learn.dls.vocab)
    labels = [breed_name(p) for p in photos]
    soft = torch.eye(len(vocab))[[vocab.index(breed_name(p)) for p in learn.dls.valid_ds.items]]
    said = torch.tensor(out_of_fold(frozen_features(photos, **RECOMMENDED), labels)[0]).float()
    target = dict(zip([*photos, *learn.dls.valid_ds.items], torch.cat([said, soft]), strict=True))
    n, augment = len(photos), next(t for t in learn.dls.after_item if isinstance(t, FusedAugment))
    block = DataBlock((FusedPhotoBlock, TransformBlock), get_y=target.get, item_tfms=augment,
                      splitter=IndexSplitter(range(n, len(target))))
    own, learn.dls = learn.dls, block.dataloaders(list(target), bs=learn.dls.bs, num_workers=0)
    learn.loss_func, metrics, learn.metrics = torch.nn.functional.cross_entropy, learn.metrics, []
    fine_tune(learn)
    learn.dls, learn.metrics, learn.loss_func = own, metrics, CrossEntropyLossFlat()


FITS = {
    'plain': fine_tune,
    'label smoothing': smooth,
    'mixup': lambda learn: fine_tune(learn, cbs=MixUp(.4)),
    'TrivialAugment': lambda learn: (learn.dls.train.after_item.add(Trivial()), fine_tune(learn)),
    'one rate for all layers': one_rate,
    'probe, then tune': lambda learn: linear_probe(learn, EPOCHS, slice(1e-5, 1e-4)),
    'distillation': distil}
JUDGED = 'several views', 'higher resolution', 'weight average'  # of the plain network


def split(photos, seed):
    "Photos of each breed from the training part, and the validation part."
    train, valid = split_photos(photos, labels_of(photos))
    by_breed = {}
    for i in np.random.default_rng(seed).permutation(train):
        by_breed.setdefault(breed_name(photos[i]), []).append(photos[i])
    return [p for some in by_breed.values() for p in some[:EACH]], [photos[i] for i in valid]


def loaders(photos, seed, s, size):
    train, valid = split(photos, seed)
    block = fused_block(size, breed_name, IndexSplitter(range(len(train), len(train + valid))))
    return block.dataloaders(train + valid, bs=s.bs, num_workers=0)


@lru_cache(maxsize=1)
def trained(photos, recipe, seed, s):
    set_seed(seed, reproducible=True)
    learn = pet_learner(loaders(photos, seed, s, s.size), s.arch)
    learn.logger = noop
    speed_up(learn)
    learn.add_cbs([NoValidation(), ema := WeightEMA()])
    started = time.perf_counter()
    keep_decoded(learn.dls)
    FITS[recipe](learn)
    return learn, ema.average, time.perf_counter() - started


def measure(photos, recipe, seed, s):
    learn, average, seconds = trained(photos, recipe if recipe in FITS else 'plain', seed, s)
    weights = {k: v.clone() for k, v in learn.model.state_dict().items()}
    learn.dls = loaders(photos, seed, s, HIGHER if recipe == 'higher resolution' else s.size)
    if recipe == 'weight average': learn.model.load_state_dict(average)
    wrong = wrong_photos(learn, views=recipe == 'several views')
    learn.model.load_state_dict(weights)
    return dict(wrong=wrong, seconds=round(seconds, 1))


if __name__ == '__main__':
    data = arguments(__doc__)
    s, photos = options_for(data), tuple(find_photos(get_data(data))[0])
    run_experiment(record_name('tricks', data),
                   dict(data=data_name(data), arch=s.arch, size=s.size, bs=s.bs, each=EACH,
                        epochs=EPOCHS, higher=HIGHER),
                   [dict(recipe=r, seed=seed) for seed in SEEDS
                    for r in ('plain', *JUDGED, *list(FITS)[1:])],
                   lambda **case: measure(photos, **case, s=s))
