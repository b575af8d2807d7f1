"""What is in a vocabulary: its table beside the paper's, its figure, its stability."""
