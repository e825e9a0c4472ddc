"Post 02: what the learning-rate finder sees before the first epoch, and what its rules suggest."
from common import arguments, learner, options_for, record_name
from pet_breeds.lr_find import find_lr, suggestions
from pet_breeds.records import data_name, provenance, write_record
from pet_breeds.resnet101_fp16 import mixed_precision

if __name__ == '__main__':
    s = options_for(arguments(__doc__))
    learn = learner(s, s.arch, s.seed)
    mixed_precision(learn, 'bfloat16')
    curve = find_lr(learn)
    found = dict(data=data_name(s.data), arch=s.arch, size=s.size, bs=s.bs,
                 lrs=[float(f'{v:.4g}') for v in curve.lrs],
                 losses=[float(f'{v:.4g}') for v in curve.losses], suggestions=suggestions(curve))
    write_record(record_name('finder', s.data), provenance(s.seed) | found)
