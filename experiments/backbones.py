"Pretrain the two shipped networks on drawn breeds; some minutes each on two cores."
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import typer
from PIL import ImageOps
from pet_breeds.networks import BACKBONES, WEIGHTS, find_network
from pet_breeds.records import atomic_write, provenance, write_record
from pet_breeds.sample import draw_pet, make_breeds
from safetensors.torch import save


def main(breeds: int=160, images: int=50, epochs: int=16, out: Path|None=None) -> None:
    """Draw IMAGES of each of BREEDS, and train both networks to name the breeds.

    Weights go into the package and the record into results/, or both into OUT.
    """
    x, y = draw_images(breeds, images)
    rows = [pretrain(arch, x, y, epochs, folder=out or WEIGHTS) for arch in BACKBONES.values()]
    write_record('backbones', provenance(seed=0) | dict(rows=rows), out)


def draw_images(
    n_breeds: int, # In groups of four look-alikes
    n_images: int, # Of each breed
    seed: int=1000, # Decides breeds and images; not the sample's, which so has other breeds
    size: int=112, # Side of the squares, pixels
) -> tuple[torch.Tensor, torch.Tensor]: # Images, uint8, (n, 3, size, size); breed numbers, (n,)
    "Draw what the networks learn from."
    names = tuple(('Cat_' if i // 4 % 5 < 2 else 'dog_') + str(i) for i in range(n_breeds))
    images = []
    for b, breed in enumerate(make_breeds(names, seed, group=4, distance=.4, n_changed=3)):
        for i in range(n_images):
            pet = draw_pet(breed, np.random.default_rng([seed, b, i]))
            images.append(np.asarray(ImageOps.fit(pet, (size, size))))
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return x, torch.arange(n_breeds).repeat_interleave(n_images)


def augment(
    x: torch.Tensor, # Images, uint8, (batch, 3, height, width)
    size: int=96, # Side of the crops, pixels
) -> torch.Tensor: # Float, (batch, 3, size, size), channels last
    "Crop a batch at random, mirror each image or not, normalise."
    i, j = torch.randint(0, x.shape[-1] - size + 1, (2,)).tolist()
    x = x[..., i:i + size, j:j + size].float() / 255
    x = torch.where(torch.rand(len(x), 1, 1, 1) < .5, x.flip(-1), x)
    network = find_network('pet_resnet10')
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (network.mean, network.std))
    return ((x - mean) / std).to(memory_format=torch.channels_last)


def pretrain(
    arch: Callable, # `pet_resnet10` or `pet_resnet18`
    x: torch.Tensor, # Images, see `draw_images`
    y: torch.Tensor, # Their breed numbers
    epochs: int, # Passes over the training images
    bs: int=64, # Images in a batch
    seed: int=0, # Seed of training
    folder: Path=WEIGHTS, # Gets `<arch>.safetensors`
) -> dict: # A row of the record
    "Train a network to name drawn breeds and keep its body; a tenth of the images tests it."
    torch.manual_seed(seed)
    started, n_breeds = time.perf_counter(), int(y.max()) + 1
    valid, rows = torch.randperm(len(x)).tensor_split([len(x) // 10])
    net = arch()
    net.reset_classifier(n_breeds)
    net = net.to(memory_format=torch.channels_last)
    for epoch, loss in enumerate(train(net, x, y, rows, epochs, bs)):
        wrong, seconds = count_wrong(net, x[valid], y[valid]), time.perf_counter() - started
        print(f'{arch.__name__} epoch {epoch}: loss {loss:.3f}, error {wrong / len(valid):.1%}, '
              f'{seconds:.0f} s', flush=True)
    write_body(net, folder / f'{arch.__name__}.safetensors')
    return dict(arch=arch.__name__, breeds=n_breeds, images=len(x), epochs=epochs, seed=seed,
                wrong=wrong, total=len(valid), error=wrong / len(valid), seconds=round(seconds, 1))


def train(
    net: torch.nn.Module, # Changed in place
    x: torch.Tensor, # Images
    y: torch.Tensor, # Their breed numbers
    rows: torch.Tensor, # Which of them to train on
    epochs: int, # Passes over them
    bs: int, # Images in a batch
) -> Iterator[float]: # Mean loss of each epoch, nats
    "AdamW and one cycle of the learning rate."
    steps = len(rows) // bs
    opt = torch.optim.AdamW(net.parameters(), weight_decay=.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, 4e-3, epochs * steps)
    for _ in range(epochs):
        net.train()
        batches, losses = rows[torch.randperm(len(rows))].split(bs)[:steps], []
        for i in batches:
            loss = F.cross_entropy(net(augment(x[i])), y[i], label_smoothing=.1)
            loss.backward()
            opt.step(), schedule.step(), opt.zero_grad()
            losses.append(loss.item())
        yield sum(losses) / steps


@torch.no_grad()
def count_wrong(
    net: torch.nn.Module, # Is left in evaluation mode
    x: torch.Tensor, # Images
    y: torch.Tensor, # Their breed numbers
) -> int: # How many get a wrong breed
    "Count errors on augmented images."
    net.eval()
    batches = zip(x.split(100), y.split(100), strict=True)
    return sum(int((net(augment(a)).argmax(1) != b).sum()) for a, b in batches)


def write_body(
    net: torch.nn.Module, # Loses its last layer
    file: Path, # Written whole or not at all
) -> None:
    "Keep a network's body in half precision: numbers only, no code."
    net.reset_classifier(0)
    halves = {k: (v.half() if v.is_floating_point() else v).contiguous()
              for k, v in net.state_dict().items()}
    atomic_write(file, save(halves))


if __name__ == '__main__': typer.run(main)
