"The scripts behind the records, each but `ready`, `resize` and `times` once in small: few photos, small images, one epoch a phase, one seed."
import ast
import json
import os
import re
import runpy
import shutil
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT

FOLDER = ROOT / 'experiments'
SCRIPTS = sorted(f.stem for f in FOLDER.glob('*.py') if f.stem != 'common')
RECORDS = sorted(f.stem for f in (ROOT / 'results').glob('*.json'))
BREEDS, PHOTOS = 6, 10  # of the sample, for the small runs


def records_of(script):
    "The records whose name begins as the script says."
    code = (FOLDER / f'{script}.py').read_text(encoding='utf-8')
    name = re.search(r'''(?:record_name|write_record|run_experiment)\((?:record_name\()?f?['"]([\w-]+)''', code)
    name = name[1].strip('-') if name else ''
    return [r for r in RECORDS if name and (r == name or r.startswith(f'{name}-'))]


def test_each_record_has_its_script():
    "One alone: `published` was typed from the original post; `ready` makes the shipped model."
    made = {script: records_of(script) for script in SCRIPTS}
    assert [s for s, records in made.items() if not records] == ['ready']
    assert sorted(sum(made.values(), [])) == [r for r in RECORDS if r != 'published']


@pytest.mark.parametrize('script', SCRIPTS)
def test_a_script_says_what_it_is_for_and_does_nothing_when_imported(script):
    tree = ast.parse((FOLDER / f'{script}.py').read_text(encoding='utf-8'))
    allowed = ast.Import, ast.ImportFrom, ast.Assign, ast.FunctionDef, ast.ClassDef
    *others, last = tree.body[1:]
    assert ast.get_docstring(tree) and [ast.unparse(n)[:60] for n in others if not isinstance(n, allowed)] == []
    assert isinstance(last, ast.If) and ast.unparse(last.test) == "__name__ == '__main__'"


@pytest.mark.skipif(os.name == 'nt', reason='no make on Windows')
@pytest.mark.parametrize('name', ['', 'no_such', 'common'])
def test_make_record_says_what_there_is(root, run, name):
    done = run('make', 'record', f'NAME={name}', f'PYTHON={sys.executable}', cwd=root)
    assert done.returncode == 2 and all(s in done.stdout for s in SCRIPTS) and 'common' not in done.stdout


# In small

@pytest.fixture(scope='module')
def few(tmp_path_factory):
    "Some photos of some breeds of the sample, and their part of the official lists."
    from pet_breeds.sample import sample_folder
    folder = tmp_path_factory.mktemp('photos') / 'few'
    for part in ('images', 'annotations'): (folder / part).mkdir(parents=True)
    breeds = sorted({p.stem.rpartition('_')[0] for p in (sample_folder() / 'images').glob('*_5.jpg')})[:BREEDS]
    names = [f'{breed}_{i}' for breed in breeds for i in range(11, 11 + PHOTOS)]  # the first ones may be planted faults
    for name in names: shutil.copy(sample_folder() / f'images/{name}.jpg', folder / 'images')
    for file in (sample_folder() / 'annotations').glob('*.txt'):
        rows = [row for row in file.read_text().splitlines() if row.split()[0] in names]
        (folder / f'annotations/{file.name}').write_text('\n'.join(rows) + '\n')
    return folder


