# Does three times the length tell SwiMDiff from momentum contrast where patches come from few
# large scenes?
_base_ = ['../claim_r18-half_oscd.py']

base = '../base_r18-half_oscd.py'
images = 96_000
