# DSIFN: {train,val,test}/{t1,t2,mask}, pictures of 512 x 512 (JPEG) cut to 256.
_base_ = './change-unet_r18_finetune_pairs.py'
layout = dict(
    data_root='{{$CHANGE_PAIRS_ROOT:data/dsifn}}',
    folders=dict(date1='t1', date2='t2', label='mask'),
)
train_dataloader = dict(dataset=layout)
val_dataloader = dict(dataset=layout)
test_dataloader = dict(dataset=layout)
