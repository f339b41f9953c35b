# SSL4EO-S12 level 2A, visible bands; views as with SeCo. The scene is the location.
_base_ = ['./seco_rgb.py']

train_dataloader = dict(dataset=dict(type='SSL4EO', level='L2A', data_root='data/ssl4eo'))

data_preprocessor = dict(stats='s2_l2a')
