"""The model of a pretraining, of a stock architecture: random weights, others to begin with, or given ones."""

from pathlib import Path
from typing import Any, Protocol

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoModelForMaskedLM, BertForMaskedLM, PretrainedConfig, PreTrainedModel

from grover_hf.baselines.neighbour_counts import count_pairs
from grover_hf.corpus.window_store import WindowStore
from grover_hf.errors import InputError
from grover_hf.model import grover_config, weights_sha256
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import load_encoder
from grover_hf.tokenization.identity import require_same_vocabulary
from training.data.padding_free import padding_free_attention
from training.initialization import (
    INITIALIZATIONS,
    NEIGHBOUR_COUNTS,
    STOCK,
    begin_with_pairs,
    look_at_neighbours,
    predict_frequencies,
    weight_std,
)

BERT = "bert"


class MaskedModelChoice(Protocol):
    """The fields of a recipe that say which model."""

    @property
    def architecture(self) -> str: ...
    @property
    def size(self) -> str: ...
    @property
    def dropout(self) -> float: ...
    @property
    def initialization(self) -> str: ...
    @property
    def tie_embeddings(self) -> bool: ...
    @property
    def init_from(self) -> str | None: ...
    @property
    def attention(self) -> str: ...
    @property
    def padding_free(self) -> bool: ...
    @property
    def seed(self) -> int: ...


def new_masked_model(recipe: MaskedModelChoice, encoder: Encoder) -> PreTrainedModel:
    """Return the model of a recipe, with random weights or those of `init_from`; `begin` does the rest.

    Raises:
        InputError: If the recipe asks for what cannot be, or the given weights are of another vocabulary or model.
    """
    if recipe.initialization not in INITIALIZATIONS:
        raise InputError(f"initialization is {recipe.initialization!r}; it is {', '.join(INITIALIZATIONS)}.")
    if recipe.initialization == NEIGHBOUR_COUNTS and recipe.tie_embeddings:
        raise InputError(f"initialization {NEIGHBOUR_COUNTS} needs tie_embeddings: false.")
    if recipe.architecture != BERT and (recipe.initialization != STOCK or recipe.padding_free):
        odd = "padding_free" if recipe.padding_free else f"initialization {recipe.initialization}"
        raise InputError(f"{odd} is for architecture {BERT}; this one is {recipe.architecture}.")
    config = grover_config(
        len(encoder.tokens), recipe.size, recipe.architecture,  # type: ignore[arg-type]
        dropout=recipe.dropout, tie_word_embeddings=recipe.tie_embeddings,
        attn_implementation=padding_free_attention(recipe.attention) if recipe.padding_free else recipe.attention,
    )
    if recipe.initialization != STOCK:
        config.initializer_range = weight_std(config.hidden_size)
    transformers.set_seed(recipe.seed)
    try:
        model: PreTrainedModel
        if recipe.init_from is None:
            model = AutoModelForMaskedLM.from_config(config)
        else:
            model = _given(recipe, encoder, config)
    except InputError:
        raise
    except (ValueError, ImportError) as error:
        raise InputError(f"attention is {recipe.attention!r}, which cannot be used here: {error}") from error
    if isinstance(model, BertForMaskedLM):
        _keep_one_bias(model)
    return model


def begin(model: PreTrainedModel, recipe: MaskedModelChoice, train: WindowStore) -> None:
    """Give a model the weights that its recipe begins with; `training.initialization` says which.

    Args:
        model: From `new_masked_model`; changed in place.
        recipe: Its recipe.
        train: The windows that it will be trained on; what is counted in them is what training sees anyway.
    """
    if recipe.initialization == STOCK:
        return
    assert isinstance(model, BertForMaskedLM)
    singles, pairs = count_pairs(train.input_ids, train.borders, model.config.vocab_size)
    if recipe.initialization == NEIGHBOUR_COUNTS:
        begin_with_pairs(model, singles, pairs, seed=recipe.seed)
    else:
        look_at_neighbours(model)
        predict_frequencies(model, singles)


def digest_of_given(recipe: MaskedModelChoice) -> str | None:
    """Return the SHA-256 of the weights that a training begins with; None if they are random."""
    return None if recipe.init_from is None else weights_sha256(Path(recipe.init_from))


def _given(recipe: MaskedModelChoice, encoder: Encoder, wanted: PretrainedConfig) -> PreTrainedModel:
    folder = Path(str(recipe.init_from))
    if recipe.initialization != STOCK:
        raise InputError("init_from gives all weights: leave initialization out, or say --initialization stock.")
    if not (folder / "config.json").exists():
        raise InputError(
            f"init_from is {folder}, which has no config.json: name the folder of a model (one on the Hub comes "
            "with `hf download`)."
        )
    require_same_vocabulary(
        load_encoder(folder).vocabulary_sha256, encoder.vocabulary_sha256, what=f"the model {folder}",
        other="the tokenizer of this training",
    )
    try:
        has = transformers.AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}/config.json cannot be read: {' '.join(str(error).split())}") from error
    for name in (
        "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "max_position_embeddings", "tie_word_embeddings",
    ):
        if (given := getattr(has, name, None)) != getattr(wanted, name):
            raise InputError(f"{folder} has {name} {given}; this recipe has {getattr(wanted, name)}.")
    try:
        opened: Any = AutoModelForMaskedLM.from_pretrained(
            folder, config=wanted, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, SafetensorError) as error:
        raise InputError(f"The weights of {folder} cannot be read: {error}") from error
    model, loaded = opened
    if missing := sorted(loaded["missing_keys"]):
        raise InputError(f"{folder} has no weights for {missing[0]}: it is no masked model.")
    return model  # type: ignore[no-any-return]


def _keep_one_bias(model: BertForMaskedLM) -> None:
    """Where BERT's output embedding is its own, keep the head's other bias equal to the one that is used.

    Transformers 5 reads `decoder.bias` then and never `bias`, which version 4 reads: files have both, alike.
    """
    head = model.cls.predictions
    if model.config.tie_word_embeddings:
        return
    if head.bias is head.decoder.bias:
        # Transformers 4 would leave `decoder.bias` out of the file, and version 5 then begin it at 0.
        head.decoder.bias = torch.nn.Parameter(head.bias.detach().clone())
    head.bias.requires_grad = False

    def alike(_: torch.nn.Module, state: dict[str, torch.Tensor], prefix: str, __: object) -> None:
        state[f"{prefix}bias"] = state[f"{prefix}decoder.bias"].clone()

    head.register_state_dict_post_hook(alike)
