"""Each option and command that a message advises is one, and is followed once here.

A new advice fails ``test_the_table_is_complete``: add its file and, where it is the first of its
kind, how it is followed. What a longer run must show (a resumed training, a scaled recipe) has a
test of its own beside its part, named in FOLLOWED_ELSEWHERE.
"""

import configparser
import dataclasses
import importlib
import inspect
import re
import shutil
from collections import defaultdict
from functools import cache
from importlib.util import find_spec

import pytest
from fixtures.advice import ROOT, find_advice
from fixtures.advice_places import (
    BRANCH,
    CHANGE,
    COMMANDS_OF_OTHERS,
    FLAGS,
    FLAGS_IN,
    FOREIGN,
    OPTIONS,
    OPTIONS_IN,
    RASTERS,
    SCENES,
    SECO,
)
from fixtures.advice_table import FOLLOWED_ELSEWHERE, MESSAGES, NO_ADVICE, OF_OTHERS
from fixtures.tools import load_tool
from mmengine.registry import init_default_scope

from swimdiff import registry
from swimdiff.errors import ConfigError
from swimdiff.launch.config_reading import read_config_file
from swimdiff.registry import DATA_SAMPLERS, DATASETS, HOOKS, LOOPS, MODELS, TASK_UTILS, TRANSFORMS

#: Read once: all sources are parsed.
ADVICE = tuple(find_advice())


@pytest.fixture
def _registered():
    init_default_scope('swimdiff')
    for name in ('datasets', 'models', 'engine'):
        importlib.import_module(f'swimdiff.{name}')


def parameters(place):
    """Names that a component takes, its bases included."""
    module, _, name = place.partition(':')
    found = importlib.import_module(f'swimdiff.{module}')
    for part in name.split('.'):
        found = getattr(found, part)
    if dataclasses.is_dataclass(found):
        return {item.name for item in dataclasses.fields(found)}
    kinds = found.__mro__ if inspect.isclass(found) else (found,)
    signatures = [kind.__init__ if inspect.isclass(kind) else kind for kind in kinds]
    return {name for one in signatures for name in inspect.signature(one).parameters}


#: Options of the engine, of other projects or of a part within an option, followed by a call.
CALLS = {
    'backend': lambda: build_transform('backend', 'cv2'),
    'interpolation': lambda: build_transform('interpolation', 'bilinear'),
    'changed': lambda: decode_mask(),
    'unchanged': lambda: decode_mask(),
    'ignore': lambda: decode_mask(),
    'file': lambda: describe_clouds(),
    'values': lambda: describe_clouds(),
    'mode': lambda: MODELS.get('mmseg.EncoderDecoder'),
    'plain': lambda: expect('datasets.transforms.views:TwoViews', 'plain'),
    'view': lambda: expect(BRANCH, 'view'),
    'weights_only': lambda: expect('weights.pretrained:Pretrained', 'weights_only'),
    'accumulative_counts': lambda: wrap_optimizer(accumulative_counts=2),
    'backbone.levels': lambda: expect('models.change.siamese_encoder:SiameseEncoder', 'levels'),
    'custom_imports': lambda: merge_option(SECO, 'custom_imports', dict(imports=['json'])),
    'custom_imports.imports': lambda: merge_option(SECO, 'custom_imports.imports', ['json']),
    'decode_head': lambda: follow_option('model.decode_head', CHANGE),
    'default_hooks.checkpoint.out_dir': lambda: build_hook(SECO, 'checkpoint', out_dir='elsewhere'),
    'default_hooks.visualization': lambda: follow_option('default_hooks.visualization', CHANGE),
    'drop_last': lambda: merge_option(CHANGE, 'test_dataloader.drop_last', False),
    'meta_keys': lambda: TRANSFORMS.build(dict(type='mmseg.PackSegInputs', meta_keys=('a',))),
    'optim_wrapper.clip_grad': lambda: merge_option(SECO, 'optim_wrapper.clip_grad.max_norm', 1.0),
    'test_dataloader': lambda: follow_option('test_dataloader', CHANGE),
    'train_dataloader.dataset.patch': lambda: expect(RASTERS, 'patch'),
    'train_dataloader.dataset.scene': lambda: expect(SCENES, 'scene'),
    'train_dataloader.drop_last': lambda: merge_option(SECO, 'train_dataloader.drop_last', False),
    'val_evaluator': lambda: merge_option(CHANGE, 'val_evaluator', dict(type='ChangeMetric')),
    'work_dir': lambda: merge_option(SECO, 'work_dir', 'elsewhere'),
    'DEVICE_TRANSFORMS': lambda: registry.DEVICE_TRANSFORMS.get('RandomBlur'),
    'LABEL_RULES': lambda: registry.LABEL_RULES.get('relative'),
    'model.neck.batch_norm': lambda: expect(
        'models.selfsup.projection_neck:ProjectionNeck', 'batch_norm'
    ),
}
#: The same, in these files or folders: the examples that their messages print are taken.
CALLS_IN = {
    ('swimdiff/engine/guards/finite_loss_hook.py', 'optim_wrapper.clip_grad'): (
        lambda: clip_gradients()
    ),
    ('swimdiff/interop/opening.py', 'depth'): lambda: build_example_of_backbone(),
    ('swimdiff/interop/opening.py', 'out_indices'): lambda: build_example_of_backbone(),
    ('swimdiff/interop/opening.py', 'in_channels'): lambda: build_example_of_backbone(),
} | {
    ('swimdiff/datasets/labels/', name): lambda: take_examples_of_labels()
    for name in (
        *('attribute', 'blocks', 'change', 'classes', 'metres', 'names'),
        *('seed', 'shares', 'test', 'train', 'val'),
    )
}


