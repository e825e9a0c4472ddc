"How hard the sample is: walks on samples of other seeds than the shipped one."
import tempfile
from dataclasses import replace
from pathlib import Path

from pet_breeds.options import settings
from pet_breeds.records import write_record
from pet_breeds.sample import make_sample
from pet_breeds.walk import run_walk

SEEDS = 1, 2, 3

if __name__ == '__main__':
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as tmp:
            folder = Path(tmp) / f'sample-{seed}'
            make_sample(folder, seed)
            s = replace(settings({}), data=str(folder), seed=seed)
            write_record(f'difficulty-{seed}', run_walk(s, Path(tmp) / 'walk'))
