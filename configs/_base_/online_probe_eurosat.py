# Weighted kNN of EuroSAT (RGB) while pre-training, and the best checkpoint by it. One line in a
# child of any RGB config: _base_ = ["swimdiff_r50_seco.py", "_base_/online_probe_eurosat.py"].
# EUROSAT_ROOT names the data; the test part of its split is not touched.
custom_hooks = [
    dict(
        type='OnlineKNNHook',
        dataset=dict(
            type='EuroSAT',
            data_root='{{$EUROSAT_ROOT:data/eurosat}}',
            bands=('B04', 'B03', 'B02'),
            pipeline=[dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')],
        ),
        interval=10,
        # Of each part; 2,000 take some seconds on a GPU and half a minute on two CPU cores.
        limit=2000,
        linear=False,
        budget=0.05,
    )
]
