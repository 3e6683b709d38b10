"""Installed as efficientnet_tf.exporting: the folded inference model, one module per format, and the verification."""
