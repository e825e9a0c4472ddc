"""A static page that runs the shipped model in the reader's browser, by ONNX Runtime Web.

python demo/build.py FOLDER            build it there; without npm, exit 3 and a page that says so
python demo/build.py FOLDER --serve    and serve it on this computer until Ctrl-C
"""
import gzip
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from pet_breeds.errors import UserError
from pet_breeds.export import export_onnx
from pet_breeds.predict import READY, read_metadata

HERE = Path(__file__).parent
RUNTIME = 'onnxruntime-web', '1.30.0'  # npm package and its version
PAGE = [*(HERE / f'demo.{kind}' for kind in ('css', 'js')), HERE / 'index.html',
        HERE.parent / 'nbs/favicon.png']
LOADED = 'ort.js', 'ort.wasm.gzip', 'model.onnx.gzip'
KEPT = ('breeds', 'size', 'confidence_threshold', 'look_alikes', 'error', 'low', 'high', 'data')


def fetch_runtime(folder):
    "Put the library and its WebAssembly, which the page unpacks itself, into the folder."
    if not (npm := shutil.which('npm')):
        print('the demo needs npm on PATH: install Node.js, then `make demo`', file=sys.stderr)
        sys.exit(3)
    with tempfile.TemporaryDirectory() as tmp:
        package = '@'.join(RUNTIME)
        command = [npm, 'pack', package, '--loglevel=error', '--prefer-offline',
                   '--pack-destination', tmp]
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            print(f'npm could not fetch {package}: it needs a network once', file=sys.stderr)
            sys.exit(4)
        with tarfile.open(next(Path(tmp).glob('*.tgz'))) as tar:
            read = lambda name: tar.extractfile(f'package/dist/{name}').read()
            (folder / 'ort.js').write_bytes(read('ort.wasm.bundle.min.mjs'))
            pack(folder / 'ort.wasm.gzip', read('ort-wasm-simd-threaded.wasm'))


def pack(file, data): file.write_bytes(gzip.compress(data, mtime=0))


def shrink(proto):
    """Keep the weights of convolutions in fewer bits; they are computed with as in float32.

    8 bits with a scale for each channel; 16 in small layers, among them all depthwise ones, which
    are the sensitive ones.
    """
    weights = {i.name: i for i in proto.graph.initializer}
    for conv in [n for n in proto.graph.node if n.op_type == 'Conv']:
        stored, full = weights[name := conv.input[1]], f'{conv.input[1]}_float'
        values = numpy_helper.to_array(stored)
        if values.size < 40_000:
            small, node = values.astype(np.float16), onnx.helper.make_node(
                'Cast', [name], [full], to=onnx.TensorProto.FLOAT)
        else:
            scale = (np.abs(values).max((1, 2, 3)) / 127).clip(1e-12)
            small = np.round(values / scale[:, None, None, None]).astype(np.int8)
            proto.graph.initializer.append(numpy_helper.from_array(scale, f'{name}_scale'))
            node = onnx.helper.make_node(
                'DequantizeLinear', [name, f'{name}_scale'], [full], axis=0)
        stored.CopyFrom(numpy_helper.from_array(small, name))
        proto.graph.node.insert(0, node)
        conv.input[1] = full
    onnx.checker.check_model(proto)


def make_model(folder):
    with tempfile.TemporaryDirectory() as tmp:
        export_onnx(READY, file := Path(tmp) / 'model.onnx')
        shrink(proto := onnx.load(file))
    pack(folder / 'model.onnx.gzip', data := proto.SerializeToString())
    return len(data)


def build(folder):
    "Write the page into a folder, which may be there already."
    folder.mkdir(parents=True, exist_ok=True)
    for file in PAGE: shutil.copy(file, folder)
    fetch_runtime(folder)
    size, metadata = make_model(folder), read_metadata(READY)
    loaded = sum((folder / name).stat().st_size for name in LOADED)
    stated = {k: metadata[k] for k in KEPT if k in metadata} | dict(
        bytes=loaded, runtime=' '.join(RUNTIME))
    (folder / 'demo.json').write_text(json.dumps(stated, allow_nan=False), encoding='utf-8')
    print(f'{folder}: {loaded / 1e6:.1f} MB to load, of which the model has '
          f'{size / 1e6:.1f} MB unpacked', flush=True)


def serve(folder):
    "For this computer only."
    SimpleHTTPRequestHandler.extensions_map |= {'.js': 'text/javascript'} # Windows may say another
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        print(f'open http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)', flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt: pass


if __name__ == '__main__':
    try:
        build(folder := Path(sys.argv[1]))
    except UserError as e: sys.exit(str(e))
    if '--serve' in sys.argv: serve(folder)
