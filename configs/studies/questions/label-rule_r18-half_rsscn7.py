# Which label a mate gets, where a query meets four of them.
_base_ = ['../measurements_pictures.py', './label_rules.py']

base = '../base_r18-half_rsscn7.py'
images = 24_000
seeds = [0, 1, 2]
