# Which label a mate gets, where a query meets a hundred of them.
_base_ = ['../measurements_eurosat.py', './label_rules.py']

base = '../base_r18-half_oscd.py'
images = 32_000
seeds = [0, 1, 2]
