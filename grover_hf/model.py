"""The architecture: a stock configuration of transformers, so that AutoModel needs no code of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from grover_hf._internals.files import sha256_of_files
from grover_hf.errors import InputError
from grover_hf.tokenization.special_tokens import CLS_ID, MODEL_MAX_LENGTH, PAD_ID, SEP_ID

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Size = Literal["base", "small", "tiny"]
Architecture = Literal["bert", "modernbert"]
ARCHITECTURES = ("bert", "modernbert")

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


def identity_of_model(name: str, revision: str | None) -> dict[str, str | None]:
    """Return what tells a model from others of its name: its commit on the Hub, or the SHA-256 of its weights."""
    from transformers.utils.hub import cached_file, extract_commit_hash

    if Path(name).is_dir():
        return {"revision": None, "sha256": weights_sha256(Path(name))}
    config = cached_file(name, "config.json", revision=revision)
    return {"revision": extract_commit_hash(config, None) or revision, "sha256": None}


def grover_config(
    vocab_size: int = 609, size: Size = "base", architecture: Architecture = "bert", *, dropout: float = 0.1,
    **changes: Any,
) -> PretrainedConfig:
    """Return the configuration of a GROVER model.

    "base" of "bert" is the architecture of the published checkpoint: BERT-base with 512 positions and
    dropout 0.1 (the paper's text says 0.5; the checkpoint decides, see docs/readings.md).

    "modernbert" is that of Warner et al. 2024: rotary positions, gated feed-forward networks, two layers of three
    that attend to 64 tokens on each side, normalization before each block. It has about as many parameters,
    but for positions, which it has no table of.

    Args:
        vocab_size: Number of token ids: 609 for 600 cycles.
        size: "base", "small" or "tiny".
        architecture: "bert" or "modernbert".
        dropout: Of hidden layers and attention.
        changes: Other fields of `BertConfig` or `ModernBertConfig`.

    Raises:
        InputError: If there is no such size or architecture.

    Examples:
        >>> from grover_hf import grover_config
        >>> config = grover_config(vocab_size=609, size="tiny")
        >>> config.hidden_size, config.max_position_embeddings
        (128, 512)
    """
    from transformers import BertConfig, ModernBertConfig

    if size not in _SIZES:
        raise InputError(f"There is no model size {size!r}; there are {', '.join(SIZES)}.")
    if architecture not in ARCHITECTURES:
        raise InputError(f"There is no architecture {architecture!r}; there are {', '.join(ARCHITECTURES)}.")
    fields: dict[str, Any] = {
        "vocab_size": vocab_size, "max_position_embeddings": MODEL_MAX_LENGTH, "pad_token_id": PAD_ID,
        **_SIZES[size],
    }
    if architecture == "modernbert":
        fields |= {
            # Three matrices where BERT has two.
            "intermediate_size": 8 * round(fields["intermediate_size"] * 2 / 3 / 8),
            "bos_token_id": CLS_ID, "cls_token_id": CLS_ID, "eos_token_id": SEP_ID, "sep_token_id": SEP_ID,
            **dict.fromkeys(("attention_dropout", "embedding_dropout", "mlp_dropout"), dropout),
        }
        return ModernBertConfig(**fields | changes)
    fields |= {
        "type_vocab_size": 2, "hidden_act": "gelu", "initializer_range": 0.02, "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout,
    }
    return BertConfig(**fields | changes)
