_base_ = './classifier_r18.py'
model = dict(
    head=dict(
        _delete_=True,
        type='mmpretrain.MultiLabelLinearClsHead',
        num_classes=19,
        in_channels=512,
        loss=dict(type='MultiLabelSoftMarginLoss'),
    ),
)
