"""The architecture: a stock `BertConfig`, so that AutoModel needs no code of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from grover_hf._internals.files import sha256_of_files
from grover_hf.errors import InputError
from grover_hf.tokenization.special_tokens import MODEL_MAX_LENGTH, PAD_ID

if TYPE_CHECKING:
    from transformers import BertConfig

Size = Literal["base", "small", "tiny"]

_SIZES: dict[str, dict[str, int]] = {
    # The published checkpoint (config.json of PoetschLab/GROVER at 6b22311): BERT-base.
    "base": {
        "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
    },
    # Ours: trains in about 20 minutes on a laptop, for tasks that need some pretrained model.
    "small": {
        "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024,
    },
    # Ours: for demonstrations and tests.
    "tiny": {
        "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512,
    },
}
SIZES = tuple(_SIZES)


def weights_sha256(folder: Path) -> str:
    """Return the SHA-256 of the SHA-256 of the files with weights, in the order of their names."""
    return sha256_of_files(sorted([*folder.glob("model*.safetensors"), *folder.glob("pytorch_model*.bin")]))


def grover_config(vocab_size: int = 609, size: Size = "base", **changes: Any) -> BertConfig:
    """Return the configuration of a GROVER model.

    "base" is the architecture of the published checkpoint: BERT-base with 512 positions and
    dropout 0.1 (the paper's text says 0.5; the checkpoint decides, see docs/readings.md).

    Args:
        vocab_size: Number of token ids: 609 for 600 cycles.
        size: "base", "small" or "tiny".
        changes: Fields of `BertConfig` to set otherwise.

    Raises:
        InputError: If there is no such size.

    Examples:
        >>> from grover_hf import grover_config
        >>> config = grover_config(vocab_size=609, size="tiny")
        >>> config.hidden_size, config.max_position_embeddings
        (128, 512)
    """
    from transformers import BertConfig

    if size not in _SIZES:
        raise InputError(f"There is no model size {size!r}; there are {', '.join(SIZES)}.")
    fields: dict[str, Any] = {
        "vocab_size": vocab_size,
        "max_position_embeddings": MODEL_MAX_LENGTH,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-12,
        "pad_token_id": PAD_ID,
        **_SIZES[size],
        **changes,
    }
    return BertConfig(**fields)
