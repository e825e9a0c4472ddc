"""What only a GPU runs, on fake CUDA tensors: they have a device, a type and a shape, and refuse what a GPU would refuse.

Not tried here: the backward pass, one-cycle schedules, deep copies. PyTorch asks for a real GPU, or crashes later.
"""
import json
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import torch.distributed
from fastai.vision.all import IndexSplitter, TensorBase, TensorImage, default_device, noop, set_seed
from pet_breeds import checkpoint, features, train
from pet_breeds.augment import AugmentParams
from pet_breeds.baseline import pet_learner
from pet_breeds.data import breed_name
from pet_breeds.distributed import distributed
from pet_breeds.learners import CudaGraph, FusedAdam
from pet_breeds.loaders import ByteNormalize, DeviceLoader, PhotoLoader, fits_on_gpu, fused_block, keep_on_device, warp_batch
from pet_breeds.predictions import evaluate
from pet_breeds.records import provenance
from pet_breeds.resnet101_fp16 import full_precision, mixed_precision
from pet_breeds.sample import sample_folder
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._pytree import tree_map_only

GPU, HALF, FULL = torch.device('cuda:0'), torch.float16, torch.float32
as_array = torch.Tensor.numpy


class FakeGPU(FakeTensorMode):
    "A fake number is 0 or true; fastai's own tensors count as plain ones."
    avoid_device_init = True

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default: return args[0].dtype == torch.bool or 0.
        args, kwargs = tree_map_only(TensorBase, plain, (args, kwargs or {}))
        return super().__torch_dispatch__(func, [t for t in types if not issubclass(t, TensorBase)], args, kwargs)


def plain(t):
    with unset_fake_temporarily(): return t.as_subclass(torch.Tensor)


def numpy(t, **kwargs):
    "Zeros for a fake tensor, but only on the CPU."
    if not isinstance(t, FakeTensor):
        with unset_fake_temporarily(): return as_array(t, **kwargs)
    if t.device.type != 'cpu': raise TypeError(f"can't convert {t.device} device type tensor to numpy")
    return np.zeros(t.shape, str(t.dtype).removeprefix('torch.'))


@ByteNormalize
def encodes(self, x: FakeTensor):  # fastai chooses by type, and no fake tensor is a `TensorImage`
    return ByteNormalize.encodes.invoke(ByteNormalize, TensorImage)(self, x) if x.ndim == 4 else x  # type: ignore[attr-defined]


def swap(old, new):
    "In place of PyTorch's, which refuses fake weights; real ones it replaces by fake ones on their way to the GPU."
    assert old.device == new.device == GPU


def real(make, *args, **kwargs):
    "A module with real weights."
    with unset_fake_temporarily(): return make(*args, **kwargs)


@pytest.fixture
def cuda(monkeypatch):
    "What a machine with a GPU says of it. Gives the tensors that were pinned."
    state, pinned = torch.full((16,), 7, dtype=torch.uint8), []
    facts = dict(is_available=True, is_bf16_supported=True, current_device=0, device_count=1, get_device_name='Fake H100', mem_get_info=(2**36, 2**36),
                 get_rng_state=state, get_rng_state_all=[state])
    for name, fact in facts.items(): monkeypatch.setattr(torch.cuda, name, Mock(return_value=fact))
    for owner, name in ((torch.cuda, 'set_rng_state_all'), (torch.cuda, 'set_rng_state'), (torch, 'set_rng_state')): monkeypatch.setattr(owner, name, Mock())

    def pin_memory(t):
        if t.device.type != 'cpu': raise RuntimeError(f'cannot pin {t.device}')
        pinned.append(t)
        return t.clone()
    monkeypatch.setattr(FakeTensor, 'pin_memory', pin_memory, raising=False)
    monkeypatch.setattr(FakeTensor, 'as_subclass', lambda t, cls: t, raising=False)
    monkeypatch.setattr(torch.Tensor, 'numpy', numpy)
    monkeypatch.setattr(torch.utils, 'swap_tensors', swap)
    with FakeGPU(allow_non_fake_inputs=True): yield pinned


@pytest.fixture
def photos():
    "Three of each of eight breeds."
    return [p for i in (11, 12, 13) for p in sorted((sample_folder() / 'images').glob(f'*_{i}.jpg'))[:8]]


@pytest.fixture
def dls(cuda, photos):
    "16 photos to train on, 8 to validate; in batches of 8."
    return fused_block(32, breed_name, IndexSplitter(range(16, 24))).dataloaders(photos, bs=8, num_workers=0)


