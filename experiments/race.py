"Post 08: recipes raced to the error that stock fastai ends with."
from common import arguments, judged, keep_photos, learner, options_for, record_name
from pet_breeds.networks import keep_freed_memory
from pet_breeds.records import data_name, run_experiment
from pet_breeds.train import linear_probe, speed_up

SEEDS = 1, 2, 3
# How each is trained; all but `stock` with fused augmentation and the machine's precision
RECIPES = {
    'stock': lambda learn: learn.fine_tune(3),
    'same epochs, fast': lambda learn: learn.fine_tune(3),
    'head alone, fast': lambda learn: learn.fit_one_cycle(2, 2e-3),
    'probe': lambda learn: linear_probe(learn),
    'probe, then tune': lambda learn: linear_probe(learn, 3)}

if __name__ == '__main__':
    s = options_for(arguments(__doc__))

    def measure(recipe, seed):
        keep_freed_memory(False) # until `speed_up`

        def make():
            learn = learner(s, s.arch, seed, fused=recipe != 'stock')
            if recipe != 'stock':
                speed_up(learn)
                keep_photos(learn.dls)
            return learn
        return judged(make, RECIPES[recipe])

    run_experiment(record_name('race', s.data),
                   dict(data=data_name(s.data), arch=s.arch, size=s.size, bs=s.bs,
                        counted='loaders and network, too'),
                   [dict(recipe=r, seed=seed) for seed in SEEDS for r in RECIPES], measure)
