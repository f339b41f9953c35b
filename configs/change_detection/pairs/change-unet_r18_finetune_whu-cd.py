# WHU-CD as commonly pre-cut: A/, B/ and label/ for all splits together, list/{split}.txt for each.
_base_ = './change-unet_r18_finetune_pairs.py'
layout = dict(
    data_root='{{$CHANGE_PAIRS_ROOT:data/whu-cd}}', layout='{part}', list_file='list/{split}.txt'
)
train_dataloader = dict(dataset=layout)
val_dataloader = dict(dataset=layout)
test_dataloader = dict(dataset=layout)
