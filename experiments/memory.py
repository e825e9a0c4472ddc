"""Post 08: the network's time on a CPU while freed memory is given back, and while it is kept.

Frozen features of photos that were decoded before; the limit is the network alone, its images
ready. And training steps on ready images.
"""
import numpy as np
import torch
from common import arguments, record_name
from fastai.vision.all import default_device
from pet_breeds.augment import warp_photo
from pet_breeds.bench import interleaved, ratio
from pet_breeds.datasets import get_data
from pet_breeds.features import _compute, pretrained_body
from pet_breeds.learners import best_precision
from pet_breeds.loaders import DecodedPhotos
from pet_breeds.networks import keep_freed_memory
from pet_breeds.options import RECOMMENDED
from pet_breeds.photos import find_photos
from pet_breeds.records import data_name, provenance, write_record

NETWORKS = [dict(arch='tf_efficientnet_lite0', size=224), RECOMMENDED,
            dict(arch='resnet18', size=224)]
PHOTOS, BS, ROUNDS, PRECISION = 512, 64, 3, best_precision('cpu')
half = torch.autocast('cpu', torch.bfloat16, enabled=PRECISION == 'bfloat16')


def features(photos, arch, size):
    "Photos per second of each side, and what keeping the memory gains."
    print('features', arch, flush=True)
    body, decoded = pretrained_body(arch, size), DecodedPhotos(photos, 3 * size // 2)
    ready = np.stack([warp_photo(decoded(p), size=size) for p in photos[:BS]])
    images = torch.from_numpy(ready).permute(0, 3, 1, 2) / 255

    def network():
        with torch.inference_mode(), half:
            return sum(len(body(images[:len(photos) - i])) for i in range(0, len(photos), BS))

    found = compared(lambda: len(_compute(body, photos, size, BS, PRECISION, 'crop')), network)
    rates = found['rates']
    return dict(work='features', arch=arch, size=size, **found,
                limit_fraction=ratio(rates['kept'], rates['limit'])['ratio'])


def training(n, arch, size):
    "Steps of the whole network on random images, as many as photos."
    print('training', arch, flush=True)
    body = pretrained_body(arch, size).train().to(memory_format=torch.channels_last)
    images = torch.rand(min(n, BS), 3, size, size).to(memory_format=torch.channels_last)

    def steps():
        for _ in range(0, n, BS):
            with half: loss = body(images).float().square().mean()
            loss.backward()
        return n

    return dict(work='training', arch=arch, size=size, **compared(steps))


def compared(work, limit=None):
    "Both ways by turns, in one process."
    def side(keep, work):
        def turn():
            keep_freed_memory(keep)
            return work()
        return turn
    sides = {'given back': side(False, work), 'kept': side(True, work)}
    rates = interleaved(sides | ({'limit': side(True, limit)} if limit else {}), ROUNDS)
    return dict(rates=rates, **ratio(rates['kept'], rates['given back']))


if __name__ == '__main__':
    default_device(False) # the CPU, whatever there is
    data = arguments(__doc__)
    photos = find_photos(get_data(data))[0]
    photos = photos[::max(1, len(photos) // PHOTOS)][:PHOTOS]
    rows = [features(photos, **network) for network in NETWORKS]
    rows.append(training(len(photos) // 2, **NETWORKS[-1]))
    write_record(record_name('memory', data), provenance() | dict(
        data=data_name(data), photos=len(photos), bs=BS, precision=PRECISION, rows=rows))
