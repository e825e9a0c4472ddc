"Post 03: a rate for each depth against one rate for all layers, the same epochs."
from common import arguments, judged, learner, options_for, record_name
from pet_breeds.records import data_name, run_experiment

SEEDS = 1, 2, 3
RECIPES = {'rates by depth': slice(1e-6, 1e-4), 'one rate': 1e-4}

if __name__ == '__main__':
    s = options_for(arguments(__doc__))

    def measure(recipe, seed):
        def fit(learn):
            learn.fit_one_cycle(s.n_epochs(3), 3e-3) # the same for both
            learn.unfreeze()
            learn.fit_one_cycle(s.n_epochs(6), lr_max=RECIPES[recipe])
        return judged(lambda: learner(s, s.arch, seed), fit)

    run_experiment(record_name('rates', s.data),
                   dict(data=data_name(s.data), arch=s.arch, size=s.size, bs=s.bs,
                        pipeline='fused'),
                   [dict(recipe=r, seed=seed) for seed in SEEDS for r in RECIPES], measure)
