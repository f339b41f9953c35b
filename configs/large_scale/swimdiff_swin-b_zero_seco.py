# A large transformer on several GPUs: optimiser state cut into one part a process (ZeRO, stage 1).
# Start with tools/dist_train.sh: one process has nothing to cut.
_base_ = [
    '../_base_/models/swimdiff_swin-t.py',
    '../_base_/datasets/seco_rgb.py',
    '../_base_/schedules/adamw_zero_cosine_200e.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(arch='base', drop_path_rate=0.3))
