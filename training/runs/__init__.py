"""What every run has: a recipe, a folder, checkpoints, a launch that ends in order."""
