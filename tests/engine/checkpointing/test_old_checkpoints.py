"""A checkpoint that the first version wrote is read, loaded and gone on with.

``fixtures/run_of_first_version.tar.xz`` holds what ``tools/train.py configs/swimdiff_r18_seco.py``
of commit fa7f599 left after the first of two epochs over the tree of ``fixtures.seco`` (three
bands, two steps per epoch), with a ResNet-18 of one channel, a decoder of two and a queue of
eight: its config and ``epoch_1.pth``; and what it logged in the second epoch
(``second_epoch.json``).
"""

import json
import sys
import tarfile

import pytest
import torch
from fixtures.runs import ROOT, scalars
from fixtures.seco import write_tree
from mmengine.config import Config
from mmengine.registry import DefaultScope

from swimdiff.__main__ import main
from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS

ADAPTED = """
_base_ = './config.py'
model = dict(
    head=dict(
        _delete_=True,
        type='SceneMatchingHead',
        rule=dict(type='soft', temperature=0.05),
        temperature=0.07,
    ),
    diffusion=dict(
        schedule=dict(least_signal=0), decoder=dict(skip_noised=True, drop_levels=0)
    ),
)
"""


@pytest.fixture
def run(tmp_path):
    with tarfile.open(ROOT / 'tests' / 'fixtures' / 'run_of_first_version.tar.xz') as archive:
        archive.extractall(tmp_path)  # our own file; Python 3.11.2 knows no filter
    return tmp_path


def test_its_backbone_loads_as_it_is(run):
    path = run / 'epoch_1.pth'
    state = torch.load(path, weights_only=False)['state_dict']  # our own file
    init = dict(type='Pretrained', checkpoint=str(path), prefix='backbone.')
    config = dict(depth=18, stem_channels=1, base_channels=1, init_cfg=init)
    with DefaultScope.overwrite_default_scope('swimdiff'):
        net = MODELS.build(dict(type='mmpretrain.ResNet', **config))
        net.init_weights()
    assert len(net.state_dict()) == 120
    for name, value in net.state_dict().items():
        assert torch.equal(value, state[f'backbone.{name}']), name


def test_its_config_is_refused_with_what_to_write(run):
    model = Config.fromfile(run / 'config.py').model
    with (
        DefaultScope.overwrite_default_scope('swimdiff'),
        pytest.raises(ConfigError, match=r'label_temperature: .*rule=dict.*skip_noised=True'),
    ):
        MODELS.build(model)


def test_the_run_goes_on_to_the_losses_it_had(run, monkeypatch):
    (run / 'adapted.py').write_text(ADAPTED)
    tree = write_tree(run / 'seco', bands=('B4', 'B3', 'B2'))
    work_dir = run / 'run'
    work_dir.mkdir()
    (run / 'epoch_1.pth').rename(work_dir / 'epoch_1.pth')
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'epoch_1.pth'))
    monkeypatch.setattr(sys, 'argv', list(sys.argv))
    options = ('--cfg-options', f'train_dataloader.dataset.data_root={tree}')
    main(['train', str(run / 'adapted.py'), '--work-dir', str(work_dir), '--resume', *options])
    rows = scalars(work_dir)
    expected = json.loads((run / 'second_epoch.json').read_text())
    assert [row['step'] for row in rows] == [row['step'] for row in expected] == [3, 4]
    for row, old in zip(rows, expected, strict=True):
        for key in ('loss_contrast', 'loss_diffusion', 'scene_mates', 'positive_similarity'):
            assert row[key] == pytest.approx(old[key], rel=1e-3), key
