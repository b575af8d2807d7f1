"""Next-k-mer prediction, by which the vocabulary is chosen."""
