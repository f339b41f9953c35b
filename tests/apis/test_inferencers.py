"""Inferencers of mmpretrain and mmseg give what our own model gives."""

import numpy as np
import pytest
import torch
from fixtures.exports import BANDS, CHANGE, build, write_checkpoint
from fixtures.runs import ROOT
from mmpretrain import FeatureExtractor, get_model
from mmseg.apis import MMSegInferencer, inference_model, init_model

from swimdiff.apis.inferencers import prepare_config
from swimdiff.bands import get_stats
from swimdiff.errors import ConfigError

CLASSIFIER = ROOT / 'configs/classification/eurosat/linear_r18_eurosat-rgb.py'
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