@pytest.fixture
def small(monkeypatch, tmp_path, few):
    "Run a script as a person does, in small; gives its records by name."
    from pet_breeds import bench, records, walk
    from pet_breeds.options import WalkOptions
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    import common
    options = WalkOptions(str(few), 'pet_resnet10', 'pet_resnet18', 32, 8, epochs=1)
    monkeypatch.setattr(common, 'options_for', lambda data, size=224: replace(options, data=data))

    def first_seeds(name, plan, cases, measure, real=records.run_experiment):
        return real(name, plan, [c for c in cases if c['seed'] in (1, 42) and c.get('fold', 0) < 2], measure, tmp_path)
    monkeypatch.setattr(records, 'run_experiment', first_seeds)
    monkeypatch.setattr(records, 'write_record', lambda name, record, folder=None, real=records.write_record: real(name, record, folder or tmp_path))
    monkeypatch.setattr(walk, 'run_walk', lambda options, out: dict(rows=[dict(seed=options.seed, data=options.data)]))
    monkeypatch.setattr(bench, 'run_bench', lambda data: dict(data=data))
    monkeypatch.setattr(bench, 'interleaved', lambda sides, rounds, real=bench.interleaved: real(sides, 1))

    def run(script, *args):
        monkeypatch.setattr(sys, 'argv', [f'{script}.py', *map(str, args)])
        try:
            runpy.run_path(str(FOLDER / f'{script}.py'), run_name='__main__')
        except SystemExit as e:
            assert not e.code
        return {f.stem: json.loads(f.read_text()) for f in tmp_path.glob('*.json')}
    return run


def recipes(record):
    "Each recipe's judged and wrong photos."
    return {r['recipe']: (len(r['wrong'].replace('.', '')), r['wrong'].count('1')) for r in record['runs']}


@pytest.mark.slow
@pytest.mark.parametrize('script, n', [('precision', 2), ('race', 5), ('rates', 2), ('recipes', 4), ('stages', 7),
                                       ('tricks', 10), ('heads', 5), ('speedrun', 5), ('probe_rates', 4)])
def test_an_experiment_runs_each_recipe_and_resumes(small, few, capsys, script, n):
    (name, record), = small(script, '--data', few).items()
    assert name.startswith(f'{script.replace("_", "-")}-') and name.endswith('-few') and str(few.parent) not in json.dumps(record)
    judged = BREEDS * PHOTOS // 5  # a fifth is validated, and a fold is a fifth
    assert len(recipes(record)) == n and all(total == judged and wrong <= total for total, wrong in recipes(record).values())
    assert all(r['seconds'] > 0 for r in record['runs']) and capsys.readouterr().out.count(' wrong') == len(record['runs'])
    assert small(script, '--data', few) == {name: record} and ' wrong' not in capsys.readouterr().out  # nothing is left to do


@pytest.mark.slow
@pytest.mark.parametrize('walk, plan', [('stock', ('pet_resnet10', 'float32', 'stock', 4)), ('lite', ('tf_efficientnet_lite0', 'bfloat16', 'fused', 7))])
def test_other_walks_have_records_of_their_own(small, few, walk, plan):
    (name, record), = small('stages', '--data', few, '--walk', walk).items()
    assert name == f'stages-{walk}-{few.name}' and (record['arch'], record['precision'], record['pipeline'], len(recipes(record))) == plan


@pytest.mark.slow
def test_tuning_is_chosen_on_training_photos(small, few, monkeypatch):
    monkeypatch.setattr('pet_breeds.options.RECOMMENDED', dict(arch='pet_resnet10', size=32))
    record = small('tune', '--data', few)[f'tune-{few.name}']
    chosen_by, judged = ([r for r in record['runs'] if r['fold'] == fold] for fold in (0, 1))
    wrong = {r['recipe']: r['wrong'].count('1') for r in chosen_by}
    assert len(wrong) == 10 and [r['recipe'] for r in judged] == [min(wrong, key=wrong.get)]
    own, walks = (({p for p, w in zip(record['photos'], r['wrong'], strict=False) if w != '.'}) for r in (chosen_by[0], judged[0]))
    assert len(walks) == BREEDS * PHOTOS // 5 and len(own) == (BREEDS * PHOTOS - len(walks)) // 5 and not own & walks


