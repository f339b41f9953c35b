# Does three times the length tell SwiMDiff from momentum contrast where patches come from few
# large scenes?
_base_ = ['../measurements_oscd.py', '../branch_r18-half.py']

base = '../base_r18-half_oscd.py'
images = 96_000
seeds = [0, 1, 2]
baseline = 'moco'

variants = {
    'moco': {'model.head.rule': 'none', 'model.lambda_d': 0},
    'swimdiff': {},
}
