"Everything about the package stands in settings.ini; nbdev reads the same file."
import shlex
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

here = Path(__file__).parent
config = ConfigParser(delimiters=['='])
config.read_file((here / 'settings.ini').open(encoding='utf-8'))  # unlike read(), fails if it is missing
c = config['DEFAULT']
extras = {name: shlex.split(c[f'{name}_requirements']) for name in ('walk', 'doctor', 'onnx', 'weights', 'hub', 'log', 'app', 'phone')}

setup(
    name=c['lib_name'],
    version=c['version'],
    description=c['description'],
    long_description=(here / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author=c['author'],
    license='Apache-2.0',
    license_files=['LICENSE'],
    keywords=c['keywords'].split(),
    url=c['git_url'],
    python_requires='>=' + c['min_python'],
    install_requires=shlex.split(c['requirements']),
    extras_require=extras | {'dev': shlex.split(c['dev_requirements']) + sum(extras.values(), [])},
    # By the second, nbdev's pages link names to their pages and to their source.
    entry_points={'console_scripts': c['console_scripts'].split(), 'nbdev': ['pet_breeds = pet_breeds._modidx:d']},
    # The pages and the recorded runs travel with the package, so that `pet_breeds walk` works when installed.
    packages=['pet_breeds', 'pet_breeds.nbs', 'pet_breeds.results'],
    package_dir={'pet_breeds.nbs': 'nbs', 'pet_breeds.results': 'results'},
    package_data={'pet_breeds': ['py.typed', 'ready/*', 'weights/*'], 'pet_breeds.nbs': ['0[0-4]*_*.ipynb'], 'pet_breeds.results': ['*.json']},
)
