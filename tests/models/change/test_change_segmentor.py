"""Unlabelled pixels take no part in training."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from swimdiff.registry import MODELS


@pytest.fixture
def model():
    init_default_scope('swimdiff')
    torch.manual_seed(0)
    loss = dict(type='mmseg.CrossEntropyLoss', use_sigmoid=True, avg_non_ignore=True)
    head = dict(type='ChangeUNetHead', in_channels=(64, 64, 128, 256, 512), num_classes=2)
    backbone = dict(type='mmpretrain.ResNet', depth=18, out_indices=(0, 1, 2, 3))
    config = dict(
        type='ChangeSegmentor',
        backbone=dict(type='SiameseEncoder', backbone=backbone),
        decode_head=dict(head, out_channels=1, threshold=0.5, dropout_ratio=0, loss_decode=loss),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )
    return MODELS.build(config).eval()


def samples(*masks):
    return [SegDataSample(gt_sem_seg=PixelData(data=mask[None])) for mask in masks]


def test_loss_of_labelled_pixels_alone(model):
    images = torch.randn(2, 6, 32, 32)
    masks = torch.randint(0, 2, (2, 32, 32))
    masks[0, :20], masks[1, :, 5:] = 255, 255
    found = model.loss(images, samples(*masks))['decode.loss_ce']
    logits = model.encode_decode(images, [dict(img_shape=(32, 32))] * 2)[:, 0]
    known = masks != 255
    expected = F.binary_cross_entropy_with_logits(logits[known], masks[known].float())
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_batch_without_labels_has_the_loss_0(model):
    masks = torch.full((2, 32, 32), 255)
    losses = model.loss(torch.randn(2, 6, 32, 32), samples(*masks))
    assert set(losses) == {'decode.loss_ce'} and losses['decode.loss_ce'] == 0
    losses['decode.loss_ce'].backward()
    gradients = [p.grad for p in model.decode_head.parameters() if p.grad is not None]
    assert gradients and all((gradient == 0).all() for gradient in gradients)
