# How the studies on Sentinel-2 score a backbone: kNN and linear probe on EuroSAT, from the last
# stage and from the one before it, and what the log says.
_base_ = ['./measurements_log.py']

eurosat = dict(
    type='EuroSAT',
    data_root='{{$EUROSAT_ROOT:data/eurosat}}',
    pipeline=[dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')],
)
_last = dict(type='ProbeMeasurement', dataset=eurosat, limit=12_000, divisions=2)
_middle = dict(_last, stage=2)
_spread = dict(_middle, pool='mean-std')

measurements = [
    dict(_last, name='eurosat'),
    dict(_middle, name='eurosat-stage2'),
    dict(_spread, name='eurosat-stage2-std'),
    {{_base_.log}},
]
