"""The installed commands; each loads TensorFlow only when it has work to do."""
