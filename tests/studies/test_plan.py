import pytest
from fixtures.studies import write_plan
from mmengine.config import Config

from swimdiff.errors import ConfigError
from swimdiff.studies.cell_config import build_cell_config, find_roots, hash_cell, hash_options
from swimdiff.studies.plan import read_plan
from swimdiff.studies.schedule import count_by_iterations


def build(path, name, seed=0, **more):
    plan = read_plan(path)
    return build_cell_config(plan, plan.variants[name], seed, **more)


def test_layers_of_a_cell(tmp_path):
    path = write_plan(
        tmp_path,
        dict(
            plain=dict(),
            wide={'model.width': 7, 'on_gpu': {'model.width': 9}},
            loader={'train_dataloader': dict(batch_size=2), 'base': 'base.py'},
        ),
        on_gpu={'model.delay': 5.0, 'model.width': 8},
    )
    assert build(path, 'plain').model.width == 4
    assert build(path, 'wide', seed=3).randomness.seed == 3
    assert build(path, 'wide').model.width == 7
    gpu = build(path, 'wide', on_gpu=True)
    assert (gpu.model.width, gpu.model.delay) == (9, 5.0)
    assert build(path, 'plain').train_cfg == dict(type='ResumableIterLoop', max_iters=48)
    assert build(path, 'loader').train_cfg.max_iters == 96
    assert build(path, 'loader').train_dataloader.dataset.type == 'TinyData'


def test_an_entry_of_a_list_is_replaced_whole(tmp_path):
    changes = dict(
        whole={'custom_hooks.0': dict(type='CollapseHook', _delete_=True)},
        part={'custom_hooks.0': dict(interval=2)},
    )
    path = write_plan(tmp_path, changes)
    assert build(path, 'whole').custom_hooks == [dict(type='CollapseHook')]
    assert build(path, 'part').custom_hooks == [dict(type='FiniteLossHook', interval=2)]


def test_seeds_and_variants_of_the_command_line(tmp_path):
    plan = read_plan(write_plan(tmp_path, dict(a={}, b={}), baseline='a'))
    narrow = plan.narrow([5, 5, 6], ['b'])
    assert (narrow.seeds, list(narrow.variants), narrow.baseline) == ((5, 6), ['b'], None)
    with pytest.raises(ConfigError, match='no variant c; there are a, b'):
        plan.narrow(None, ['c'])


@pytest.mark.parametrize(
    'line, message',
    [
        ('seeds = []', 'a plan needs seeds'),
        ("seeds = ['1']", 'expected a list of whole numbers'),
        ('images = 0', 'a plan needs images'),
        ("baseline = 'c'", "baseline='c' is no variant; there are a"),
        ('measurement = []', 'measurement is no option of a plan; measurements is'),
        ("variants = {'a/b': {}}", 'that can be a folder'),
        ("variants = {'random': {}}", 'which is a floor'),
        ("measurements = [dict(name='x')]", r'expected dict\(type'),
        ("measurements = [dict(type='LogMeasurement')] * 2", 'each name once'),
        ("base = 'swimdiff_r18_seko'", 'Nearest'),
    ],
)
def test_mistakes_are_one_message(tmp_path, line, message):
    path = write_plan(tmp_path, dict(a={}))
    path.write_text(f'{path.read_text()}{line}\n')
    with pytest.raises(ConfigError, match=message):
        read_plan(path)


