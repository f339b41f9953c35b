# 32 processes of 128 images: batch 4096. LARS, SyncBN, a queue of sixteen batches. The key encoder
# keeps its pace in epochs: 0.999^16, as there are sixteen times fewer updates than at batch 256.
_base_ = [
    '../_base_/models/swimdiff_r50.py',
    '../_base_/datasets/seco_rgb.py',
    '../_base_/schedules/lars_cosine_200e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    batch_norm='global',
    momentum_encoder=dict(momentum=0.984),
    queue=dict(length=65536),
)
train_dataloader = dict(batch_size=128)
optim_wrapper = dict(optimizer=dict(lr=4.8))  # 0.3 at batch 256
auto_scale_lr = dict(base_batch_size=4096)
