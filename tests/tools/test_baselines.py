"""Self-supervisors of the engine on our data, through the true tools/train.py."""

import math
import re
import runpy

import pytest
import torch
from fixtures.eurosat import write_rgb
from fixtures.runs import ROOT, THIN, TRAIN, options, scalars
from fixtures.tools import load_tool
from mmengine.registry import DefaultScope

FOLDER = ROOT / 'configs/baselines'
CONFIGS = sorted(path.stem for path in FOLDER.glob('*.py'))
RESNET = {**THIN, 'model.neck.in_channels': 128}
TINY_VIT = {
    'model.backbone.arch': 'deit-tiny',
    'model.neck.embed_dim': 192,
    'model.backbone.img_size': 64,
    'model.neck.num_patches': 16,
    'train_dataloader.dataset.pipeline.1.scale': 64,
    'train_dataloader.dataset.pipeline.1.transforms.0.scale': None,
}


def small(name, root, **more):
    """Options that make two small steps per epoch of a baseline; nothing is said of our parts."""
    own = {'model.queue.length': None, **(TINY_VIT if 'vit' in name else RESNET)}
    if 'mocov2' in name:
        own['model.queue_len'] = 12  # the engine asks for a multiple of the batch
    return options(root, size=64, **{**own, **more})


@pytest.fixture(scope='module')
def train():
    """``main`` of tools/train.py, in this process: the imports are paid once."""
    return runpy.run_path(str(TRAIN))['main']


def run(train, name, root, work_dir, *arguments, **more):
    train(
        [
            f'configs/baselines/{name}.py',
            '--work-dir',
            str(work_dir),
            *arguments,
            *small(name, root, **more),
        ]
    )
    return scalars(work_dir)


@pytest.mark.parametrize('name', CONFIGS)
def test_two_iterations_with_every_hook_and_a_report(
    name, train, shared_seco_root, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    watch = {'default_hooks.collapse.interval': 1, 'default_hooks.scene_mates.interval': 1}
    watch['default_hooks.report.enable'] = True
    rows = run(train, name, shared_seco_root, tmp_path, **watch)
    assert len(rows) == 2 and all(math.isfinite(row['loss']) for row in rows)
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
    assert any(key.startswith('backbone.') for key in state['state_dict'])
    assert state['sampler']['batch'] == 3  # what exact resume needs
    page = (tmp_path / 'report.html').read_text()
    assert 'could not be made' not in page
    assert '<h3>Loss</h3>' in page and 'Contrastive loss' not in page
    assert page.count('src="data:image/jpeg;base64,') == (6 if 'mae' in name else 12)


@pytest.mark.parametrize('name', CONFIGS)
def test_a_resumed_run_has_the_losses_of_the_unbroken_one(
    name, train, shared_seco_root, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    unbroken = run(train, name, shared_seco_root, tmp_path / 'a', **{'train_cfg.max_epochs': 2})
    first = tmp_path / 'a/epoch_1.pth'  # of the same schedule: the cosine spans both epochs
    arguments = ('--resume', str(first))
    more = {'train_cfg.max_epochs': 2}
    resumed = run(train, name, shared_seco_root, tmp_path / 'b', *arguments, **more)
    losses = [row['loss'] for row in unbroken]
    assert [row['loss'] for row in resumed] == pytest.approx(losses[2:], abs=1e-6)


@pytest.mark.parametrize('name', ['simclr_r18_seco', 'mae_vit-s_seco'])
def test_the_probe_takes_the_backbone_of_a_baseline(
    name, train, shared_seco_root, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    run(train, name, shared_seco_root, tmp_path)
    eurosat = write_rgb(tmp_path / 'eurosat', per_class=5)
    arguments = ['--data-root', str(eurosat), '--seeds', '0', '--k', '3', '--workers', '0']
    with DefaultScope.overwrite_default_scope('swimdiff'):
        probe = load_tool('probe.py').main
        probe([*arguments, '--no-floors', str(tmp_path / 'epoch_1.pth')])
    said = capsys.readouterr()
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']
    tensors = sum(key.startswith('backbone.') for key in state)
    assert f'loaded {tensors} of {tensors} tensors' in said.err
    # One vector for each image, as wide as the network: not the tokens of a masked image.
    width = dict(simclr=128, mae=192)[name.split('_')[0]]
    assert re.search(rf'epoch_1\.pth +{width} ', said.out)


def test_the_predictor_of_simsiam_keeps_its_rate(train, shared_seco_root, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    rates = {True: [], False: []}
    step = torch.optim.SGD.step

    def watched(self, closure=None):
        for fixed in rates:
            groups = [g for g in self.param_groups if bool(g.get('fix_lr')) is fixed]
            rates[fixed].append({group['lr'] for group in groups})
        return step(self, closure)

    monkeypatch.setattr(torch.optim.SGD, 'step', watched)
    run(train, 'simsiam_r18_seco', shared_seco_root, tmp_path, **{'train_cfg.max_epochs': 2})
    assert rates[True] == [{0.05}] * 4
    assert rates[False][0] == {0.05} and max(rates[False][3]) < 0.01  # at the end of its cosine


@pytest.mark.parametrize('name', CONFIGS)
def test_every_baseline_is_listed_and_short(name):
    assert f'({name}.py)' in (FOLDER / 'README.md').read_text()
    assert len((FOLDER / f'{name}.py').read_text().splitlines()) <= 65