@pytest.mark.slow
def test_an_interrupted_soup_goes_on(monkeypatch, few, tmp_path, capsys):
    from pet_breeds.options import WalkOptions
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    import tune
    photos, s = tuple(sorted((few / 'images').iterdir())), WalkOptions(str(few), 'pet_resnet10', 'pet_resnet18', 32, 8)

    def soup():
        tune.trained.cache_clear()
        return tune.measure(photos, 'the average of three so tuned', 1, 0, s)['wrong']
    whole, kept, keep = soup(), [], tune.Checkpoint.after_epoch

    def cut_off(self):
        keep(self)
        kept.append(self.epoch)
        if len(kept) == 9: raise KeyboardInterrupt
    with monkeypatch.context() as m:
        m.setattr(tune.Checkpoint, 'after_epoch', cut_off)
        with pytest.raises(KeyboardInterrupt): soup()
    assert capsys.readouterr().out.count('going on') == 0 and soup() == whole
    assert re.findall('going on after epoch (.)', capsys.readouterr().out) == ['5', '2'] # the first is whole, the second is not
    assert not [*(tmp_path / 'pet_breeds').glob('tune-*')]


@pytest.mark.slow
def test_stages_judge_each_photo_by_networks_that_never_saw_it(monkeypatch, few, tmp_path):
    from pet_breeds.options import WalkOptions
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    import stages
    photos = sorted((few / 'images').iterdir())
    folds = stages.folds_of(photos, 2)
    assert sorted(sum(folds, [])) == list(range(len(photos))) and stages.folds_of(photos, 2) == folds
    assert {sum(photos[i].name.startswith(photos[0].stem.rpartition('_')[0]) for i in fold) for fold in folds} == {PHOTOS // 2}
    s = WalkOptions(str(few), 'pet_resnet10', 'pet_resnet18', 32, 8, epochs=1)
    found = stages.train_fold(photos, folds[1], 'frozen', 1, s)
    assert sorted(found['wrong']) == sorted(photos[i].name for i in folds[1])
    assert stages.train_fold(photos, folds[1], 'frozen', 1, s)['wrong'] == found['wrong']  # the seed decides

    def cut_off(learn):
        raise KeyboardInterrupt
    phases = stages.STAGES['unfreeze']
    whole = stages.train_fold(photos, folds[1], 'unfreeze', 1, s, curves=True)
    monkeypatch.setitem(stages.STAGES, 'unfreeze', ('arch', lambda learn, n: (learn.fit_one_cycle(n(3), 3e-3), cut_off(learn))))
    with pytest.raises(KeyboardInterrupt): stages.train_fold(photos, folds[1], 'unfreeze', 1, s, curves=True)
    monkeypatch.setitem(stages.STAGES, 'unfreeze', phases)
    assert len(list((tmp_path / 'pet_breeds').glob('stages-*.checkpoint'))) == 1
    again = stages.train_fold(photos, folds[1], 'unfreeze', 1, s, curves=True)
    assert (again['wrong'], again['curve']) == (whole['wrong'], whole['curve'][1:])  # to the same end, from the second phase on
    assert not [*(tmp_path / 'pet_breeds').glob('stages-*')]


@pytest.mark.slow
def test_backbones_are_pretrained_and_load(small, tmp_path):
    from pet_breeds.networks import BACKBONES
    from safetensors.torch import load_file
    (_, record), = small('backbones', '--breeds', 8, '--images', 10, '--epochs', 1, '--out', tmp_path).items()
    assert [(r['arch'], r['breeds'], r['images'], r['total']) for r in record['rows']] == [(a, 8, 80, 8) for a in BACKBONES]
    for name, arch in BACKBONES.items():
        net = arch()
        net.reset_classifier(0)
        net.load_state_dict(load_file(tmp_path / f'{name}.safetensors'))


@pytest.mark.slow
def test_the_other_scripts(small, few, torch_home, monkeypatch):
    "What they call is tested elsewhere; walks and the bench are left out here."
    monkeypatch.setenv('TORCH_HOME', str(torch_home))
    for script in ('walk', 'difficulty', 'bench', 'confidence', 'features', 'labels', 'sure', 'start_up', 'first_answer',
                   'memory', 'finder'):
        small(script, *([] if script == 'difficulty' else ['--data', few]))
    found, few = small('walk', '--data', few), few.name
    assert set(found) == {f'walk-{few}', f'bench-{few}', 'difficulty-1', 'difficulty-2', 'difficulty-3', f'confidence-{few}',
                          f'features-{few}', f'labels-{few}', f'sure-{few}', f'start-up-{few}', f'first-answer-{few}',
                          f'memory-{few}', f'finder-{few}'}
    assert [found[f'difficulty-{i}']['rows'][0]['seed'] for i in (1, 2, 3)] == [1, 2, 3]
    assert [r['total'] for r in found[f'confidence-{few}']['rows']] == [BREEDS * PHOTOS] * 3
    features = found[f'features-{few}']
    judged = {(r['recipe'], r['protocol']): len(r['wrong'].replace('.', '')) for r in features['runs']}
    assert {n for (_, p), n in judged.items() if p == 'out of fold'} == {BREEDS * PHOTOS}
    assert {n for (_, p), n in judged.items() if p == 'random split'} == {BREEDS * PHOTOS // 5}
    assert {arch for arch, _ in judged} == set(features['sizes']) and (len(judged), 'official' in {p for _, p in judged}) == (20, True)
    assert found[f'sure-{few}']['promise']['total'] == BREEDS * PHOTOS // 5 and len(found[f'start-up-{few}']['ratios']) == 6
    assert set(found[f'finder-{few}']['suggestions']) == {'minimum', 'steep', 'valley', 'slide'}
    rows = found[f'memory-{few}']['rows']
    assert [len(r['rates']) for r in rows] == [3, 3, 3, 2] and all(r['low'] == r['ratio'] == r['high'] > 0 for r in rows)
    (own,) = found[f'first-answer-{few}']['runs']  # of 50 photos, less the one that is asked about
    assert (own['breeds'], own['photos'], own['arch']) == (5, 5 * (PHOTOS - 1), 'tf_efficientnet_lite2')


@pytest.mark.slow
def test_what_a_gpu_is_asked(monkeypatch):
    "On the CPU and in small, all but two processes on one card."
    monkeypatch.syspath_prepend(FOLDER)
    import gpu
    from pet_breeds.bench import bench_photos
    for name in ('reset_peak_memory_stats', 'max_memory_allocated'): monkeypatch.setattr(f'torch.cuda.{name}', lambda: 2**20)
    monkeypatch.setattr('torch.cuda.make_graphed_callables', lambda net, samples, allow_unused_input: net)
    kernels = [SimpleNamespace(self_device_time_total=microseconds) for microseconds in (2000, 4000)]  # of two batches
    monkeypatch.setattr(gpu, 'profile', lambda activities: nullcontext(SimpleNamespace(key_averages=lambda: kernels)))
    x = gpu.Extent(32, 8, 24, 8, 16, ('pet_resnet10', 'pet_resnet18'), ('float32', 'bfloat16'))
    with bench_photos('sample', x.train) as photos: found = {name: work() for name, work in [*gpu.parts('sample', photos, x)][:-1]}
    assert len(found) == 3 + 2 * 2 + 2 + 1 + 2 + 2 and found['deep']['peak_mb'] == 1 and found['deep']['seconds'] > 0
    by_step, busy = ([v for k, v in found.items() if k.endswith(how)] for how in ('by step', 'busy'))
    assert [set(sides) for sides in by_step] == [{'Adam', 'FusedAdam', 'CudaGraph'}] * 2 and [(b['batch_ms'] > 0, b['computing_ms']) for b in busy] == [(True, 3)] * 2
    rates = [v for v in found.values() if isinstance(v, list)] + [v for sides in [found['load'], *by_step] for v in sides.values()]
    assert len(rates) == 2 * 2 + 2 + 1 + 4 * 2 and all(rate > 0 for side in rates for rate in side)


def test_names_of_records_tell_no_place(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(FOLDER)
    from common import options_for, record_name
    (tmp_path / 'shared/pets').mkdir(parents=True)
    assert (record_name('rates', 'sample'), record_name('rates', tmp_path / 'shared/pets')) == ('rates-sample', 'rates-shared-pets')
    assert (options_for('sample', 128).size, options_for('sample').arch) == (96, 'pet_resnet10')
    s = options_for(Path('../shared/pets'), 128)
    assert (s.data, s.arch, s.deep_arch, s.size, s.bs) == ('../shared/pets', 'resnet18', 'resnet50', 128, 32)
