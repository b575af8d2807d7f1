"""The human tasks of the Nucleotide Transformer."""
