"""Every pre-training config through the true tools/train.py, on a SeCo tree in the true layout."""

import math
import runpy

import pytest
import torch
from fixtures.runs import ROOT, THIN, TRAIN, WORKERS, options, scalars, start
from mmengine.config import Config

CONFIGS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / 'configs').glob('*_seco*.py'))


@pytest.fixture(scope='module')
def train():
    """``main`` of tools/train.py, in this process: the imports are paid once."""
    return runpy.run_path(str(TRAIN))['main']


@pytest.mark.parametrize('config', CONFIGS)
def test_two_iterations(config, train, shared_seco_root, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    views = 'data_preprocessor' if 'device-views' in config else WORKERS
    cfg = Config.fromfile(ROOT / config)
    # The main config as it is, and Swin; what else a config changes is not the backbone.
    thin = cfg.model.backbone.type == 'mmpretrain.ResNet' and 'r50_seco.py' not in config
    thin = thin or 'moco' in config
    more = {'model.backbone.depth': 18, **THIN} if thin else {}
    if cfg.model.backbone.type == 'mmpretrain.ConvNeXt':
        more = {'model.backbone.arch': 'atto'}  # the same layers, an eighth of the weights
    more = options(shared_seco_root, views=views, **more)
    train([config, '--work-dir', str(tmp_path), *more])
    rows = scalars(tmp_path)
    assert len(rows) == 2
    matches, denoises = cfg.model.head.rule not in ('none', 'ignore'), cfg.model.lambda_d > 0
    for row in rows:
        assert math.isfinite(row['loss'])
        assert ('loss_diffusion' in row) is denoises
        assert row['images_per_s'] > 0
    # the second batch of three meets the first: two dates per location, three locations
    assert rows[0]['scene_mates'] == 0
    assert (rows[1]['mates_mass'] > 0) is (rows[1]['scene_mates'] > 0 and matches)
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']
    assert state['queue.pointer'] == 6
    assert any(key.startswith('backbone.') for key in state)


def test_a_loss_that_is_no_number_stops_the_run_unsaved(
    train, shared_seco_root, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    more = {**THIN, 'optim_wrapper.optimizer.lr': 1e30, 'train_cfg.max_epochs': 3}
    arguments = ['configs/swimdiff_r18_seco.py', '--work-dir', str(tmp_path)]
    with pytest.raises(SystemExit, match='DivergedError: The loss is') as stopped:
        train([*arguments, *options(shared_seco_root, **more)])
    assert stopped.value.code != 0
    for path in tmp_path.glob('*.pth'):
        state = torch.load(path, weights_only=False)['state_dict']
        assert all(torch.isfinite(value).all() for value in state.values())


@pytest.mark.parametrize(
    'config', ['swimdiff_r18_seco', 'swimdiff_convnext-t_seco', 'swimdiff_swin-t_seco']
)
def test_a_backbone_is_swapped_in_few_lines(config):
    lines = (ROOT / f'configs/{config}.py').read_text().splitlines()
    assert len(lines) <= 15


def test_killed_and_resumed_it_goes_on_with_the_same_queue(shared_seco_root, tmp_path):
    config = 'configs/swimdiff_r18_seco.py'
    arguments = [config, '--work-dir', tmp_path]
    process = start(*arguments, *options(shared_seco_root, **THIN, **{'train_cfg.max_epochs': 500}))
    for line in process.stdout:
        if 'Saving checkpoint at 3 epochs' in line:
            break
    for line in process.stdout:  # at least one more step after the save
        if 'Epoch(train)' in line:
            break
    process.kill()
    process.wait()
    last = torch.load(_last(tmp_path), weights_only=False)
    epoch = last['meta']['epoch']

    resumed = start(
        *arguments,
        '--resume',
        *options(shared_seco_root, **THIN, **{'train_cfg.max_epochs': epoch + 1}),
    )
    output = resumed.communicate()[0]
    assert resumed.returncode == 0, output
    assert f'resumed epoch: {epoch}, iter: {2 * epoch}' in output
    after = torch.load(_last(tmp_path), weights_only=False)
    assert after['meta']['epoch'] == epoch + 1
    # six keys went into the eight slots: the two oldest survivors are where they were
    pointer = int(last['state_dict']['queue.pointer'])
    kept = [(pointer + 6) % 8, (pointer + 7) % 8]
    for name in ('queue.keys', 'queue.scenes'):
        before, now = last['state_dict'][name], after['state_dict'][name]
        assert torch.equal(before[kept], now[kept])
        assert before.shape == now.shape
    assert int(after['state_dict']['queue.pointer']) == (pointer + 6) % 8


def _last(work_dir):
    return work_dir / (work_dir / 'last_checkpoint').read_text().strip().rsplit('/', 1)[-1]


def test_errors_are_one_message_without_a_traceback(tmp_path):
    process = start(
        'configs/swimdiff_r18_seco.py', '--work-dir', tmp_path, *options(tmp_path / 'nowhere')
    )
    output = process.communicate()[0]
    assert process.returncode != 0
    assert 'DatasetNotFoundError' in output and str(tmp_path / 'nowhere') in output
    assert 'Traceback' not in output
    unknown = start('configs/swimdif_r18_seco.py')
    output = unknown.communicate()[0]
    assert unknown.returncode != 0 and 'swimdiff_r18_seco' in output


#: Each ablation, the config it is held against, and the one value that differs.
ABLATIONS = {
    'swimdiff_r50_seco_matching-only': ('swimdiff_r50_seco', 'model.lambda_d', 0),
    'swimdiff_r50_seco_diffusion-only': ('swimdiff_r50_seco', 'model.head.rule', 'none'),
    'swimdiff_r50_seco_ignore': ('swimdiff_r50_seco', 'model.head.rule', 'ignore'),
    'swimdiff_r50_seco_positive': ('swimdiff_r50_seco', 'model.head.rule', 'positive'),
    'swimdiff_r50_seco_none': ('swimdiff_r50_seco_diffusion-only', 'model.lambda_d', 0),
    'moco_r50_seco': ('swimdiff_r50_seco_none', 'train_dataloader.sampler.mates', None),
}


@pytest.mark.parametrize('name', ABLATIONS)
def test_an_ablation_changes_one_thing(name):
    other, key, value = ABLATIONS[name]
    changed, parent = (Config.fromfile(ROOT / f'configs/{stem}.py') for stem in (name, other))
    assert changed.to_dict() != parent.to_dict()
    parent.merge_from_dict({key: value})
    assert changed.to_dict() == parent.to_dict()


def test_a_run_of_another_batch_warns_unless_its_recipe_is_scaled(
    train, shared_seco_root, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    warning = 'are for batch 256; 3 runs'
    more = options(shared_seco_root, **THIN)
    for name, option in (('plain', []), ('scaled', ['--scale-recipe'])):
        work_dir = tmp_path / name
        train(['configs/swimdiff_r18_seco.py', '--work-dir', str(work_dir), *option, *more])
        (log,) = work_dir.glob('*/*.log')
        assert (warning in log.read_text()) is (name == 'plain')
        state = torch.load(work_dir / 'epoch_1.pth', weights_only=False)
        # 8 slots as asked; scaled, half of the 6 samples in whole batches
        assert len(state['state_dict']['queue.keys']) == (8 if name == 'plain' else 3)
        rate = state['optimizer']['param_groups'][0]['initial_lr']
        assert rate == pytest.approx(0.03 if name == 'plain' else 0.03 * 3 / 256)
    assert 'Scaled to the global batch: batch 256 -> 3' in capsys.readouterr().out
