# The batch of 256 of the main config on one process: eight micro-batches of 32 a step. The queue is
# fed once a micro-batch, the key encoder moves once per step. Batch norm sees a micro-batch.
_base_ = '../swimdiff_r50_seco.py'
optim_wrapper = dict(accumulative_counts=8, clip_grad=dict(max_norm=5.0))
model = dict(momentum_encoder=dict(interval=8))
