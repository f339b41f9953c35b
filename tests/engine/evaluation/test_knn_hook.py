"""The hook in true, tiny runs of the engine: its score, and that training does not notice it."""

import json
from functools import partial

import pytest
import torch
import torch.distributed as dist
from fixtures.bigearthnet import write_tree
from fixtures.eurosat import write_rgb
from fixtures.processes import run_ranks
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from swimdiff.engine import OnlineKNNHook
from swimdiff.engine.evaluation import knn_hook
from swimdiff.errors import ConfigError
from swimdiff.evaluation.features import image_statistics
from swimdiff.evaluation.floors import random_backbone
from swimdiff.evaluation.knn import knn_accuracy
from swimdiff.evaluation.labelled_images import LabelledImages
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.registry import DATASETS

PIPELINE = [dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')]


class Toy(BaseModel):
    """A backbone with batch norm, one frozen part, and dropout in the loss."""

    def __init__(self):
        super().__init__(MultiBandPreprocessor(('B04', 'B03', 'B02')))
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU())
        self.frozen = nn.BatchNorm2d(8)

    def train(self, mode=True):
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, inputs, data_samples=None, mode='loss'):
        feats = nn.functional.dropout(self.frozen(self.backbone(inputs)), 0.5)
        return dict(loss=feats.square().mean() + torch.rand(()) * feats.mean())


def config(root, **options):
    return dict(type='EuroSAT', data_root=str(root), pipeline=PIPELINE, **options)


def run(work_dir, hook=None, model=Toy, epochs=4, checkpoint=None, loop=None, **options):
    init_default_scope('swimdiff')
    torch.manual_seed(0)
    images = [dict(inputs=torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8)) for _ in range(8)]
    runner = Runner(
        model(),
        str(work_dir),
        train_dataloader=DataLoader(images, batch_size=4, shuffle=True),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        train_cfg=loop or dict(by_epoch=True, max_epochs=epochs),
        custom_hooks=[hook] if hook else [],
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1), checkpoint=checkpoint),
        default_scope='swimdiff',
        randomness=dict(seed=0),
        **dict(dict(experiment_name=work_dir.name), **options),
    )
    runner.train()
    rows = [
        json.loads(line)
        for path in work_dir.glob('*/vis_data/scalars.json')
        for line in path.read_text().splitlines()
    ]
    return runner.model, rows


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_rgb(tmp_path_factory.mktemp('knn') / 'eurosat')


def statistics_floor(root):
    """The score of the images themselves, an image at a time."""
    parts = []
    for split in ('train', 'val'):
        data = DATASETS.build(config(root, split=split))
        rows = [image_statistics(data[i]['inputs'][None])[0] for i in range(len(data))]
        labels = [data.get_data_info(i)['gt_label'] for i in range(len(data))]
        parts += [torch.stack(rows), torch.tensor(labels)]
    return knn_accuracy(*parts, 10, k=3)


def expected(model, root, limit=None):
    """The score, an image at a time."""
    model.eval()
    parts = []
    for split in ('train', 'val'):
        data = DATASETS.build(config(root, split=split, limit=limit))
        rows, labels = [], []
        for i in range(len(data)):
            image = data[i]['inputs'][None].float() - model.data_preprocessor.mean
            rows.append(model.backbone(image / model.data_preprocessor.std)[0].mean(dim=(1, 2)))
            labels.append(data.get_data_info(i)['gt_label'])
        parts += [torch.stack(rows), torch.tensor(labels)]
    return knn_accuracy(*parts, 10, k=3)


def test_training_is_the_same_and_the_score_is_right(root, tmp_path):
    hook = dict(type='OnlineKNNHook', dataset=config(root), interval=2, k=3, batch_size=7, budget=1)
    plain, without = run(tmp_path / 'plain')
    model, rows = run(tmp_path / 'knn', hook)
    losses = [[row['loss'] for row in found if 'loss' in row] for found in (without, rows)]
    assert len(losses[0]) == 8
    assert losses[0] == losses[1]
    for name, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    scored = [row for row in rows if 'knn/top1' in row]
    assert [row['step'] for row in scored] == [2, 4]
    assert scored[-1]['knn/samples'] == 10
    assert scored[-1]['knn/top1'] == pytest.approx(expected(model, root))
    (log,) = (tmp_path / 'knn').glob('*/*.log')
    assert 'on eurosat_60-20-20_seed0@' in log.read_text()
    assert '/val, 10 samples, bank 30, k=3' in log.read_text()
    assert scored[-1]['knn/top1_floor_statistics'] == pytest.approx(statistics_floor(root))


