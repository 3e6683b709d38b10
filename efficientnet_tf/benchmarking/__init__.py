"""Networks against the paper's figures and against others; importing the room loads no TensorFlow."""
