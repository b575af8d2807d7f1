"""What is in a vocabulary: its values and the paper's, its figure, its stability."""
