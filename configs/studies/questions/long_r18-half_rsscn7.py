# Six times the length of the claim: for momentum contrast about the time that SwiMDiff takes for
# three times.
_base_ = ['./length_r18-half_rsscn7.py']

images = 144_000
