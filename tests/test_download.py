"Two processes at once download once; one that is killed goes on."
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from conftest import ROOT

from pet_breeds.download import _UNLISTED, is_complete

GET = '''
import sys
from pathlib import Path
import pet_breeds.download as d
d.unpack = lambda *args, unpack=d.unpack: (print('unpacking', flush=True), unpack(*args))
url, md5, folder, n = sys.argv[1:]
print(d.get_pets(Path(folder), {'slow': (d.Archive(url, md5),)}, int(n)))
'''
PIECE = 10_000


def archive():
    "In the shape of fastai's copy, with photos that gzip cannot make smaller."
    files = {f'images/{name}': hashlib.shake_128(name.encode()).digest(5000) for name in _UNLISTED}
    with tarfile.open(fileobj=(buffer := io.BytesIO()), mode='w') as tar:
        for name, data in (files | {'annotations/list.txt': b'#'}).items():
            info = tarfile.TarInfo(f'oxford-iiit-pet/{name}')
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue())


class Slow(BaseHTTPRequestHandler):
    def do_GET(self):
        data = self.server.data
        asked = re.match(r'bytes=(\d+)-', self.headers.get('Range', ''))
        start = int(asked[1]) if asked else 0
        self.server.seen.append(start)
        self.send_response(206 if asked else 200)
        self.send_header('Content-Length', len(data) - start)
        if asked: self.send_header('Content-Range', f'bytes {start}-{len(data) - 1}/{len(data)}')
        self.end_headers()
        try:
            for at in range(start, len(data), PIECE):
                self.wfile.write(data[at:at + PIECE])
                time.sleep(.1 if len(self.server.seen) == 1 else 0)
        except ConnectionError:
            pass  # the asking process was killed

    def log_message(self, *args): pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(('127.0.0.1', 0), Slow)
    server.daemon_threads, server.data, server.seen = True, archive(), []
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def start(server, folder):
    url, md5 = f'http://127.0.0.1:{server.server_port}/pets.tgz', hashlib.md5(server.data).hexdigest()
    command = [sys.executable, '-c', GET, url, md5, str(folder), str(len(_UNLISTED))]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_processes_download_once(server, tmp_path):
    two = [start(server, tmp_path / 'pets') for _ in range(2)]
    said = [p.communicate(timeout=60)[0] for p in two]
    assert [p.returncode for p in two] == [0, 0] and server.seen == [0]
    assert ''.join(said).count('unpacking') == 1
    assert [s.splitlines()[-1] for s in said] == [str(tmp_path / 'pets')] * 2
    assert is_complete(tmp_path / 'pets') and len(json.loads((tmp_path / 'pets/.complete').read_text())) == len(_UNLISTED) + 1


def test_a_killed_download_goes_on(server, tmp_path):
    folder, part = tmp_path / 'pets', tmp_path / 'pets-archives/pets.tgz.part'
    killed = start(server, folder)
    while not (part.exists() and part.stat().st_size):
        assert killed.poll() is None
        time.sleep(.01)
    killed.kill()
    killed.communicate(timeout=60)
    kept = part.stat().st_size
    assert not folder.exists() and 0 < kept < len(server.data)
    again = start(server, folder)
    again.communicate(timeout=60)
    assert again.returncode == 0 and server.seen == [0, kept]
    assert is_complete(folder) and not part.exists()
