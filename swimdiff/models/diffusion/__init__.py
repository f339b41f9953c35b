"""The diffusion constraint: branch, noise schedule, decoder, loss."""
