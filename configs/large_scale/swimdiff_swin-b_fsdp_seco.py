# A large transformer on several GPUs: weights, gradients and optimiser state cut into one part a
# process (FSDP). Gradients are not clipped: the engine would clip each part by its own norm.
_base_ = [
    '../_base_/models/swimdiff_swin-t.py',
    '../_base_/datasets/seco_rgb.py',
    '../_base_/schedules/adamw_cosine_200e.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(arch='base', drop_path_rate=0.3))
optim_wrapper = dict(clip_grad=None)
strategy = dict(type='swimdiff.ShardedStrategy')
