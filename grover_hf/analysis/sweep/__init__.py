"""The choice of the vocabulary by next-k-mer prediction (the paper's Fig. 2): scores, figures, the rule."""
