# Nine times the length of the claim.
_base_ = ['./length_r18-half_rsscn7.py']

images = 216_000
seeds = [0, 1, 2]
