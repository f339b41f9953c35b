# CDD (season-varying): {train,val,test}/{A,B,OUT}, 256 x 256, masks in JPEG.
_base_ = './change-unet_r18_finetune_pairs.py'
layout = dict(
    data_root='{{$CHANGE_PAIRS_ROOT:data/cdd}}', folders=dict(date1='A', date2='B', label='OUT')
)
train_dataloader = dict(dataset=layout)
val_dataloader = dict(dataset=layout)
test_dataloader = dict(dataset=layout)
