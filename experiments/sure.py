"""Answers called sure: a promise about the walk's validation photos, and breeds that were held out.

By the recommended network, frozen, and a logistic regression.
"""
import numpy as np
from common import arguments, record_name
from pet_breeds.calibrate import (confidence_threshold, cross_fit, ece, ece_by_chance,
                                  knn_ood_score, selective_risk, threshold_for)
from pet_breeds.datasets import get_data, labels_of, split_photos
from pet_breeds.features import fit_head, timed_features
from pet_breeds.options import RECOMMENDED, settings
from pet_breeds.photos import find_photos
from pet_breeds.records import data_name, provenance, write_record
from sklearn.metrics import roc_auc_score

PROMISED, HELD_OUT, DRAWS = .05, 5, 5  # error; breeds that are strangers; choices of them


def promise(x, y, train, valid):
    "How many of the validation photos may be answered with at most so many wrong."
    head = fit_head(x[train], y[train])
    probs, truth = head.predict_proba(x[valid]), np.searchsorted(head.classes_, y[valid])
    try:
        calibrated, temperatures = cross_fit(probs, truth)
    except ValueError:  # too few errors to fit one
        calibrated, temperatures = probs, [1., 1.]
    row = dict(wrong=int((probs.argmax(1) != truth).sum()), total=len(valid), C=head[-1].C,
               temperatures=temperatures, promised=PROMISED, threshold=None)
    for when, p in (('before', probs), ('after', calibrated)):
        row[when] = dict(ece=ece(p, truth), by_chance=ece_by_chance(p))
    try:
        row['threshold'] = threshold_for(calibrated, truth, PROMISED)
    except ValueError:  # nothing can be promised, which is a result too
        return row
    return row | dict(answered=selective_risk(calibrated, truth, row['threshold']))


def strangers(x, y, train, valid, seed):
    "Some breeds are not trained on: are their photos told from those of the others?"
    breeds = np.unique(y)
    n_held = min(HELD_OUT, len(breeds) // 2)
    held = np.random.default_rng(seed).choice(breeds, n_held, replace=False)
    known, strange = ~np.isin(y, held), np.flatnonzero(np.isin(y, held))
    train, valid = (rows[known[rows]] for rows in (train, valid))
    head = fit_head(x[train], y[train])
    probs, theirs = head.predict_proba(x[valid]), head.predict_proba(x[strange]).max(1)
    threshold = confidence_threshold(probs, np.searchsorted(head.classes_, y[valid]), PROMISED)
    is_strange = np.repeat([0, 1], [len(valid), len(strange)])
    distances = knn_ood_score(x[np.concatenate([valid, strange])], x[train])
    return dict(held_out=[*map(str, held)], known=len(valid), strangers=len(strange),
                sure_of_known=float((probs.max(1) >= threshold).mean()),
                sure_of_strangers=float((theirs >= threshold).mean()),
                auc_probability=roc_auc_score(is_strange, -np.append(probs.max(1), theirs)),
                auc_distance=roc_auc_score(is_strange, distances))


if __name__ == '__main__':
    data = arguments(__doc__)
    s = settings({'PET_BREEDS_DATA': str(data)})
    arch, size = (s.arch, s.size) if data == 'sample' else RECOMMENDED.values()
    photos = find_photos(get_data(data))[0]
    labels = labels_of(photos)
    x, how = timed_features(photos, arch, size)
    y, (train, valid) = np.array(labels), map(np.array, split_photos(photos, labels))
    write_record(record_name('sure', data), provenance(42) | how | dict(
        data=data_name(data), arch=arch, size=size, photos=len(photos),
        promise=promise(x, y, train, valid),
        strangers=[strangers(x, y, train, valid, seed) for seed in range(1, DRAWS + 1)]))
