# MoCo v2 (arXiv 2003.04297): tau 0.2, 65,536 keys, a plain shuffle. The views are those of the
# main config: MoCo v2's with vertical flips and quarter turns.
_base_ = './moco_r50_seco.py'
model = dict(head=dict(temperature=0.2), queue=dict(length=65536))
