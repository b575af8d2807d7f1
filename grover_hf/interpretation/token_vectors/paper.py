"""What the paper says of its token vectors, as numbers (Results, "GROVER learns token characteristics and some
annotations", and Fig. 4).
"""

from typing import NamedTuple

from grover_hf.analysis.vocabulary.paper import PaperNumber
from grover_hf.interpretation.token_vectors.properties import FREQUENCY, GC


class PaperCorrelation(NamedTuple):
    """Spearman's rho of a component with a property; its sign means nothing, as that of a component."""

    component: int
    property: str
    rho: PaperNumber


def _rho(value: float) -> PaperNumber:
    return PaperNumber(value, n_decimals=2)


MEV_WORD2VEC = PaperNumber(0.15, is_share=True)
MEV_MODEL = PaperNumber(0.035, n_decimals=1, is_share=True)
"""Of "the trained GROVER embedding, averaged per token". Methods say that it is the weights of the layer
'word_embeddings', the captions of Fig. 4 that it is an average: it is set beside both."""
WORD2VEC = (PaperCorrelation(1, GC, _rho(0.93)), PaperCorrelation(2, "AG content", _rho(0.75)))
MODEL = (
    PaperCorrelation(1, FREQUENCY, _rho(0.88)), PaperCorrelation(2, GC, _rho(-0.96)),
    PaperCorrelation(3, "AG content", _rho(0.94)), PaperCorrelation(4, "length", _rho(0.39)),
    PaperCorrelation(5, "AC content", _rho(-0.81)), PaperCorrelation(6, "length", _rho(0.43)),
)
