"""Fine-tuning reads rows as inference does, whatever the architecture and the size of a batch."""

import json

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForMaskedLM,
    EsmConfig,
    EsmForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    RobertaForMaskedLM,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from grover_hf.errors import InputError
from grover_hf.inference.dna_model import DnaModel
from grover_hf.metrics.predictions import read_predictions
from tests.tiny_models import random_dna, tiny_tokenizer
from training.finetune import FinetuneRecipe, finetune
from training.runs.recipe import read_recipe

SMALL = {"vocab_size": 17, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
BERT_LIKE = {**SMALL, "intermediate_size": 64, "initializer_range": 0.5}
ESM = {**BERT_LIKE, "pad_token_id": 0, "mask_token_id": 4}


class MeanConfig(PretrainedConfig):
    model_type = "mean-of-embeddings"

    def __init__(self, vocab_size=17, hidden_size=32, **kwargs):
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        super().__init__(**kwargs)


class MeanForSequenceClassification(PreTrainedModel):
    """The mean of embeddings, and a head: forward takes no attention mask, so padding would count."""

    config_class = MeanConfig
    _tied_weights_keys = None

    def __init__(self, config):
        super().__init__(config)
        self.embeddings = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def _init_weights(self, module):
        if module is not self:
            module.weight.data.normal_(std=0.5)

    def forward(self, input_ids, labels=None):
        return SequenceClassifierOutput(logits=self.classifier(self.embeddings(input_ids).mean(1)))


AutoConfig.register("mean-of-embeddings", MeanConfig)
AutoModelForSequenceClassification.register(MeanConfig, MeanForSequenceClassification)

MODELS = {
    "bert": lambda: BertForMaskedLM(BertConfig(**BERT_LIKE, max_position_embeddings=66, pad_token_id=0)),
    # Positions count from behind the padding id: 62 tokens and two special ones fit.
    "roberta": lambda: RobertaForMaskedLM(RobertaConfig(**BERT_LIKE, max_position_embeddings=66, pad_token_id=1)),
    "esm-rotary": lambda: EsmForMaskedLM(
        EsmConfig(**ESM, position_embedding_type="rotary", max_position_embeddings=64)
    ),
    "esm-absolute": lambda: EsmForMaskedLM(
        EsmConfig(**ESM | {"pad_token_id": 1}, position_embedding_type="absolute", max_position_embeddings=66)
    ),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=17, n_embd=32, n_layer=2, n_head=2, n_positions=64, initializer_range=0.5)
    ),
    "mistral": lambda: MistralForCausalLM(
        MistralConfig(
            **BERT_LIKE, num_key_value_heads=2, max_position_embeddings=64, pad_token_id=1, sliding_window=None
        )
    ),
    "no-attention-mask": lambda: MeanForSequenceClassification(MeanConfig(max_position_embeddings=64)),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Sequences of 20 to 300 bases, some of more tokens than the models take."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("rows")
    for name, n_rows in (("train", 32), ("validation", 8), ("test", 38)):
        lengths = rng.integers(20, 300, n_rows).tolist()
        sequences = [random_dna(length, seed) for seed, length in enumerate(lengths, n_rows)]
        labels = [i % 2 for i in range(n_rows)]
        Dataset.from_dict({"sequence": sequences, "label": labels}).to_parquet(folder / f"{name}.parquet")
    return folder


def saved(architecture, folder):
    torch.manual_seed(0)
    MODELS[architecture]().save_pretrained(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("model_max_length", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def recipe(**changes):
    defaults = {
        "learning_rate": 1e-3, "batch_size": 16, "epochs": 1, "patience": 0, "warmup_steps": 1, "seeds": [0],
        "dropout": None, "retokenize": True, "long_input": "windows",
    }
    return read_recipe(FinetuneRecipe, "small_cpu", "finetune", {**defaults, **changes})


@pytest.mark.parametrize("per_device_batch_size", [1, 16])
@pytest.mark.parametrize("architecture", MODELS)
def test_predictions_of_a_fine_tuning_are_those_of_inference(rows, tmp_path, architecture, per_device_batch_size):
    run = tmp_path / "run"
    finetune(recipe(
        dataset=str(rows), model=str(saved(architecture, tmp_path / "model")), output=str(run),
        per_device_batch_size=per_device_batch_size,
    ))
    predictions = read_predictions(run)
    sequences = Dataset.from_parquet(str(rows / "test.parquet"))["sequence"][:]
    opened = DnaModel.from_pretrained(run / "model")
    for max_batch_tokens in (1, 16_384):
        dna = DnaModel(opened.model, opened.tokenizer, max_batch_tokens=max_batch_tokens)
        classes = [{one["label"]: one["score"] for one in answer} for answer in dna.classify(sequences)]
        by_inference = [[of_row["0"], of_row["1"]] for of_row in classes]
        np.testing.assert_allclose(predictions.probabilities[0], by_inference, rtol=0, atol=1e-5)


def test_windows_of_a_model_whose_positions_begin_behind_padding_fit_it(tmp_path):
    dna = DnaModel.from_pretrained(saved("roberta", tmp_path))
    assert dna.reader.rules.window_tokens == 62
    # Its positions were learnt with this id.
    assert dna.model.config.pad_token_id == 1


@pytest.mark.parametrize("architecture", ["gpt2", "mistral"])
def test_a_decoder_takes_the_tokenizers_padding(tmp_path, architecture):
    assert DnaModel.from_pretrained(saved(architecture, tmp_path)).model.config.pad_token_id == 0


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ("ACGU" * 10, "test, row 3 has 'U' at position 3: that is RNA"),
        ("ACG TCA", "test, row 3 has ' ' at position 3: give the bases in one piece"),
        (None, "test, row 3 is not a str of bases but NoneType"),
        ("", "test, row 3 is empty"),
        ("NNNN", "test, row 3 has no A, C, G or T"),
    ],
)
def test_a_row_that_is_not_a_sequence_is_named(tmp_path, sequence, message):
    rows = {"sequence": [random_dna(40, seed) for seed in range(8)], "label": [0, 1] * 4}
    other = rows | {"sequence": [sequence if i == 3 else one for i, one in enumerate(rows["sequence"])]}
    splits = DatasetDict(train=Dataset.from_dict(rows), validation=Dataset.from_dict(rows),
                         test=Dataset.from_dict(other))
    (tmp_path / "rows").mkdir()
    for name, split in splits.items():
        split.to_parquet(tmp_path / "rows" / f"{name}.parquet")
    model = saved("bert", tmp_path / "model")
    with pytest.raises(InputError, match=message):
        finetune(recipe(dataset=str(tmp_path / "rows"), model=str(model), output=str(tmp_path / "run"),
                        per_device_batch_size=4, batch_size=4))


def test_lower_case_is_read_as_upper_case(tmp_path):
    sequences = [random_dna(60, seed) for seed in range(16)]
    model, probabilities = saved("bert", tmp_path / "model"), []
    for name, read in (("upper", sequences), ("lower", [one.lower() for one in sequences])):
        (tmp_path / name).mkdir()
        for split in ("train", "validation", "test"):
            made = Dataset.from_dict({"sequence": read, "label": [0, 1] * 8})
            made.to_parquet(tmp_path / name / f"{split}.parquet")
        finetune(recipe(dataset=str(tmp_path / name), model=str(model), output=str(tmp_path / f"run-{name}"),
                        per_device_batch_size=8, batch_size=8))
        probabilities.append(read_predictions(tmp_path / f"run-{name}").probabilities)
    assert np.array_equal(*probabilities)
