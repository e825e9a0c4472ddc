"Post 04: the deeper network in float32 and in 16 bits, everything else equal."
from common import arguments, judged, learner, on_gpu, options_for, record_name
from pet_breeds.records import data_name, run_experiment
from pet_breeds.resnet101_fp16 import mixed_precision

SEEDS = 1, 2, 3

if __name__ == '__main__':
    s = options_for(arguments(__doc__), size=128)
    recipes = 'float32', 'float16' if on_gpu() else 'bfloat16'

    def measure(recipe, seed):
        learn = learner(s, s.deep_arch, seed)
        mixed_precision(learn, recipe)
        found = judged(lambda: learn, lambda learn: learn.fine_tune(s.n_epochs(6),
                                                                    freeze_epochs=s.n_epochs(3)))
        train_loss, valid_loss, _ = learn.recorder.values[-1]
        # a smaller gap would mean less overfitting
        return found | dict(gap=round(valid_loss - train_loss, 4))

    run_experiment(record_name('precision', s.data),
                   dict(data=data_name(s.data), arch=s.deep_arch, size=s.size, bs=s.bs,
                        pipeline='fused'),
                   [dict(recipe=r, seed=seed) for seed in SEEDS for r in recipes], measure)
