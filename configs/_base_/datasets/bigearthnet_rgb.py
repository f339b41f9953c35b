# BigEarthNet v1 S2, visible bands, 19 classes, at 120 pixels and on the scale of SeCo: loaded and
# scored as version 2. With the published lists set split_dir to their folder and
# split_counts='official'. BIGEARTHNET_ROOT names the data without touching a config.
_base_ = ['./bigearthnet-v2_rgb.py']

data_root = '{{$BIGEARTHNET_ROOT:data/BigEarthNet-v1.0}}'
dataset = dict(
    type='BigEarthNet',
    data_root=data_root,
    num_classes=19,
    split_dir=None,
    split_counts=None,
    covered=None,
)
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dataset)
