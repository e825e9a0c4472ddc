"Post 09: how soon a new process answers, by a model folder, an ONNX file, and the shipped model."
import subprocess
import sys
import tempfile
from pathlib import Path

from common import arguments, record_name
from pet_breeds.baseline import pet_learner
from pet_breeds.bench import bench_photos, interleaved, ratio
from pet_breeds.datasets import data_loaders
from pet_breeds.export import export_onnx
from pet_breeds.predict import NO_PET, write_model
from pet_breeds.predictions import evaluate, write_predictions
from pet_breeds.records import data_name, provenance, write_record

ARCH, SIZE, ROUNDS = 'resnet18', 224, 9
BARE = f'''import torch, torchvision
net = torchvision.models.get_model({ARCH!r}).eval()
with torch.inference_mode(): net(torch.zeros(1, 3, {SIZE}, {SIZE}))'''
PYTHON = '''import sys
from pet_breeds.{module} import {load}
from pet_breeds.predict import predict
print(next(predict({load}(sys.argv[1]), [sys.argv[2]])))'''
COMMAND = 'import sys; from pet_breeds.cli import app; app(["predict", *sys.argv[1:]])'
# Each is run with a model and a photo, and compared with the first, the least that torch takes
SIDES = {
    'torch and torchvision, one pass': BARE,
    'model folder, Python': PYTHON.format(module='predict', load='load_model'),
    'ONNX file, Python': PYTHON.format(module='export', load='OnnxModel'),
    'model folder, command': COMMAND, 'ONNX file, command': COMMAND,
    'shipped model, command': COMMAND}


def write_models(data, folder):
    "A model with random weights, which answers as fast as any, as a folder and as an ONNX file."
    learn = pet_learner(data_loaders(data, SIZE, 32, fused=True), ARCH, pretrained=False)
    predictions = evaluate(learn, seed=0, arch=ARCH, size=SIZE, data=data_name(data))
    (model := folder / 'model').mkdir()
    write_model(learn, predictions, model)
    write_predictions(predictions, model)
    export_onnx(model, file := folder / 'model.onnx')
    return model, file


def _answered(command):
    "One answer; that a drawn pet is none is an answer, too."
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and NO_PET not in done.stderr: raise RuntimeError(done.stderr)
    return 1


def start_up(data):
    "Seconds of each side in each round, and how many times those of the first side."
    with bench_photos(data, 1) as (photo,), tempfile.TemporaryDirectory() as tmp:
        folder, file = write_models(data, Path(tmp))

        def side(name):
            model = {'ONNX': [file], 'ship': []}.get(name[:4], [folder])
            command = [sys.executable, '-W', 'ignore', '-c', SIDES[name], *model, photo]
            return lambda: _answered(command)

        rates = interleaved({name: side(name) for name in SIDES}, ROUNDS) # one answer a turn
    bare, *_ = rates.values()
    seconds = {k: [round(1 / x, 2) for x in v] for k, v in rates.items()}
    ratios = {k: ratio(bare, v) for k, v in rates.items()}
    return provenance() | dict(arch=ARCH, size=SIZE, seconds=seconds, ratios=ratios)


if __name__ == '__main__':
    data = arguments(__doc__)
    write_record(record_name('start-up', data), start_up(data))
