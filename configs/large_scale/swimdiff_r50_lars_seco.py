# 32 processes of 128 images: batch 4096. LARS, SyncBN, a queue of sixteen batches.
_base_ = [
    '../_base_/models/swimdiff_r50.py',
    '../_base_/datasets/seco_rgb.py',
    '../_base_/schedules/lars_cosine_200e.py',
    '../_base_/default_runtime.py',
]
model = dict(batch_norm='global', queue=dict(length=65536))
train_dataloader = dict(batch_size=128)
