"""Calibration: logistic regressions of three strengths on the features of a frozen network.

Each photo is judged by one that has not seen it.
"""
import numpy as np
from common import arguments, options_for, record_name
from pet_breeds.baseline import pet_learner
from pet_breeds.calibrate import cross_fit, ece, ece_by_chance, folds, selective_risk, threshold_for
from pet_breeds.data import breed_name
from pet_breeds.datasets import data_loaders
from pet_breeds.features import embed
from pet_breeds.predictions import Predictions
from pet_breeds.records import data_name, provenance, write_record
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.preprocessing import normalize

STRENGTHS = 1, 100, 10000 # values of C; the larger, the closer the fit
FOLDS, WANTED, SEED = 5, .1, 42 # WANTED: error that the answered photos may have


def cross_validated(s):
    """For each strength the predictions of all photos, out of fold.

    Raises `ValueError` if a breed has a single photo.
    """
    dls = data_loaders(s.data, s.size, s.bs)
    photos = sorted([*dls.train_ds.items, *dls.valid_ds.items])
    truth = np.array([dls.vocab.o2i[breed_name(p)] for p in photos])
    if (np.bincount(truth) < 2).any():
        raise ValueError(f'a single photo of {dls.vocab[np.bincount(truth).argmin()]}: add another')
    x, parts = (normalize(embed(pet_learner(dls, s.arch), dls.test_dl(photos))),
                PredefinedSplit(folds(truth, FOLDS, SEED)))
    shared = dict(data=data_name(s.data), arch=s.arch, size=s.size, folds=FOLDS, seed=SEED)
    for c in STRENGTHS:
        probs = cross_val_predict(LogisticRegression(C=c, max_iter=5000), x, truth, cv=parts,
                                  method='predict_proba')
        yield Predictions([p.name for p in photos], list(dls.vocab), truth, probs,
                          dict(recipe=f'C = {c:g}') | shared | dict(C=c))


def measured(p):
    """What page 07 shows of some predictions.

    `coverage` and `threshold` are `None` if the error cannot be promised.
    """
    calibrated, temperatures = cross_fit(p.probs, p.truth)
    row = p.metadata | p.summary() | dict(photos=len(p.truth), temperatures=temperatures,
                                          wanted=WANTED, coverage=None, threshold=None)
    for when, probs in (('before', p.probs), ('after', calibrated)):
        row[when] = dict(ece=ece(probs, p.truth), by_chance=ece_by_chance(probs),
                         confidence=float(probs.max(1).mean()),
                         loss=float(log_loss(p.truth, probs, labels=range(len(p.breeds)))))
    try:
        row['threshold'] = threshold_for(calibrated, p.truth, WANTED)
    except ValueError: # nothing can be promised, which is a result too
        return row
    return row | dict(coverage=selective_risk(calibrated, p.truth, row['threshold'])['coverage'])


if __name__ == '__main__':
    s = options_for(arguments(__doc__), size=128)
    write_record(record_name('confidence', s.data),
                 provenance(SEED) | dict(rows=[measured(p) for p in cross_validated(s)]))