def expect(place, name):
    assert name in parameters(place)


def build_transform(name, value):
    from mmpretrain.datasets import RandomResizedCrop

    RandomResizedCrop(scale=64, **{name: value})


def decode_mask():
    from swimdiff.datasets.change.mask_coding import MaskCoding

    MaskCoding.from_config(dict(unchanged=0, changed=1, ignore=255))


def describe_clouds():
    from swimdiff.datasets.rasters.options import RasterOptions

    options = RasterOptions(patch=32, clouds=dict(file='{stem}_clouds.tif', values=[1]))
    assert options.clouds.file == '{stem}_clouds.tif'


def take_example(call, given):
    """Give what a message refuses, and then the example that it prints."""
    with pytest.raises(ConfigError) as refused:
        call(given)
    example = re.search(r'=(dict\(.*\))\.$', str(refused.value))[1]
    call(eval(example, {'dict': dict}))


def take_examples_of_labels():
    from swimdiff.datasets.labels.blocks import BlockOptions
    from swimdiff.datasets.labels.classes import ClassTable

    BlockOptions.from_config(2000)
    take_example(BlockOptions.from_config, dict(metres=0))
    take_example(ClassTable.for_change, dict(attribute='class'))
    take_example(ClassTable.for_cover, dict(attribute='class'))


def build_example_of_backbone():
    """Build what the message shows, with the channels that it says follow from the bands."""
    from swimdiff.interop import opening

    shown = re.search(r"dict\(type='mmpretrain\.ResNet'.*?\)\)", inspect.getsource(opening))[0]
    MODELS.build(dict(eval(shown, {'dict': dict}), in_channels=4))


def build_hook(config, name, **options):
    HOOKS.build(dict(open_config(config).default_hooks[name], **options))


def wrap_optimizer(**options):
    """Build the optimiser's wrapper with options that a message names."""
    import torch
    from mmengine.optim import build_optim_wrapper

    cfg = read_config_file(SECO)
    cfg.merge_from_dict({f'optim_wrapper.{name}': value for name, value in options.items()})
    return build_optim_wrapper(torch.nn.Linear(2, 2), cfg.optim_wrapper)


def clip_gradients():
    assert wrap_optimizer(clip_grad=dict(max_norm=1.0)).clip_grad_kwargs == dict(max_norm=1.0)


def follow_variable(name):
    """Find the place that reads a variable of the environment."""
    if name == 'SWIMDIFF_PYTHON':
        readers = [ROOT / 'tools' / 'install.sh']
    elif name.startswith('GDAL_'):
        readers = [ROOT / 'swimdiff' / 'datasets' / 'geo' / 'network.py']
    elif name.startswith('RAY_'):  # Ray's own; its page says when
        readers = [ROOT / 'docs' / 'how-to' / 'maps-many.md']
    else:
        readers, name = (ROOT / 'configs').rglob('*.py'), f'{{{{${name}:'
    assert any(name in path.read_text() for path in readers), name


