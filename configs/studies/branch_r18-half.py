# The diffusion branch as it is by default, for plans that change one thing about it; the decoder is
# half as wide as for a ResNet-18 of full width.
overrides = {
    'model.lambda_d': 3,
    'model.diffusion.loss.prediction': 'x0',
    'model.diffusion.decoder.skip_noised': False,
    'model.diffusion.decoder.drop_levels': 0.5,
    'model.diffusion.decoder.channels': (16, 24, 32, 48),
    'model.diffusion.schedule.least_signal': 0.2,
}
