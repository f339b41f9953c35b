_base_ = './linear_r18_bigearthnet-rgb.py'
model = dict(head=dict(num_classes=43))
train_dataloader = dict(dataset=dict(num_classes=43))
val_dataloader = dict(dataset=dict(num_classes=43))
test_dataloader = dict(dataset=dict(num_classes=43))
