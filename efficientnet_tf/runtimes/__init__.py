"""What runs an exported file: images in, probabilities out. Each runtime is imported on its own."""
