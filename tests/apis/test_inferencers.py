"""Inferencers of mmpretrain and mmseg give what our own model gives."""

import numpy as np
import pytest
import torch
from fixtures.exports import BANDS, CHANGE, build, write_checkpoint
from fixtures.runs import ROOT
from mmengine.config import Config
from mmengine.model import BaseDataPreprocessor
from mmpretrain import FeatureExtractor, get_model
from mmseg.apis import MMSegInferencer, inference_model, init_model

from swimdiff.apis.inferencers import _name_scope, prepare_config
from swimdiff.bands import get_stats
from swimdiff.errors import ConfigError

CLASSIFIER = ROOT / 'configs/classification/eurosat/linear_r18_eurosat-rgb.py'
OSCD = ROOT / 'configs/change_detection/oscd/change-unet_r18_frozen_oscd.py'
PRETRAINING = ROOT / 'configs/swimdiff_r18_seco.py'


def standardise(image: np.ndarray, dates: int = 1) -> torch.Tensor:
    mean, std = (np.array(get_stats('seco').select(key, BANDS) * dates) for key in ('mean', 'std'))
    return torch.from_numpy(((image - mean) / std).astype(np.float32)).permute(2, 0, 1)[None]


def draw_image(bands: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 64, bands), dtype=np.uint8)


@pytest.mark.parametrize('file', [CLASSIFIER, PRETRAINING])
@torch.no_grad()
def test_feature_extractor_of_mmpretrain(file):
    config = prepare_config(file)
    model = get_model(config)
    extract = FeatureExtractor(model)
    image = draw_image(3)
    (features,) = extract([image], stage='backbone') if file is CLASSIFIER else extract([image])
    expected = model.backbone(standardise(image))
    for ours, theirs in zip(expected, features, strict=True):
        assert torch.allclose(ours[0], theirs, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_segmentors_of_mmseg(tmp_path):
    network = build(CHANGE)
    meta = dict(classes=('unchanged', 'changed'), palette=[[0, 0, 0], [255, 255, 255]])
    source = write_checkpoint(tmp_path / 'c.pth', CHANGE, network.state_dict(), dataset_meta=meta)
    image = draw_image(6)
    logits = network.encode_decode(standardise(image, 2), [dict(img_shape=(64, 64))])
    expected = (logits.sigmoid() > 0.4).long()[0]
    assert 0 < expected.float().mean() < 1
    # Its own config travels in the checkpoint.
    model = init_model(prepare_config(checkpoint=source), str(source), device='cpu')
    found = inference_model(model, image).pred_sem_seg.data
    assert torch.equal(found.long(), expected)
    inferencer = MMSegInferencer(
        prepare_config(checkpoint=source), str(source), device='cpu', show_progress=False
    )
    assert np.array_equal(inferencer(image)['predictions'], expected[0].numpy())


def test_nothing_to_build_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r'no config\. Expected the file of a config'):
        prepare_config()
    torch.save(dict(a=torch.zeros(1)), tmp_path / 'a.pth')
    with pytest.raises(ConfigError, match=r'a checkpoint of tools/train\.py'):
        prepare_config(checkpoint=tmp_path / 'a.pth')


@pytest.mark.parametrize(
    ('open_config', 'file', 'message'),
    [
        (get_model, CLASSIFIER, 'BandClassifier is not in the mmpretrain::model registry'),
        (FeatureExtractor, PRETRAINING, 'SwiMDiff is not in the mmpretrain::model registry'),
        (MMSegInferencer, OSCD, 'ChangeSegmentor is not in the mmseg::model registry'),
    ],
)
def test_configs_that_are_not_prepared_are_refused(open_config, file, message):
    """The words that docs/how-to/exports.md quotes; the engine says them, not we."""
    with pytest.raises(KeyError, match=message):
        open_config(str(file))


@torch.no_grad()
def test_names_with_a_scope_would_build_and_be_wrong(tmp_path):
    """Statistics travel in the checkpoint, and nothing but prepare_config takes them from there."""
    cfg = Config.fromfile(CLASSIFIER)
    cfg.data_preprocessor.stats = 's2_l1c'
    own = {'BandClassifier', 'MultiBandPreprocessor'}
    model = dict(cfg.model, data_preprocessor=cfg.data_preprocessor)
    scoped = Config(dict(model=_name_scope(model, own)))
    network = get_model(scoped).eval()
    source = write_checkpoint(tmp_path / 'c.pth', dict(cfg.model), network.state_dict())
    features = {}
    for name, config in (
        ('scoped', scoped),
        ('prepared', prepare_config(cfg, source)),
    ):
        built = get_model(config, pretrained=str(source)).eval()
        image = torch.from_numpy(draw_image(3)).permute(2, 0, 1)
        inputs = built.data_preprocessor(dict(inputs=[image]))['inputs']
        features[name] = built.extract_feat(inputs, stage='backbone')[-1]
    expected = network.backbone(standardise(draw_image(3)))[-1]
    assert torch.allclose(features['prepared'], expected, atol=1e-4, rtol=1e-4)
    assert (features['scoped'] - expected).abs().max() > 0.1 * expected.abs().max()
    # And mmseg forgets the preprocessor, whatever the names in the config are.
    assert type(init_model(str(OSCD), device='cpu').data_preprocessor) is BaseDataPreprocessor
