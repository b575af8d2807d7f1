"""`grover interpret annotate`: which tokens and windows of a genome lie in repeats, genes, states of chromatin."""
