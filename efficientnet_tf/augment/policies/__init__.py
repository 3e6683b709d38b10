"""Policies as tables and the grammar of `--augment`; no TensorFlow."""
