# The claim on Sentinel-2, where patches come from few large scenes: a query meets a hundred keys of
# its own ground, so that what is done with them counts.
#   export OSCD_IMAGES=... OSCD_ROOT=... EUROSAT_ROOT=...
#   python tools/study.py configs/studies/claim_r18-half_oscd.py
_base_ = ['./measurements_oscd.py', './branch_r18-half.py', './parts.py']

base = 'base_r18-half_oscd.py'
images = 32_000
seeds = [0, 1, 2]
