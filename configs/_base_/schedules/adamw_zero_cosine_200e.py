# AdamW whose state is cut into one part a process (ZeRO, stage 1), for two or more processes.
_base_ = './adamw_cosine_200e.py'
optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,
        type='ZeroOptimizer',
        optimizer_type='AdamW',
        lr=1.5e-4,
        weight_decay=0.05,
    ),
)