def test_no_images_are_read_twice(root):
    init_default_scope('swimdiff')
    part = LabelledImages(config(root), 'val', limit=9, batch_size=4, keep=5 * 3 * 64 * 64)
    reads = []
    part.dataset.pipeline.transforms.insert(0, lambda item: reads.append(item['img_path']) or item)
    first, second = (part.features(lambda images: images.float().mean(dim=(2, 3))) for _ in 'ab')
    assert torch.equal(first, second)
    # batches of 4, 4 and 1: the first and the last fit into the room for five
    assert len(reads) == 9 + 4
    alone = [part.dataset[i]['inputs'].float().mean(dim=(1, 2)) for i in range(9)]
    assert torch.allclose(first, torch.stack(alone))


class Clock:
    now = 0.0

    def perf_counter(self):
        return self.now


def test_a_probe_that_takes_too_long_is_put_off(root, tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(knn_hook, 'time', clock)
    features = LabelledImages.features

    def slow(self, extract):
        clock.now += 1
        return features(self, extract)

    class SlowToy(Toy):
        def forward(self, *args, **kwargs):
            clock.now += 10
            return super().forward(*args, **kwargs)

    monkeypatch.setattr(LabelledImages, 'features', slow)
    hook = dict(type='OnlineKNNHook', dataset=config(root), interval=1, floors=False)
    _, rows = run(tmp_path / 'slow', hook, SlowToy, epochs=6)
    scored = [row for row in rows if 'knn/top1' in row]
    # An epoch takes 20 s, a probe 2 s: (2 + 2) / (82 + 2) after four epochs is the first below 5 %;
    # the last epoch is always scored.
    assert [row['step'] for row in scored] == [1, 4, 6]
    assert scored[-1]['knn/time_share'] == pytest.approx(6 / 126)
    (log,) = (tmp_path / 'slow').glob('*/*.log')
    assert 'kNN probe after epoch 2 put off' in log.read_text()
    assert 'would have taken 9.1% of the run (budget 5%)' in log.read_text()


def test_the_best_checkpoint_is_kept(root, tmp_path, monkeypatch):
    scores = iter([30.0, 70.0, 50.0, 70.0])
    monkeypatch.setattr(OnlineKNNHook, '_score', lambda *_: {'knn/top1': next(scores)})
    hook = dict(type='OnlineKNNHook', dataset=config(root), interval=1, budget=1, floors=False)
    saver = dict(type='AtomicCheckpointHook', interval=1)
    run(tmp_path / 'best', hook, checkpoint=saver)
    found = sorted(path.name for path in (tmp_path / 'best').glob('*.pth'))
    assert found == ['best_knn_top1_epoch_2.pth', *(f'epoch_{i}.pth' for i in range(1, 5))]
    best, then = (
        torch.load(tmp_path / f'best/{name}', weights_only=False)
        for name in ('best_knn_top1_epoch_2.pth', 'epoch_2.pth')
    )
    assert best['meta']['epoch'] == 2
    for name, value in then['state_dict'].items():
        assert torch.equal(best['state_dict'][name], value)
    assert (tmp_path / 'best/last_checkpoint').read_text().endswith('epoch_4.pth')


def test_the_best_is_known_after_a_kill(root, tmp_path, monkeypatch):
    """80, 85, killed before the third epoch is over; going on with 82 leaves the 85."""
    scores = iter([80.0, 85.0, 82.0])
    monkeypatch.setattr(OnlineKNNHook, '_score', lambda *_: {'knn/top1': next(scores)})
    hook = dict(type='OnlineKNNHook', dataset=config(root), interval=1, budget=9, floors=False)
    saver = dict(type='AtomicCheckpointHook', interval=1)
    steps = iter(range(5))

    class Killed(Toy):
        def forward(self, *args, **kwargs):
            if next(steps) == 4:
                raise KeyboardInterrupt
            return super().forward(*args, **kwargs)

    folder = tmp_path / 'killed'
    with pytest.raises(KeyboardInterrupt):
        run(folder, hook, Killed, epochs=3, checkpoint=saver)
    hub = torch.load(folder / 'epoch_2.pth', weights_only=False)['message_hub']['runtime_info']
    assert hub['best_score'] == 85 and hub['best_ckpt'].endswith('best_knn_top1_epoch_2.pth')
    run(folder, hook, epochs=3, checkpoint=saver, resume=True, experiment_name='killed-again')
    assert [path.name for path in folder.glob('best*.pth')] == ['best_knn_top1_epoch_2.pth']
    hub = torch.load(folder / 'epoch_3.pth', weights_only=False)['message_hub']['runtime_info']
    assert hub['best_score'] == 85


def test_a_run_by_iterations_is_refused(root, tmp_path):
    hook = dict(type='OnlineKNNHook', dataset=config(root), interval=1)
    loop = dict(type='ResumableIterLoop', max_iters=4)
    with pytest.raises(ConfigError, match=r'counts epochs.*ResumableIterLoop'):
        run(tmp_path / 'iterations', hook, loop=loop)


def test_linear_head(root, tmp_path):
    hook = dict(type='OnlineKNNHook', dataset=config(root), interval=4, linear=True)
    _, rows = run(tmp_path / 'linear', hook)
    (scored,) = [row for row in rows if 'knn/linear' in row]
    # ten colours, told apart by the mean of a band alone
    assert scored['knn/linear_floor_statistics'] == 100
    assert 0 <= scored['knn/linear'] <= 100


def test_random_backbone_is_that_of_a_seed_and_leaves_the_generator(root):
    init_default_scope('swimdiff')
    settings = dict(type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8)
    settings['zero_init_residual'] = True
    torch.manual_seed(5)
    before = torch.get_rng_state()
    twins = [random_backbone(settings, seed).state_dict() for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    name = 'layer1.0.conv1.weight'
    assert torch.equal(twins[0][name], twins[1][name])
    assert not torch.equal(twins[0][name], twins[2][name])
    assert twins[0]['layer1.0.bn2.weight'].eq(1).all()
    assert settings['zero_init_residual']


def test_modes_are_put_back(root, tmp_path):
    model, _ = run(tmp_path / 'x', dict(type='OnlineKNNHook', dataset=config(root)))
    assert model.backbone.training
    assert not model.frozen.training


def test_wrong_options(tmp_path):
    init_default_scope('swimdiff')
    with pytest.raises(ConfigError, match='interval=0'):
        OnlineKNNHook(dict(type='EuroSAT'), interval=0)
    several = dict(type='BigEarthNet', data_root=str(write_tree(tmp_path / 'ben')))
    with pytest.raises(ConfigError, match='BigEarthNet has several labels'):
        OnlineKNNHook(several).before_train(None)


def embed(model, root):
    parts = [LabelledImages(config(root), part, limit=9, batch_size=4) for part in ('train', 'val')]
    return [part.features(partial(knn_hook._query_features, model)) for part in parts]


def _worker(rank, root, folder):
    dist.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2)
    init_default_scope('swimdiff')
    torch.manual_seed(0)
    model = Toy().eval()
    with torch.no_grad():
        rows = embed(model, root)
    torch.save(rows, f'{folder}/{rank}.pt')
    dist.destroy_process_group()


def test_two_processes_embed_each_image_once_in_order(root, tmp_path):
    init_default_scope('swimdiff')
    torch.manual_seed(0)
    model = Toy().eval()
    with torch.no_grad():
        alone = embed(model, root)
    run_ranks(_worker, str(root), str(tmp_path))
    for rank in range(2):
        for rows, whole in zip(torch.load(tmp_path / f'{rank}.pt'), alone, strict=True):
            assert len(whole) == 9
            assert torch.allclose(rows, whole, atol=1e-6)
