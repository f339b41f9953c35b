# How the studies on patches of OSCD score a backbone: as on EuroSAT, and by the change that a U-Net
# finds in the four held-out cities from its frozen features. Thirty epochs, in which the rate of
# the head falls as far as in the hundred of the protocol.
_base_ = './measurements_eurosat.py'

measurements = [
    *_base_.measurements,
    dict(
        type='ChangeMeasurement',
        name='oscd',
        config='change_detection/oscd/change-unet_r18_frozen_oscd-holdout.py',
        data_root='{{$OSCD_ROOT:data/oscd}}',
        epochs=30,
        options={'param_scheduler.0.gamma': 0.843},
        workers=0,
    ),
]
