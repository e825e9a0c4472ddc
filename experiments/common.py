"What the experiments share: their argument, networks that fit the data, how a learner is judged."
import argparse
import time
from dataclasses import replace

from fastai.vision.all import Callback, CancelValidException, default_device, noop, set_seed
from pet_breeds.baseline import pet_learner
from pet_breeds.datasets import data_loaders
from pet_breeds.loaders import PhotoLoader, fits_on_gpu, keep_decoded, keep_on_device
from pet_breeds.options import WalkOptions, settings
from pet_breeds.predictions import evaluate
from pet_breeds.records import data_name


def parser(doc):
    "`--data`: `sample` by default, `pets`, or a folder of photos; others may be added."
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument('--data', default='sample', help='`sample`, `pets`, or a folder of photos')
    return parser


def arguments(doc):
    "What `--data` names."
    return parser(doc).parse_args().data


def options_for(data, size=224) -> WalkOptions:
    "The shipped networks for the sample; for photos resnet18 and resnet50, which a CPU can train."
    s = settings({'PET_BREEDS_DATA': str(data)})
    if data == 'sample': return s
    bs = 64 if on_gpu() else 32
    return replace(s, arch='resnet18', deep_arch='resnet50', size=size, bs=bs)


def on_gpu(): return default_device().type == 'cuda'


def record_name(script, data):
    "`rates-sample`, or `rates-shared-pets` for ../shared/pets."
    return f'{script}-{data_name(data).replace("/", "-")}'


class NoValidation(Callback):
    "Skip the validation after each epoch; predictions are made once, at the end."
    def before_validate(self):
        if not hasattr(self.learn, 'gather_preds'): raise CancelValidException


def keep_photos(dls):
    "Decode all photos once: for a GPU into its memory, else into the cache folder."
    if type(dls.train) is not PhotoLoader: return # they are kept already
    (keep_on_device if fits_on_gpu(dls) else keep_decoded)(dls)


def learner(s, arch, seed, fused=True):
    "A fresh learner; loaders have a random state of their own, so they are made anew, too."
    set_seed(seed, reproducible=True)
    learn = pet_learner(data_loaders(s.data, s.size, s.bs, fused=fused), arch)
    learn.logger = noop
    return learn


def wrong_photos(learn, views=False):
    "Whether each validation photo is wrong, by its name; asked for several views of it, or one."
    p = evaluate(learn)
    if views: p.probs = learn.tta()[0].numpy()
    return dict(zip(p.photos, p.wrong, strict=True))


def judged(make, fit):
    """Train the learner of `make()` by `fit(learn)`, and say which validation photos are wrong.

    The seconds are those of both, so photos that are decoded in advance count; what is there
    before does not.
    """
    started = time.perf_counter()
    fit(learn := make())
    seconds = time.perf_counter() - started
    return dict(wrong=wrong_photos(learn), seconds=round(seconds, 1))
