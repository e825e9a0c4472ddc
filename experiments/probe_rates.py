"Post 06: how large the rates may be after a linear probe, when there are few photos."
from common import (NoValidation, arguments, judged, keep_photos, learner, options_for,
                    record_name)
from pet_breeds.records import data_name, run_experiment
from pet_breeds.train import linear_probe, speed_up

SEEDS = 1, 2, 3
RATES = {  # Of the first layers, and of the head
    'solved head': None,
    'a hundredth': slice(1e-6, 1e-5),
    'a tenth': slice(1e-5, 1e-4),
    'the rates for many photos': slice(1e-4, 1e-3)}

if __name__ == '__main__':
    s = options_for(arguments(__doc__), size=128)
    epochs = s.n_epochs(3)

    def measure(recipe, seed):
        def make():
            learn = learner(s, s.arch, seed)
            speed_up(learn)
            keep_photos(learn.dls)
            learn.add_cb(NoValidation())
            return learn
        rates = RATES[recipe]
        return judged(make, lambda learn: linear_probe(learn, epochs if rates else 0, rates))

    run_experiment(record_name('probe-rates', s.data),
                   dict(data=data_name(s.data), arch=s.arch, size=s.size, bs=s.bs, epochs=epochs),
                   [dict(recipe=r, seed=seed) for seed in SEEDS for r in RATES], measure)
