"Post 08: loading, training and prediction, stock and ours interleaved in one run."
from common import arguments, record_name
from pet_breeds.bench import run_bench
from pet_breeds.records import write_record

if __name__ == '__main__':
    data = arguments(__doc__)
    write_record(record_name('bench', data), run_bench(data))
