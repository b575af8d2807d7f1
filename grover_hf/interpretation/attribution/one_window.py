"""A region's tokens as one input of a model: gradients and attention are of what a model reads at once."""

from typing import NamedTuple

import torch

from grover_hf.corpus.token_lookup import IntervalTokens
from grover_hf.errors import InputError
from grover_hf.inference.dna_model import DnaModel


class OneWindow(NamedTuple):
    """An input, special tokens included."""

    inputs: dict[str, torch.Tensor]
    """As the model's forward takes them, each (1, n_columns)."""
    own: slice
    """The columns of the region's own tokens."""


def one_window(dna: DnaModel, tokens: IntervalTokens, shown: str) -> OneWindow:
    """Return the input that the tokens of a region make.

    Args:
        dna: The model.
        tokens: Those of the region.
        shown: The region, for errors.

    Raises:
        InputError: If the region has more tokens than the model takes at once or a gap (N), or the model has no
            row for one of them.
    """
    [read] = dna.reader.read([tokens])
    rules = dna.reader.rules
    if len(read.runs) > 1:
        raise InputError(
            f"{shown} has N in it: {len(read.runs)} stretches of tokens, which a model cannot read at once. Give "
            "them as regions of their own."
        )
    if len(read.input_ids) > rules.window_tokens:
        raise InputError(
            f"{shown} has {len(read.input_ids):,} tokens; the model takes {rules.window_tokens:,} at once. Cut "
            "it, or take --method mutagenesis with a masked language model, which takes any length."
        )
    n_rows = dna.model.get_input_embeddings().num_embeddings
    if read.input_ids.max() >= n_rows:
        raise InputError(f"The model has {n_rows} rows, and none for the id {read.input_ids.max()} in {shown}.")
    input_ids, attention_mask = rules.batch([read.input_ids])
    inputs = {"input_ids": torch.from_numpy(input_ids).to(dna.model.device)}
    if rules.takes_mask:
        inputs["attention_mask"] = torch.from_numpy(attention_mask).to(dna.model.device)
    first = len(rules.before)
    return OneWindow(inputs, slice(first, first + len(read.input_ids)))
