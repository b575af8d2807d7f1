import pytest
from transformers import BertConfig, BertForMaskedLM

from grover_hf.errors import InputError
from grover_hf.model import grover_config


def test_base_is_the_architecture_of_the_published_checkpoint():
    config = grover_config()
    assert type(config) is BertConfig
    # config.json of PoetschLab/GROVER, revision 6b22311.
    published = {
        "vocab_size": 609, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "layer_norm_eps": 1e-12, "initializer_range": 0.02, "pad_token_id": 0,
    }
    assert {name: getattr(config, name) for name in published} == published


def test_small_and_tiny_are_smaller():
    sizes = [BertForMaskedLM(grover_config(609, size)).num_parameters() for size in ("tiny", "small")]
    assert sizes[0] < 1e6 < sizes[1] < 5e6


def test_changes_win_and_unknown_sizes_are_named():
    assert grover_config(609, "tiny", hidden_dropout_prob=0.5).hidden_dropout_prob == 0.5
    with pytest.raises(InputError, match="no model size 'huge'; there are base, small, tiny"):
        grover_config(609, "huge")
