"""The model that comes with the package: a head fitted to all photos of --data, judged out of fold.

Writes the folder pet_breeds/ready: numbers and text, neither photos nor the network's weights.
`--others` is a folder of pictures without a cat or a dog; without it what was measured is kept.
"""
import json
import time

import numpy as np
from common import parser
from pet_breeds.calibrate import apply_temperature, selective_risk, threshold_for
from pet_breeds.datasets import get_data, labels_of, split_photos
from pet_breeds.features import (as_layer, fit_head, frozen_features, out_of_fold, timed_features)
from pet_breeds.networks import load_lite
from pet_breeds.options import RECOMMENDED
from pet_breeds.photos import find_photos
from pet_breeds.predict import PETS, READY, model_card, write_head
from pet_breeds.predictions import Predictions
from pet_breeds.records import atomic_write, provenance

DATA = 'Oxford-IIIT Pet ({:,} photos of 256 pixels, squashed to squares)'
PROMISED = .03  # wrong among the answers called sure, at most, with 95 % confidence
REFUSED = .01  # of the pets are taken for none, to refuse what is none
HELD_OUT, DRAWS = 5, 5  # breeds that are strangers; choices of them
LICENCE = '''
## Licences

The head is fitted to photos of the Oxford-IIIT Pet set (O. M. Parkhi, A. Vedaldi, A. Zisserman,
C. V. Jawahar, "Cats and Dogs", CVPR 2012; CC BY-SA 4.0; copyright of each photo is its
photographer's); no photo is part of it. The network's weights are Google's (Apache-2.0) and come
with `pip install "pet_breeds[weights]"`.
'''


def predictions(photos, x, how):
    "A head fitted to all photos, and what heads say that were fitted without the photo."
    labels, started = labels_of(photos), time.perf_counter()
    probs, breeds = out_of_fold(x, labels)
    head = fit_head(x, labels)
    truth = np.array([breeds.index(label) for label in labels])
    # resize: see the record `resize`
    facts = RECOMMENDED | dict(photos=len(photos), C=head[-1].C, resize='crop',
                               schedule='frozen features, logistic regression; judged out of fold',
                               seconds=round(time.perf_counter() - started, 1))
    facts = provenance(42) | how | facts
    found = Predictions([p.name for p in photos], breeds, truth, probs, facts)
    found.metadata |= found.summary()
    return as_layer(head), found


def promise(found):
    "From which probability on an answer is called sure, and how many are."
    probs = apply_temperature(found.probs, found.metadata['temperature'])
    threshold = threshold_for(probs, found.truth, PROMISED)
    counts = selective_risk(probs, found.truth, threshold)
    return dict(confidence_threshold=threshold, promise=dict(counts, promised=PROMISED))


def pet_probability(x):
    "Of features, what the network's own last layer says: the classes of cats and dogs together."
    last = load_lite(RECOMMENDED['arch']).classifier
    scores = x @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    p = np.exp(scores - scores.max(1, keepdims=True))
    return p[:, PETS].sum(1) / p.sum(1)


def strangers_sure(photos, x, threshold, temperature):
    "Breeds are held out: for each choice, the part of their photos that gets a sure answer."
    y, sure = np.array(labels_of(photos)), []
    train = np.array(split_photos(photos, list(y))[0])
    for seed in range(1, DRAWS + 1):
        held = np.random.default_rng(seed).choice(np.unique(y), HELD_OUT, replace=False)
        known = train[~np.isin(y[train], held)]
        head = fit_head(x[known], y[known])
        theirs = apply_temperature(head.predict_proba(x[np.isin(y, held)]), temperature)
        sure.append(float((theirs.max(1) >= threshold).mean()))
    return dict(strangers_sure=float(np.mean(sure)), strangers_least=min(sure),
                strangers_most=max(sure))


def gate(photos, x, others):
    "Below which probability of a cat or a dog a picture is refused, and what that refuses."
    pets = pet_probability(x)
    threshold = float(np.quantile(pets, REFUSED))
    none = pet_probability(frozen_features(others, **RECOMMENDED))
    passed = [p.name for p, v in zip(others, none, strict=True) if v >= threshold]
    return dict(pet_threshold=threshold, gate=dict(
        pets=len(pets), pets_refused=int((pets < threshold).sum()), others=len(none),
        others_refused=int((none < threshold).sum()), others_passed=passed,
        others_names=[p.name for p in others]))


def main(data, others):
    photos = find_photos(get_data(data))[0]
    x, how = timed_features(photos, **RECOMMENDED)
    head, found = predictions(photos, x, how)
    old = json.loads((READY / 'model.json').read_text()) if not others else {}
    READY.mkdir(exist_ok=True)
    write_head(head, found, READY)
    found.metadata |= dict(data=DATA.format(len(photos))) | promise(found)
    found.metadata |= (gate(photos, x, find_photos(others)[0]) if others
                       else {k: old[k] for k in ('pet_threshold', 'gate')})
    how_sure = (found.metadata[k] for k in ('confidence_threshold', 'temperature'))
    found.metadata['gate'] |= strangers_sure(photos, x, *how_sure)
    atomic_write(READY / 'README.md', model_card(found.metadata) + LICENCE)
    atomic_write(READY / 'model.json', json.dumps(found.metadata, indent=1, allow_nan=False) + '\n')


if __name__ == '__main__':
    ask = parser(__doc__)
    ask.add_argument('--others', help='a folder of pictures without a cat or a dog')
    given = ask.parse_args()
    if given.data == 'sample': # whose head would replace the shipped one
        ask.error('name real photos: --data FOLDER')
    main(given.data, given.others)
