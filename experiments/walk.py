"The walk itself, its table of stages kept in results/."
import tempfile

from common import arguments, options_for, record_name
from pet_breeds.records import write_record
from pet_breeds.walk import run_walk

if __name__ == '__main__':
    s = options_for(arguments(__doc__))
    with tempfile.TemporaryDirectory() as out:
        write_record(record_name('walk', s.data), run_walk(s, out))
