__version__ = "0.2.0"

_WHERE = { # The names that most programs need; a module is imported when one of its names is asked for
    'UserError': 'errors', 'TrainOptions': 'options', 'breed_name': 'data', 'data_loaders': 'datasets',
    'pet_learner': 'baseline', 'find_lr': 'lr_find', 'suggestions': 'lr_find', 'evaluate': 'predictions',
    'read_predictions': 'predictions', 'write_predictions': 'predictions', 'train_model': 'train',
    'train_frozen': 'train', 'load_model': 'predict', 'examine': 'doctor', 'export_onnx': 'export'}

def __dir__(): return [*globals(), *_WHERE]

def __getattr__(name):
    from importlib import import_module
    if name not in _WHERE: raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    found = getattr(import_module(f'{__name__}.{_WHERE[name]}'), name)
    if name != 'UserError': _explain(found)
    globals()[name] = found
    return found

def _explain(found):
    "Let `help` show the comments of the parameters, too."
    from fastcore.docments import docments
    said = {k: v for k, v in docments(found).items() if isinstance(v, str)}
    lines = [f'    {k}: {" ".join(v.split())}' for k, v in said.items()]
    found.__doc__ = '\n'.join([found.__doc__.rstrip(), '', 'Parameters:', *lines])
