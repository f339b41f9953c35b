# Twice the images: without the diffusion branch that takes about the time of the recipe with it.
_base_ = ['./recipe_r18_oscd.py']

images = 76_800
