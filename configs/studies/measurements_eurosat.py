# How the studies on Sentinel-2 score a backbone: kNN and linear probe on EuroSAT, and what the log
# says.
_base_ = ['./measurements_log.py']

measurements = [
    dict(
        type='ProbeMeasurement',
        name='eurosat',
        dataset=dict(
            type='EuroSAT',
            data_root='{{$EUROSAT_ROOT:data/eurosat}}',
            pipeline=[dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')],
        ),
        limit=12_000,
        divisions=2,
    ),
    {{_base_.log}},
]