@pytest.mark.parametrize(
    'options, message',
    [
        ({'modle.width': 3}, 'has no modle; there is model'),
        ({'model.layer.width': 3}, 'has no model.layer; there is'),
        ({'param_scheduler.3.T_max': 1}, 'has no param_scheduler.3'),
        ({'model.width': dict(a=1)}, 'cannot be merged'),
        ({'train_dataloader.batch_size': 500}, 'a budget of at least one batch'),
    ],
)
def test_an_override_without_a_place(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        build(write_plan(tmp_path, dict(a=options)), 'a')


def test_a_part_is_added_or_replaced_whole(tmp_path):
    path = write_plan(
        tmp_path, dict(a={'model.extra': dict(_delete_=True, x=1), 'randomness.seed': 9})
    )
    cfg = build(path, 'a', seed=1)
    assert cfg.model.extra == dict(x=1)
    assert cfg.randomness.seed == 1


def test_schedules_are_stretched_to_the_budget():
    cfg = Config(
        dict(
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=200, val_interval=5),
            val_cfg=dict(),
            val_dataloader=dict(),
            val_evaluator=dict(),
            param_scheduler=[
                dict(type='LinearLR', end=30, by_epoch=False),
                dict(type='MultiStepLR', milestones=[120, 160]),
                dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
                dict(type='CosineAnnealingLR', begin=0, T_max=200, by_epoch=True),
            ],
            custom_hooks=[dict(type='OnlineKNNHook'), dict(type='EMAHook')],
            default_hooks=dict(report=dict(type='ReportHook'), logger=dict(interval=10)),
        )
    )
    count_by_iterations(cfg, 1000)
    assert cfg.param_scheduler == [
        dict(type='LinearLR', end=30, by_epoch=False),
        dict(type='MultiStepLR', milestones=[600, 800], by_epoch=False),
        dict(type='CosineAnnealingLR', by_epoch=False),
        dict(type='CosineAnnealingLR', begin=0, T_max=1000, by_epoch=False),
    ]
    assert not [name for name in cfg if name.startswith(('val_', 'test_'))]
    assert [hook['type'] for hook in cfg.custom_hooks] == ['EMAHook']
    assert 'report' not in cfg.default_hooks
    assert cfg.default_hooks.checkpoint.interval == 100
    assert (cfg.default_hooks.logger.interval, cfg.log_processor.window_size) == (10, 10)
    with pytest.raises(ConfigError, match='ends at iteration 30, but the budget gives 20'):
        cfg.param_scheduler = [dict(type='LinearLR', end=30, by_epoch=False)]
        cfg.train_cfg = dict(max_epochs=1)
        count_by_iterations(cfg, 20)


def test_a_config_of_iterations_is_stretched_too():
    schedule = [dict(type='CosineAnnealingLR', T_max=240, begin=24, end=240, by_epoch=False)]
    cfg = Config(dict(train_cfg=dict(max_iters=240), param_scheduler=schedule))
    count_by_iterations(cfg, 1000)
    (found,) = cfg.param_scheduler
    assert (found['T_max'], found['begin'], found['end']) == (1000, 100, 1000)


def test_the_hash_is_of_what_decides_the_result(tmp_path):
    cfg = build(write_plan(tmp_path, dict(a={})), 'a')

    def changed(**options):
        copy = cfg.copy()
        copy.merge_from_dict(options)
        return hash_cell(copy, {})

    same = hash_cell(cfg, {})
    loader = 'train_dataloader'
    for option in (f'{loader}.dataset.data_root', 'work_dir', f'{loader}.num_workers', 'log_level'):
        assert changed(**{option: 1}) == same
    for option in ('model.width', 'randomness.seed', f'{loader}.batch_size', 'train_cfg.max_iters'):
        assert changed(**{option: 1}) != same
    assert hash_cell(cfg, {'model.width': 8}) != same
    assert hash_options({'a': 1, 'b': (2,)}) == hash_options({'b': [2], 'a': 1})
    nested = dict(a=[dict(data_root='x'), dict(b=dict(data_root='y'))])
    assert list(find_roots(nested)) == ['x', 'y']


def test_a_base_of_the_toolkit_by_name(tmp_path):
    """As configs name it: no marks of the scope, which loader functions would be handed."""
    (tmp_path / 'own.py').write_text("_base_ = 'swimdiff::swimdiff_r18_seco-small.py'\n")
    (tmp_path / 'plan.py').write_text(
        "base = 'swimdiff::swimdiff_r18_seco-small.py'\n"
        "variants = dict(a=dict(), b=dict(base='own.py'))\nseeds = (0,)\nimages = 6400\n"
    )
    plan = read_plan(tmp_path / 'plan.py')
    named, own = (build_cell_config(plan, plan.variants[name], 0) for name in 'ab')
    assert named.model == own.model and hash_cell(named, {}) == hash_cell(own, {})
    assert '_scope_' not in str(own.train_dataloader)


def test_a_plan_on_a_plan_of_the_toolkit(tmp_path):
    path = tmp_path / 'plan.py'
    path.write_text("_base_ = 'swimdiff::studies/claim_r18-half_rsscn7.py'\nseeds = (7,)\n")
    plan = read_plan(path)
    assert plan.seeds == (7,) and plan.baseline in plan.variants