def follow_file(name):
    """Find a file that a message sends its reader to; a tool may go by its bare name."""
    found = [ROOT / name] if '/' in name else [*(ROOT / 'tools').rglob(name)]
    assert found and all(path.exists() for path in found), name


def merge_option(config, key, value):
    cfg = read_config_file(config)
    cfg.merge_from_dict({key: value})
    place = cfg
    for part in key.split('.'):
        place = place[part]
    assert place == value


@cache
def read_extras():
    described = configparser.ConfigParser()
    described.read(ROOT / 'setup.cfg')
    return set(described['options.extras_require'])


@cache
def open_tool(name):
    return load_tool(name)


@cache
def open_config(name):
    return read_config_file(name)


def follow_flag(line):
    """Parse a command line as its tool does; the tool ends where it knows no such flag."""
    tool, *arguments = line
    open_tool(tool).parse_args(arguments)


def follow_option(name, place):
    if '.py' not in place:
        return expect(place, name)
    config, _, prefix = place.partition(' ')
    found = open_config(config)
    for part in '.'.join(filter(None, (prefix, name))).split('.'):
        assert part in found, f'{config} has no {prefix} {name}'
        found = found[part]


def choose(table, file, advice):
    """Return the entry of a file, or of the innermost folder that it lies in; None without one."""
    places = [place for place, name in table if name == advice and file.startswith(place)]
    return table[max(places, key=len), advice] if places else None


def follow(file, advice):
    """Follow one advice; KeyError where nobody has said how."""
    if advice in NO_ADVICE:
        return
    if advice.startswith('--'):
        if advice not in FOREIGN:
            follow_flag(choose(FLAGS_IN, file, advice) or FLAGS[advice])
    elif advice.startswith('type='):
        name = advice.split('=')[1].strip('\'"')
        registries = (DATASETS, MODELS, HOOKS, DATA_SAMPLERS, LOOPS, TASK_UTILS, TRANSFORMS)
        assert any(registry.get(name) is not None for registry in registries), name
    elif advice.isupper():
        if advice not in CALLS and advice not in OF_OTHERS:
            return follow_variable(advice)
        follow_named(file, advice)
    elif advice.startswith('bash tools/'):
        follow_file(advice.removeprefix('bash '))
    elif advice in COMMANDS_OF_OTHERS:
        program = advice.split()[0]
        if program.startswith(('gdal', 'ogr')) and not shutil.which('gdal_translate'):
            pytest.skip("needs GDAL's programs (apt: gdal-bin)")
        assert program == 'ulimit' or shutil.which(program), advice
    elif advice.startswith('python tools/'):
        assert hasattr(open_tool(advice.removeprefix('python tools/')), 'main')
    elif advice.startswith('python -m '):
        assert find_spec(advice.split()[-1]) is not None
    elif advice.startswith(('configs/', 'docs/', 'tools/')) or advice.endswith('.py'):
        follow_file(advice)
    elif advice.startswith('pip install'):
        assert shutil.which('pip')
        if '[' in advice:  # quoted, as a shell may take the brackets for a pattern
            extra = re.fullmatch(r"pip install 'swimdiff\[(\w+)\]'", advice)
            assert extra, f'{file}: {advice}'
            assert extra[1] in read_extras()
    else:
        follow_named(file, advice.removesuffix('='))


def follow_named(file, name):
    """Follow the advice of an option: what is meant in the file comes first."""
    if place := choose(OPTIONS_IN, file, name):
        follow_option(name, place)
    elif call := choose(CALLS_IN, file, name) or CALLS.get(name):
        call()
    elif name not in OF_OTHERS:
        follow_option(name, OPTIONS[name])


@pytest.mark.usefixtures('_registered')
@pytest.mark.parametrize('file', sorted({file for file, _ in ADVICE}))
def test_advice_is_followed(file):
    for where, advice in ADVICE:
        if where == file:
            follow(file, advice)


def test_the_table_is_complete():
    found = defaultdict(set)
    for file, advice in ADVICE:
        found[file].add(advice)
    assert {file: ' | '.join(sorted(found[file])) for file in found} == MESSAGES, (
        'messages that advise something have changed: see that the advice is followed by a test, '
        'and bring MESSAGES in tests/fixtures/advice_table.py in line'
    )


def test_tests_named_beside_an_advice_are_there():
    for path, test in FOLLOWED_ELSEWHERE.values():
        assert f'def {test}(' in (ROOT / path).read_text(), (path, test)
