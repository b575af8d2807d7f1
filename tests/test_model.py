import pytest
import torch
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM

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


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_modernbert_has_as_many_parameters_as_bert(size):
    with torch.device("meta"):
        bert, modern = (
            AutoModelForMaskedLM.from_config(grover_config(609, size, architecture)).num_parameters()
            for architecture in ("bert", "modernbert")
        )
    # Less its position embeddings, of which BERT has 512.
    assert abs(modern / (bert - 512 * grover_config(609, size).hidden_size) - 1) < 0.02


def test_dropout_is_one_number_in_every_architecture():
    names = {"bert": ("hidden_dropout_prob", "attention_probs_dropout_prob")}
    names["modernbert"] = ("attention_dropout", "embedding_dropout", "mlp_dropout")
    for architecture, fields in names.items():
        config = grover_config(609, "tiny", architecture, dropout=0.3)
        assert {getattr(config, field) for field in fields} == {0.3}
    with pytest.raises(InputError, match="no architecture 'hyena'; there are bert, modernbert"):
        grover_config(609, "tiny", "hyena")


def test_changes_win_and_unknown_sizes_are_named():
    assert grover_config(609, "tiny", hidden_dropout_prob=0.5).hidden_dropout_prob == 0.5
    with pytest.raises(InputError, match="no model size 'huge'; there are base, small, tiny"):
        grover_config(609, "huge")
