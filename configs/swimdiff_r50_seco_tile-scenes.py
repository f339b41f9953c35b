# Mates are images of one Sentinel-2 tile (about 110 km), not dates of one place:
# docs/concepts/sampling.md.
_base_ = './swimdiff_r50_seco.py'
train_dataloader = dict(dataset=dict(scene=dict(type='TileScene')))
