# How the studies on pictures score a backbone: kNN and linear probe on the pictures of RSSCN7 that
# were not pre-trained on, and on EuroSAT, a foreign domain; and what the log says.
_base_ = ['./measurements_log.py']

measurements = [
    dict(
        type='ProbeMeasurement',
        name='rsscn7',
        dataset=dict(
            type='LabelledPictures',
            data_root='{{$RSSCN7_ROOT:data/RSSCN7}}',
            shares=dict(pretrain=0.5, train=0.2, val=0.05, test=0.25),
            pipeline=[dict(type='LoadPicture'), dict(type='mmpretrain.PackInputs')],
        ),
    ),
    dict(
        type='ProbeMeasurement',
        name='eurosat',
        dataset=dict(
            type='EuroSAT',
            data_root='{{$EUROSAT_ROOT:data/eurosat}}',
            pipeline=[dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')],
        ),
        stats='oscd',
        limit=12_000,
    ),
    {{_base_.log}},
]
