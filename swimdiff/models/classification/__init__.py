"""Parts of classification models."""
