# How the studies on pictures score a backbone: kNN and linear probe on the pictures of RSSCN7 that
# were not pre-trained on, and on EuroSAT, a foreign domain, from the last stage and from the one
# before it; and what the log says.
_base_ = ['./measurements_log.py']

rsscn7 = dict(
    type='LabelledPictures',
    data_root='{{$RSSCN7_ROOT:data/RSSCN7}}',
    shares=dict(pretrain=0.5, train=0.2, val=0.05, test=0.25),
    pipeline=[dict(type='LoadPicture'), dict(type='mmpretrain.PackInputs')],
)
eurosat = dict(
    type='EuroSAT',
    data_root='{{$EUROSAT_ROOT:data/eurosat}}',
    pipeline=[dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')],
)
_last = dict(type='ProbeMeasurement')
_middle = dict(type='ProbeMeasurement', stage=2, divisions=4)
_spread = dict(_middle, pool='mean-std')
_foreign = dict(dataset=eurosat, stats='oscd', limit=12_000)

measurements = [
    dict(_last, name='rsscn7', dataset=rsscn7),
    dict(_middle, name='rsscn7-stage2', dataset=rsscn7),
    dict(_spread, name='rsscn7-stage2-std', dataset=rsscn7),
    dict(_last, name='eurosat', **_foreign),
    dict(_middle, name='eurosat-stage2', **_foreign),
    dict(_spread, name='eurosat-stage2-std', **_foreign),
    {{_base_.log}},
]
