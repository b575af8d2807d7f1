"""A folder laid out as the authors' checkpoint: their small files byte for byte, other weights and merges.

tokenizer.json: 610 entries with the empty token last, 604 merges of which four join a base with it, no
normalizer, no pre-tokenizer. pytorch_model.bin: with the pooler that the masked model does not use.
config.json differs from theirs in the four sizes alone.
"""

import json

import torch
from transformers import BertConfig, BertForMaskedLM

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

CONFIG = """\
{
  "architectures": [
    "BertForMaskedLM"
  ],
  "attention_probs_dropout_prob": 0.1,
  "bos_token_id": 0,
  "do_sample": false,
  "eos_token_ids": 0,
  "finetuning_task": null,
  "hidden_act": "gelu",
  "hidden_dropout_prob": 0.1,
  "hidden_size": 768,
  "id2label": {
    "0": "LABEL_0",
    "1": "LABEL_1"
  },
  "initializer_range": 0.02,
  "intermediate_size": 3072,
  "is_decoder": false,
  "label2id": {
    "LABEL_0": 0,
    "LABEL_1": 1
  },
  "layer_norm_eps": 1e-12,
  "length_penalty": 1.0,
  "max_length": 20,
  "max_position_embeddings": 512,
  "model_type": "bert",
  "num_attention_heads": 12,
  "num_beams": 1,
  "num_hidden_layers": 12,
  "num_labels": 2,
  "num_return_sequences": 1,
  "num_rnn_layer": 1,
  "output_attentions": false,
  "output_hidden_states": false,
  "output_past": true,
  "pad_token_id": 0,
  "pruned_heads": {},
  "repetition_penalty": 1.0,
  "rnn": "lstm",
  "rnn_dropout": 0.0,
  "rnn_hidden": 768,
  "split": 10,
  "temperature": 1.0,
  "top_k": 50,
  "top_p": 1.0,
  "torchscript": false,
  "type_vocab_size": 2,
  "use_bfloat16": false,
  "vocab_size": 609
}
"""

TOKENIZER_CONFIG = """\
{
  "clean_up_tokenization_spaces": true,
  "do_lower_case": false,
  "model_max_length": 512,
  "special_tokens": {
    "mask_token": "[MASK]",
    "pad_token": "[PAD]",
    "sep_token": "[SEP]"
  },
  "tokenize_chinese_chars": false,
  "tokenizer_class": "PreTrainedTokenizerFast",
  "trust_remote_code": true
}
"""

SPECIAL_TOKENS_MAP = """\
{
  "cls_token": "[CLS]",
  "mask_token": "[MASK]",
  "pad_token": "[PAD]"
}
"""


def tokenizer_content(merges, *, bases="ACGT", as_pairs=False):
    """The content of tokenizer.json, of (left, right) merges over the bases in this order."""
    tokens = [*SPECIALS, *bases, *(left + right for left, right in merges), ""]
    listed = [*((base, "") for base in bases), *merges]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    cls, sep = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("[CLS]", "[SEP]"))
    second = [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]
    single = [cls, {"Sequence": {"id": "A", "type_id": 0}}, sep]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": token, **plain} for i, token in enumerate(SPECIALS)],
        "normalizer": None, "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing", "single": single, "pair": [*single, *second],
            "special_tokens": {
                token: {"id": token, "ids": [SPECIALS.index(token)], "tokens": [token]}
                for token in ("[CLS]", "[SEP]")
            },
        },
        "decoder": None,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "[UNK]", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": [list(merge) if as_pairs else " ".join(merge) for merge in listed],
        },
    }


def write_stand_in(folder, merges, **layout):
    """Write the folder; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**json.loads(CONFIG), **SIZES}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "tokenizer_config.json").write_text(TOKENIZER_CONFIG)
    (folder / "special_tokens_map.json").write_text(SPECIAL_TOKENS_MAP)
    content = tokenizer_content(merges, **layout)
    (folder / "tokenizer.json").write_text(json.dumps(content, indent=2))
    torch.save(stand_in_weights(), folder / "pytorch_model.bin")
    return folder


def stand_in_weights():
    """Random weights as they are named in pytorch_model.bin, with the unused pooler."""
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(vocab_size=609, initializer_range=0.3, **SIZES))
    for bias in (weight for name, weight in model.named_parameters() if name.endswith("bias")):
        torch.nn.init.normal_(bias)
    size = SIZES["hidden_size"]
    pooler = {"dense.weight": torch.randn(size, size), "dense.bias": torch.randn(size)}
    return {**model.state_dict(), **{f"bert.pooler.{name}": weight for name, weight in pooler.items()}}
