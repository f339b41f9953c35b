# How the studies on Sentinel-2 score a backbone: kNN and linear probe on EuroSAT, from the last
# stage and from the one before it, and what the log says.
_base_ = ['./measurements_log.py']

eurosat = dict(
    type='EuroSAT',
    data_root='{{$EUROSAT_ROOT:data/eurosat}}',
    pipeline=[dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')],
)
measurements = [
    dict(type='ProbeMeasurement', name='eurosat', dataset=eurosat, limit=12_000, divisions=2),
    dict(
        type='ProbeMeasurement',
        name='eurosat-stage2',
        dataset=eurosat,
        limit=12_000,
        divisions=2,
        stage=2,
    ),
    dict(
        type='ProbeMeasurement',
        name='eurosat-stage2-std',
        dataset=eurosat,
        limit=12_000,
        divisions=2,
        stage=2,
        pool='mean-std',
    ),
    {{_base_.log}},
]
