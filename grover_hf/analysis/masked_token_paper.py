"""What the paper says of masked tokens, as numbers (Results, Fig. 2d-e and 3f-g)."""

from grover_hf.analysis.vocabulary.paper import PaperNumber

ACCURACY = PaperNumber(0.21, is_share=True)
ACCURACY_TOP_60 = PaperNumber(0.75, is_share=True)
""""The top 60 predicted tokens - that is, 10 % of the dictionary"."""
PERPLEXITY = PaperNumber(72)
SHARE_OF_VOCABULARY = PaperNumber(0.12, is_share=True)
PERPLEXITY_OF_KMERS = {4: PaperNumber(65), 5: PaperNumber(216), 6: PaperNumber(1_472)}
SHARE_OF_KMERS = {
    4: PaperNumber(0.25, is_share=True), 5: PaperNumber(0.21, is_share=True), 6: PaperNumber(0.36, is_share=True)
}
BEST_TYPES = ("ATTACAGGC", "TGTAATCCCAGC")
BEST_TYPES_ABOVE = PaperNumber(0.99, is_share=True)
WORST_TYPE = "TTTAGG"
WORST_TYPE_BELOW = PaperNumber(0.01, is_share=True)
AUC_ABOVE = PaperNumber(0.50, is_share=True)
"""Of every type."""