@pytest.fixture
def learn(dls, monkeypatch):
    "A learner whose gradients are zeros: to compute them PyTorch asks for a real GPU."
    learn = real(pet_learner, dls, 'pet_resnet10', pretrained=False)
    learn.model.to('cuda')
    learn.opt, learn.logger = None, noop

    def backward(loss):
        assert loss.device == GPU
        for p in learn.model.parameters(): p.grad = torch.zeros_like(p)
    monkeypatch.setattr(torch.Tensor, 'backward', backward)
    return learn


def types_inside(learn, run):
    "Type and device of what the body gives while `run()` lasts."
    seen = set()
    hook = learn.model[0].register_forward_hook(lambda net, x, out: seen.add((out.dtype, out.device)))
    run()
    hook.remove()
    return seen


def as_batch(x, y): return x.device, x.dtype, tuple(x.shape), y.device, tuple(y.shape)


BATCH = GPU, FULL, (8, 3, 32, 32), GPU, (8,)


def test_fake_tensors_refuse_what_a_gpu_refuses(cuda):
    on_gpu, on_cpu = torch.zeros(2, 3, device='cuda'), torch.zeros(2, 3)
    for wrong in (lambda: on_gpu + on_cpu, lambda: on_gpu.numpy(), lambda: on_gpu.pin_memory(), lambda: on_cpu.gather(1, on_gpu.long())):
        with pytest.raises((RuntimeError, TypeError)): wrong()


def test_a_batch_is_warped_where_it_is(cuda):
    images = torch.zeros(2, 3, 90, 90, dtype=torch.uint8, device='cuda')
    warped = warp_batch(images, [(90, 120), (150, 100)], [AugmentParams(), AugmentParams(crop=(.2, .4))], 32)
    assert (warped.device, warped.dtype, tuple(warped.shape)) == (GPU, torch.uint8, (2, 3, 32, 32))


def test_photos_are_pinned_on_their_way(dls, cuda):
    assert dls.train.ahead == 2 and type(dls.train) is PhotoLoader
    assert [as_batch(*b) for b in dls.train] == [BATCH] * 2 and len(cuda) == 2 * 2  # images and breeds


def test_photos_stay_on_the_gpu(dls, cuda, photos):
    assert fits_on_gpu(dls)
    torch.cuda.mem_get_info.return_value = 1000, 2**36
    assert not fits_on_gpu(dls)
    keep_on_device(dls)
    assert all(type(dl) is DeviceLoader and dl.kept.device == GPU and dl.kept.dtype == torch.uint8 for dl in dls.loaders)
    assert [as_batch(*b) for dl in dls.loaders for b in dl] == [BATCH] * 3 and not cuda
    others = dls.test_dl(photos[:8], with_labels=True)
    assert type(others) is PhotoLoader and [as_batch(*b) for b in others] == [BATCH] and len(cuda) == 2


def test_training_in_16_bits(learn, monkeypatch):
    recorded: list = []

    def record(net, samples, allow_unused_input):
        recorded.append((*as_batch(*samples, samples[0])[:3], net.training, torch.get_autocast_dtype('cuda'), torch.is_autocast_cache_enabled()))
        return net
    monkeypatch.setattr(torch.cuda, 'make_graphed_callables', record)
    keep_on_device(learn.dls)
    precision, why = train.speed_up(learn)
    assert (precision, 'loss scaling on Fake H100' in why) == ('float16', True)
    assert types_inside(learn, lambda: learn.fit(1)) == {(HALF, GPU)}
    assert recorded == [(*BATCH[:3], True, HALF, False)]  # once, by weights that are cast anew for each batch
    assert learn.get_preds()[0].dtype == FULL  # what comes out in any case
    full_precision(learn)
    assert types_inside(learn, lambda: learn.fit(1)) == {(FULL, GPU)}
    assert evaluate(learn).probs.shape == (8, len(learn.dls.vocab))


@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
def test_training_in_other_types(learn, precision):
    mixed_precision(learn, precision)
    assert types_inside(learn, lambda: learn.fit(1)) == {(getattr(torch, precision), GPU)}
    assert not hasattr(learn, 'scaler') and evaluate(learn).probs.dtype == np.float32


