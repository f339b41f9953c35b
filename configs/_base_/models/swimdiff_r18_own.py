# SwiMDiff for a folder of one's own scenes or pictures, some thousand patches of them: as for
# hundreds of images, with a softer comparison of keys and a longer queue, which `scale_recipe`
# shortens where there are fewer patches.
_base_ = './swimdiff_r18_small.py'
model = dict(head=dict(temperature=0.1), queue=dict(length=4096))
