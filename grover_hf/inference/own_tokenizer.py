"""The encoder of a model's own tokenizer, for tokens of a genome that the model can take."""

import tempfile

from grover_hf.errors import InputError
from grover_hf.inference.dna_model import DnaModel
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import load_encoder


def encoder_of(dna: DnaModel, name: str) -> Encoder:
    """Return the encoder of a model's tokenizer, wherever that came from.

    Args:
        dna: The model.
        name: What to call it in an error.

    Raises:
        InputError: If its tokenizer is none of ours: the tokens of a genome cannot be had.
    """
    with tempfile.TemporaryDirectory() as scratch:
        dna.tokenizer.save_pretrained(scratch)
        try:
            return load_encoder(scratch)
        except InputError as error:
            raise InputError(
                f"The tokenizer of {name} is none of ours ({error}): the genome's own tokens cannot be had. "
                "DnaModel takes sequences."
            ) from error
