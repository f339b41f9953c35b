# Own rasters of one date with polygons or masks: a list with the columns image and labels, ground
# divided into blocks of 2 km. LABELS_LIST names the list without touching a config; the classes,
# and their number in the model, are to be stated. docs/how-to/labels.md has all options.
_base_ = './raster_windows.py'
list_file = '{{$LABELS_LIST:data/labels.csv}}'
classes = dict(attribute='class', names=('forest', 'water'))

dataset = dict(type='RasterLabels', list_file=list_file, classes=classes, tile=128)
train_dataloader = dict(batch_size=16, dataset=dict(**dataset, stride=64))
val_dataloader = dict(batch_size=16, dataset=dataset)
test_dataloader = dict(batch_size=16, dataset=dataset)
val_evaluator = dict(type='SplitIoU', iou_metrics=['mIoU'])
test_evaluator = dict(type='SplitIoU', iou_metrics=['mIoU'])
data_preprocessor = dict(type='MultiBandPreprocessor')
