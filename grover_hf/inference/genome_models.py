"""Models for whole genomes: the encoder of their tokenizer, classifiers that share it, names of class scores."""

import re
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


def classifier_like(name: str, encoder: Encoder, other: str) -> DnaModel:
    """Open a fine-tuned classifier that takes the tokens of another model.

    Args:
        name: Its folder, or name on the Hub.
        encoder: The vocabulary of the other model.
        other: What to call that in an error.

    Raises:
        InputError: If it cannot be opened, is no classifier, or has another vocabulary.
    """
    classifier = DnaModel.opened(name, None)
    classifier.require_classes()
    if encoder_of(classifier, name).vocabulary_sha256 != encoder.vocabulary_sha256:
        raise InputError(f"The classifier {name} has another vocabulary than {other}: their tokens differ.")
    labels = [str(label) for label in classifier.model.config.id2label.values()]
    if len({class_key(label) for label in labels}) < len(labels):
        raise InputError(
            f"The classes {', '.join(labels)} of {name} have one name in a file, where letters, digits, _ and . "
            "alone are written; give the model's id2label others."
        )
    return classifier


def class_key(label: str) -> str:
    """Return the name of a class's score, of letters that a key in VCF, a file and a track may have.

    >>> class_key("no promoter")
    'class_no_promoter'
    """
    return "class_" + re.sub(r"[^0-9A-Za-z_.]", "_", label)
