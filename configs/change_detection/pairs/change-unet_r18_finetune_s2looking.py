# S2Looking: {train,val,test}/{Image1,Image2,label}, 1024 x 1024.
_base_ = './change-unet_r18_finetune_pairs.py'
layout = dict(
    data_root='{{$CHANGE_PAIRS_ROOT:data/s2looking}}',
    folders=dict(date1='Image1', date2='Image2', label='label'),
)
train_dataloader = dict(dataset=layout)
val_dataloader = dict(dataset=layout)
test_dataloader = dict(dataset=layout)
