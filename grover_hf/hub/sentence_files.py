"""The three small files with which `SentenceTransformer("NAMESPACE/NAME")` opens a published model.

It takes the mean over all tokens, [CLS] and [SEP] included, and cuts what is longer than the model's input;
`DnaModel.embed` counts only tokens that spell bases, and reads long sequences in windows. The names of the
classes are those that every version of sentence-transformers since 2.0 reads.
"""

import json
from typing import Any

SENTENCE_FILES = ("modules.json", "1_Pooling/config.json", "sentence_bert_config.json")


def sentence_files(config: dict[str, Any], tokenizer_config: dict[str, Any]) -> dict[str, bytes]:
    """Return the files by name.

    Args:
        config: The content of the model's `config.json`.
        tokenizer_config: The content of `tokenizer_config.json`.
    """
    limits = [tokenizer_config.get("model_max_length"), config.get("max_position_embeddings")]
    known = [limit for limit in limits if isinstance(limit, int) and limit < 10**9]
    classes = "sentence_transformers.models"
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": f"{classes}.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{classes}.Pooling"},
    ]
    pooling = {"word_embedding_dimension": config["hidden_size"], "pooling_mode_mean_tokens": True}
    transformer = {"max_seq_length": min(known, default=None), "do_lower_case": False}
    contents = zip(SENTENCE_FILES, (modules, pooling, transformer), strict=True)
    return {name: (json.dumps(content, indent=2) + "\n").encode() for name, content in contents}
