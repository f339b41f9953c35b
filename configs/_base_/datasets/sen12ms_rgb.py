# SEN12MS, visible bands; views as with SeCo. The scene is season and scene number.
_base_ = ['./seco_rgb.py']

train_dataloader = dict(
    dataset=dict(type='SEN12MS', data_root='data/sen12ms', scene=dict(type='SEN12MSScene')),
)

data_preprocessor = dict(stats='s2_l1c')
