"Post 06: frozen features and a logistic regression, on the split of the walk."
import os
import tempfile
from pathlib import Path

from common import arguments, record_name
from pet_breeds.options import TrainOptions
from pet_breeds.predictions import read_predictions
from pet_breeds.records import provenance, write_record
from pet_breeds.train import train_model

ARCHS, KEYS = ('resnet18', 'resnet50'), ('seconds', 'feature_seconds', 'C', 'size', 'split', 'precision', 'weights')

if __name__ == '__main__':
    data, rows = arguments(__doc__), []
    for arch in ARCHS:
        with tempfile.TemporaryDirectory() as tmp:
            train_model(TrainOptions(data=data, arch=arch, frozen=True), out := Path(tmp) / arch)
            p = read_predictions(out)
        kept = {k: p.metadata[k] for k in ('arch', 'data', 'photos', *KEYS)}
        rows.append(dict(stage='features', load=round(os.getloadavg()[0], 1)) | kept | p.summary())
    write_record(record_name('features', data), provenance(42) | dict(rows=rows))
