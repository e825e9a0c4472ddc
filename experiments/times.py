"The boxes of the posts: how long the code of each runs on the drawn sample."
import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from pet_breeds.records import provenance, write_record

NBS = Path(__file__).parent.parent / 'nbs'


def seconds(page):
    "From the first cell to the last, in a fresh kernel."
    client = NotebookClient(nbformat.read(page, as_version=4), timeout=None,
                            resources={'metadata': {'path': str(page.parent)}})
    with client.setup_kernel():
        started = time.perf_counter()
        for i, cell in enumerate(client.nb.cells): client.execute_cell(cell, i)
        return round(time.perf_counter() - started, 1)


if __name__ == '__main__':
    os.environ |= dict(PET_BREEDS_DATA='sample', TQDM_DISABLE='1')
    found = {}
    for page in sorted(NBS.glob('0*.ipynb')):
        found[page.stem] = seconds(page)
        print(f'{page.stem}: {found[page.stem]} s', flush=True)
    write_record('times', provenance() | dict(seconds=found))
