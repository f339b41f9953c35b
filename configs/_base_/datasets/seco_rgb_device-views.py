# The views of seco_rgb.py, made in batches on the device: the workers only read and pack.
_base_ = ['./seco_rgb.py']

train_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadPatch'), dict(type='PackViews')]))
# Written in the layout that the models take them in.
data_preprocessor = dict(type='DeviceViews', transforms=_base_.view, channels_last=True)
