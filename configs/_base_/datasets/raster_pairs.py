# Own pairs of rasters with polygons or masks of change: a list with the columns before, after and
# labels, ground divided into blocks of 2 km. PAIRS_LIST names the list without touching a config;
# without classes=dict(attribute='class', change=['new building']) in the data sets every polygon is
# change. docs/how-to/labels.md has all options.
_base_ = './raster_windows.py'
list_file = '{{$PAIRS_LIST:data/pairs.csv}}'

dataset = dict(type='RasterPairs', list_file=list_file, tile=96)
train_dataloader = dict(batch_size=32, dataset=dict(**dataset, stride=48, changed_share=0.5))
val_dataloader = dict(batch_size=32, dataset=dataset)
test_dataloader = dict(batch_size=32, dataset=dataset)
val_evaluator = dict(type='ChangeMetric', preset='strict')
test_evaluator = dict(type='ChangeMetric', preset='strict')
data_preprocessor = dict(type='ChangePreprocessor')
