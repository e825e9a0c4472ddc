"""The model that comes with the package: a head fitted to all photos of --data, judged out of fold.

Writes the folder pet_breeds/ready: numbers and text, neither photos nor the network's weights.
"""
import json
import time

import numpy as np
from common import arguments
from pet_breeds.datasets import get_data, labels_of
from pet_breeds.features import as_layer, fit_head, out_of_fold, timed_features
from pet_breeds.options import RECOMMENDED
from pet_breeds.photos import find_photos
from pet_breeds.predict import READY, write_head
from pet_breeds.predictions import Predictions
from pet_breeds.records import atomic_write, provenance

DATA = 'Oxford-IIIT Pet (6,650 photos of 256 pixels, squashed to squares)'
LICENCE = '''
## Licences

The head is fitted to photos of the Oxford-IIIT Pet set (O. M. Parkhi, A. Vedaldi, A. Zisserman,
C. V. Jawahar, "Cats and Dogs", CVPR 2012; CC BY-SA 4.0; copyright of each photo is its
photographer's); no photo is part of it. The network's weights are Google's (Apache-2.0) and come
with `pip install "pet_breeds[weights]"`.
'''


def predictions(photos):
    "A head fitted to all photos, and what heads say that were fitted without the photo."
    labels, started = labels_of(photos), time.perf_counter()
    x, how = timed_features(photos, **RECOMMENDED)
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


if __name__ == '__main__':
    data = arguments(__doc__)
    head, found = predictions(find_photos(get_data(data))[0])
    found.metadata['data'] = DATA
    READY.mkdir(exist_ok=True)
    write_head(head, found, READY)
    atomic_write(READY / 'README.md', (READY / 'README.md').read_text(encoding='utf-8') + LICENCE)
    atomic_write(READY / 'model.json', json.dumps(found.metadata, indent=1, allow_nan=False) + '\n')
