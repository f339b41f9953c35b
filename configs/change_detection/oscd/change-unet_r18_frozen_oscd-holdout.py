# OSCD's test masks come in an archive of their own. Without them, four labelled cities are held
# out: chosen by place alone (Asia, France twice, North America) and once, before any training;
# saclay_e has dates of different size. paris and bercy are one region, so both stay in training.
# Tune nothing on the held-out cities.
_base_ = './change-unet_r18_frozen_oscd.py'
held_out = ('beihai', 'bordeaux', 'cupertino', 'saclay_e')
kept = ('abudhabi', 'aguasclaras', 'beirut', 'bercy', 'hongkong')
kept += ('mumbai', 'nantes', 'paris', 'pisa', 'rennes')
train_dataloader = dict(dataset=dict(split='oscd_holdout-train', cities=kept))
test_dataloader = dict(dataset=dict(split='oscd_holdout', cities=held_out))
test_evaluator = [dict(type='ChangeMetric', preset='strict')]