def test_a_probe_gets_its_head_there(learn, monkeypatch):
    "A real head: fake features cannot be fitted."
    rng, width = np.random.default_rng(0), 0

    def fit_head(x, y, folds):
        nonlocal width
        assert x.dtype == np.float32 and len(x) == len(y) == 16
        width, n = x.shape[1], len(learn.dls.vocab)
        return features._head().fit(rng.normal(size=(2 * n, width)), [*range(n)] * 2)
    monkeypatch.setattr(train, 'fit_head', fit_head)
    monkeypatch.setattr(train, 'as_layer', partial(real, features.as_layer))
    mixed_precision(learn)
    train.linear_probe(learn)
    assert learn.model[1][-1].weight.device == GPU and learn.model[1][-1].in_features == width
    assert evaluate(learn).probs.shape == (8, len(learn.dls.vocab))


def test_a_training_goes_on_with_its_loss_scale_and_random_states(learn, monkeypatch, tmp_path):
    kept = {}

    def save(tensors, metadata):
        assert {t.device.type for t in tensors.values()} == {'cpu'}
        kept.update(header=json.loads(metadata['pet_breeds']), tensors=tensors)
        return b'kept'
    monkeypatch.setattr(checkpoint, 'save', save)
    monkeypatch.setattr(checkpoint, 'read_checkpoint', lambda file: tuple(kept.values()))
    mixed_precision(learn)
    learn.fit(1, cbs=checkpoint.Checkpoint(tmp_path / 'kept', {}))
    assert kept['header']['scaler']['growth_interval'] == 2000 and kept['header']['random']['torch_cuda_state'] == [7] * 16
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    scaled, load = [], torch.amp.GradScaler.load_state_dict
    monkeypatch.setattr(torch.amp.GradScaler, 'load_state_dict', lambda self, state: [scaled.append(state), load(self, state)])
    learn.fit(2, cbs=checkpoint.Checkpoint(tmp_path / 'kept', {}))
    assert scaled == [kept['header']['scaler']] and kept['header']['epoch'] == 1
    assert {v.device for state in learn.opt.state.values() for v in state.values() if torch.is_tensor(v)} == {GPU}
    (states,), _ = torch.cuda.set_rng_state_all.call_args
    assert [(s.device.type, s.dtype) for s in states] == [('cpu', torch.uint8)] * 2  # as `torch.cuda` wants them


def test_features_and_maps_are_computed_there(learn, photos):
    body = torch.nn.Sequential(real(torch.nn.Conv2d, 3, 7, 32), torch.nn.Flatten())
    seen = []
    body.register_forward_hook(lambda net, x, out: seen.append((out.device, out.dtype)))
    for precision, dtype in (('float32', FULL), ('bfloat16', torch.bfloat16)):
        x = features._compute(body, photos, 32, 8, precision, 'crop')
        assert (x.shape, x.dtype, set(seen)) == ((24, 7), np.float32, {(GPU, dtype)})
        seen.clear()
    assert features._precision('auto') == 'float32'
    assert features.embed(learn, learn.dls.valid).shape[0] == 8


def test_processes_on_gpus_talk_by_nccl(dls, monkeypatch):
    begin, learn = Mock(), SimpleNamespace(dls=dls, added_cbs=lambda cb: nullcontext())
    monkeypatch.setenv('WORLD_SIZE', '2')
    monkeypatch.setattr(torch.distributed, 'init_process_group', begin)
    monkeypatch.setattr(torch.distributed, 'destroy_process_group', Mock())
    with distributed(learn): begin.assert_called_once_with('nccl')


def test_a_record_names_the_gpu(cuda): assert provenance()['hardware'].endswith(', Fake H100')


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a real GPU')
@pytest.mark.parametrize('precision', ['float32', 'float16', 'bfloat16'])
def test_a_replayed_batch_is_the_same(photos, precision):
    "Losses, without dropout; each batch is followed by a step, so a graph that missed it would be seen."
    def losses(callbacks):
        set_seed(1, reproducible=True)
        dls = fused_block(64, breed_name, IndexSplitter(range(16, 24))).dataloaders(photos, bs=8, num_workers=0, device=default_device())
        learn = pet_learner(dls, 'pet_resnet10', opt_func=FusedAdam, ps=0)
        learn.logger = noop
        mixed_precision(learn, precision)
        learn.fine_tune(8, cbs=callbacks)
        return np.array(learn.recorder.losses), learn.validate()[0]
    (usual, valid), (replayed, valid_too) = losses([]), losses([CudaGraph()])
    np.testing.assert_allclose([*replayed, valid_too], [*usual, valid], rtol=1e-5 if precision == 'float32' else .05)
