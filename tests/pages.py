"Execute notebooks in place on the sample, each in a fresh kernel, and clean them: where stored outputs come from."
import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NBS = Path(__file__).parent.parent / 'nbs'
for k in [k for k in os.environ if k.startswith('PET_BREEDS_')]: del os.environ[k]  # the sample, as planned
for page in [NBS / f'{n}.ipynb' for n in sys.argv[1:]] or sorted(NBS.glob('*.ipynb')):
    print(page.stem, flush=True)
    nb = nbformat.read(page, as_version=4)
    NotebookClient(nb, timeout=None, kernel_name='python3', resources={'metadata': {'path': str(NBS)}}).execute()
    nbformat.write(nb, page)
    subprocess.run([sys.executable, '-c', 'from nbdev.clean import nbdev_clean; nbdev_clean()', '--fname', page], check=True)
