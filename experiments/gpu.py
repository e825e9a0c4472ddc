"""What one GPU does: the walk's recipes at full size, loading, training; kept part by part.

Photos are repeated to the number of the whole set, so a few small ones do. Weights are random:
they train as fast as others. Two processes share the card by gloo: NCCL refuses two on one.
"""
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial

import torch
import torch.distributed as dist
from common import arguments, on_gpu, record_name
from fastai.callback.channelslast import ChannelsLast
from fastai.vision.all import Adam, noop, set_seed
from pet_breeds.baseline import pet_learner
from pet_breeds.bench import _train_epoch, bench_photos, interleaved
from pet_breeds.data import breed_name
from pet_breeds.distributed import _Share
from pet_breeds.learners import CudaGraph, FusedAdam
from pet_breeds.loaders import fused_block, keep_on_device
from pet_breeds.records import data_name, provenance, write_record
from pet_breeds.resnet101_fp16 import mixed_precision
from torch.profiler import ProfilerActivity, profile


@dataclass(frozen=True)
class Extent:
    size: int = 224
    bs: int = 64
    train: int = 5912  # photos of the walk's recipes; `valid` of them are judged
    valid: int = 1478
    some: int = 1024  # photos of an epoch whose rate is measured
    archs: tuple[str, str] = 'resnet34', 'resnet101'
    precisions: tuple[str, ...] = 'float32', 'float16', 'bfloat16'


def loaders(photos, n, x, on_device=True):
    block = fused_block(x.size, breed_name, lambda items: (range(n), range(min(n, x.valid))))
    dls = block.dataloaders(photos[:n], bs=x.bs, num_workers=0)
    if on_device: keep_on_device(dls)
    return dls


def learner(dls, arch, precision, channels_last=True, compiled=False, opt_func=FusedAdam,
            graph=True):
    set_seed(0, reproducible=True)
    learn = pet_learner(dls, arch, pretrained=False, opt_func=opt_func)
    learn.logger = noop
    mixed_precision(learn, precision)
    if not channels_last: learn.remove_cb(ChannelsLast)
    if compiled: learn.model.compile()
    elif graph: learn.add_cb(CudaGraph())
    return learn


def done(photos):
    "The same number, once the GPU has done what it was told."
    if torch.cuda.is_available(): torch.cuda.synchronize()
    return photos


def load_rates(photos, x):
    "Photos/s of augmentation by threads, and on the device; without a network."
    sides = {k: loaders(photos, x.some, x, k == 'device').train for k in ('threads', 'device')}
    return interleaved({k: lambda dl=dl: done(sum(len(y) for _, y in dl))
                        for k, dl in sides.items()})


def train_rates(learners):
    "Photos/s of two epochs, after one to warm up; the whole network is trained."
    for learn in learners.values(): learn.unfreeze()
    return interleaved({k: lambda v=v: done(_train_epoch(v, v.dls.train.bs))
                        for k, v in learners.items()}, 2)


def train_rate(learn): return train_rates(dict(rate=learn))['rate']


def by_step(dls, arch, precision):
    "By turns: fastai's Adam, the fused one, and this with a graph of each batch."
    make = partial(learner, dls, arch, precision)
    return train_rates(dict(Adam=make(opt_func=Adam, graph=False), FusedAdam=make(graph=False),
                            CudaGraph=make()))


def busy(learn):
    "Milliseconds that a batch takes, and for how many of them the GPU computes."
    learn.unfreeze()
    epoch, n = partial(_train_epoch, learn, learn.dls.train.bs), len(learn.dls.train)
    done(epoch())
    started = time.perf_counter()
    done(epoch())
    seconds = time.perf_counter() - started
    with profile(activities=[ProfilerActivity.CUDA]) as kernels: done(epoch())
    computing = sum(e.self_device_time_total for e in kernels.key_averages()) # microseconds
    return dict(batch_ms=round(1000 * seconds / n, 1), computing_ms=round(computing / 1000 / n, 1))


def shared_rate(learn):
    "In each of two processes; photos/s of both together."
    dist.init_process_group('gloo')
    with learn.added_cbs(_Share()): rate = train_rate(learn)
    if dist.get_rank() == 0: print(json.dumps(rate))
    dist.destroy_process_group()


def two_processes(data):
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2',
               '--standalone', __file__, '--data', data]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def walk(learn, **tune):
    "Seconds, and the peak of the GPU's memory, the photos counted."
    torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    learn.fine_tune(**tune)
    done(0)
    return dict(seconds=round(time.perf_counter() - started, 1),
                peak_mb=torch.cuda.max_memory_allocated() >> 20)


def parts(data, photos, x):
    "Name and work of each measurement."
    full, (small, deep), half = loaders(photos, x.train, x), x.archs, x.precisions[1]
    yield 'baseline', lambda: walk(learner(full, small, 'float32'), epochs=3)
    yield 'deep', lambda: walk(learner(full, deep, half), epochs=6, freeze_epochs=3)
    yield 'load', lambda: load_rates(photos, x)
    some = loaders(photos, x.some, x)
    cases = [(small, p, last, False) for p in x.precisions for last in (False, True)]
    cases += [(deep, p, True, False) for p in x.precisions] + [(small, half, True, True)]
    for case in cases:
        arch, precision, *how = case
        said = [s for s, yes in zip(('channels last', 'compiled'), how, strict=True) if yes]
        yield ', '.join([arch, precision, *said]), lambda c=case: train_rate(learner(some, *c))
    for arch in x.archs:
        yield f'{arch}, {half}, channels last, by step', partial(by_step, some, arch, half)
    for arch, p in ((small, x.precisions[0]), (deep, half)):
        yield (f'{arch}, {p}, channels last, busy',
               lambda c=(arch, p): busy(learner(some, *c, graph=False)))
    yield f'{small}, {half}, channels last, two processes', partial(two_processes, data)


def measure(data, x, name):
    "Keep each part as soon as it is done; one that fails costs no other."
    with bench_photos(data, x.train) as photos:
        if 'LOCAL_RANK' in os.environ: # started by `two_processes`
            shared_rate(learner(loaders(photos, x.some, x), x.archs[0], x.precisions[1]))
            return
        record = provenance() | dict(data=data_name(data), different=len(set(photos)),
                                     weights='random') | asdict(x)
        for part, work in parts(data, photos, x):
            try:
                record[part] = work()
            except Exception as e: record[part] = f'{type(e).__name__}: {e}'[:500]
            print(f'{part}: {record[part]}', flush=True)
            write_record(name, record)


if __name__ == '__main__':
    data = arguments(__doc__)
    if not on_gpu():
        print('no GPU here: this script needs one', file=sys.stderr)
        sys.exit(3)
    measure(data, Extent(), record_name('gpu', data))
