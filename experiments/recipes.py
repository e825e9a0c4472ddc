"Options of training, each against a training without it."
from common import arguments, options_for, record_name
from pet_breeds.options import TrainOptions
from pet_breeds.predictions import read_predictions
from pet_breeds.records import cache_folder, data_name, run_experiment
from pet_breeds.train import train_model

SEEDS = 1, 2, 3 # the sample's record has five
RECIPES = {'plain': {}, 'mixup': dict(mixup=.4), 'label smoothing': dict(label_smoothing=.1),
           # these are the networks of `plain`, judged by five views of each photo
           'several views': dict(tta=True)}

if __name__ == '__main__':
    s = options_for(arguments(__doc__), size=128)
    name = record_name('recipes', s.data)

    def measure(recipe, seed):
        out = cache_folder() / name / f'{recipe}-{seed}'.replace(' ', '-')
        if not out.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            train_model(TrainOptions(data=s.data, arch=s.arch, size=s.size, bs=s.bs, seed=seed,
                                     **RECIPES[recipe]), out)
        p = read_predictions(out)
        return dict(wrong=dict(zip(p.photos, p.wrong, strict=True)), seconds=p.metadata['seconds'])

    run_experiment(name, dict(data=data_name(s.data), arch=s.arch, size=s.size, bs=s.bs),
                   [dict(recipe=r, seed=seed) for seed in SEEDS for r in RECIPES], measure)
