# As in the tables made with SeCo's code: what fills up the tiles at the edge counts as no change,
# in training too, and a score is the mean over batches of 32.
_base_ = './change-unet_r18_frozen_oscd.py'
train_dataloader = dict(dataset=dict(pad_label=0))
test_dataloader = dict(dataset=dict(pad_label=0))
test_evaluator = [dict(type='ChangeMetric', preset='seco')]
