"Frozen features trained on the official list, judged on the official test photos."
import json
import tempfile
from pathlib import Path

from common import arguments
from pet_breeds.options import TrainOptions
from pet_breeds.records import write_record
from pet_breeds.train import train_model

ARCHS = 'resnet18', 'resnet50'

if __name__ == '__main__':
    data = arguments(__doc__)
    for arch in ARCHS:
        with tempfile.TemporaryDirectory() as tmp:
            train_model(TrainOptions(data=data, arch=arch, frozen=True, split='official'), out := Path(tmp) / arch)
            write_record(f'official-{arch}', json.loads((out / 'model.json').read_text(encoding='utf-8')))
