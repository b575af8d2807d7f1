"""What a model's repository answers on the Hub: `handler.py` of an inference endpoint.

The server (huggingface-inference-toolkit) makes one `EndpointHandler` from the repository's folder and
calls it with each request's body. Parameters in the URL (`?task=feature-extraction`) reach it too,
where the body has no "parameters". Whatever it raises, the server answers with status 400 and
{"error": message}; what it returns, with 200, also if that were an error. So a request that cannot be
answered raises `InputError`, whose message is what the caller reads.
"""

from typing import Any

from grover_hf.errors import InputError
from grover_hf.inference.dna_model import DnaModel

_PARAMETERS = {
    "fill-mask": ("top_k", "targets"),
    "feature-extraction": ("pooling", "layer"),
    "text-classification": ("top_k",),
}
_MAX_ANSWER_CHARACTERS = 200_000_000
_CHARACTERS_OF_A_NUMBER = 20


class EndpointHandler:
    """Answers requests: {"inputs": a sequence or a list of them, "parameters": {...}}.

    A request may name its task, in "parameters" or beside them. One that does not is a classification
    where the model is a classifier. A masked language model fills masks if an input has one, or if
    "top_k" or "targets" is given, and embeds otherwise: `InferenceClient.feature_extraction` has no way
    to name a task.

    | task | parameters | answer for one sequence |
    |---|---|---|
    | fill-mask | top_k, targets | see `DnaModel.fill_mask` |
    | feature-extraction | pooling ("mean", "cls"), layer | a vector |
    | feature-extraction | pooling "token", layer | {"input_ids", "embeddings", "starts", "ends"} |
    | text-classification | top_k (all classes, if not given) | a list of {"label", "score"} |

    For a list of sequences the answer is a list of these; a classification is always a list of lists,
    which is what `InferenceClient.text_classification` reads.

    Args:
        path: Folder of the model.
        max_bases: Most letters in a request, all sequences together.
        max_sequences: Most sequences in a request.
    """

    def __init__(self, path: str = "", *, max_bases: int = 1_000_000, max_sequences: int = 10_000) -> None:
        self._dna = DnaModel.from_pretrained(path or ".")
        self._max_bases = max_bases
        self._max_sequences = max_sequences

    def __call__(self, data: dict[str, Any]) -> Any:
        """Return the answer to a request, of lists, dicts, str, int and float alone.

        Raises:
            InputError: If it has no inputs, too much of them, something that is not DNA, a task that the
                model cannot do, or a parameter that the task does not know.
        """
        if not isinstance(data, dict) or "inputs" not in data:
            raise InputError('The request has no inputs: give {"inputs": a sequence, or a list of them}.')
        parameters = data.get("parameters") or {}
        inputs = data["inputs"]
        sequences = [inputs] if isinstance(inputs, str) else inputs
        if not isinstance(sequences, list) or not isinstance(parameters, dict):
            raise InputError("inputs are a sequence or a list of them, parameters are an object.")
        if len(sequences) > self._max_sequences:
            raise InputError(
                f"The inputs are {len(sequences):,} sequences; one request takes up to {self._max_sequences:,}."
            )
        n_bases = sum(len(sequence) for sequence in sequences if isinstance(sequence, str))
        if n_bases > self._max_bases:
            raise InputError(f"The inputs have {n_bases:,} letters; one request takes up to {self._max_bases:,}.")
        # InferenceClient.feature_extraction sends its parameters beside the inputs.
        beside = {name: value for name, value in data.items() if name not in ("inputs", "parameters")}
        given = {name: value for name, value in {**beside, **parameters}.items() if value is not None}
        task = given.pop("task", None) or self._task(sequences, given)
        if not isinstance(task, str) or task not in _PARAMETERS:
            raise InputError(f"There is no task {task!r}; there are {', '.join(_PARAMETERS)}.")
        if unknown := sorted(set(given) - set(_PARAMETERS[task])):
            raise InputError(f"{task} knows no {', '.join(unknown)}; it takes {', '.join(_PARAMETERS[task])}.")
        for name in {"top_k", "layer"} & set(given):
            given[name] = _integer(name, given[name])
        if task == "text-classification":
            return self._classes(sequences, **given)
        answers = self._filled(sequences, **given) if task == "fill-mask" else self._vectors(sequences, **given)
        return answers[0] if isinstance(inputs, str) else answers

    def _task(self, sequences: list[str], parameters: dict[str, Any]) -> str:
        if self._dna.has_head("ForSequenceClassification"):
            return "text-classification"
        asks_for_tokens = "top_k" in parameters or "targets" in parameters or any(map(self._n_masks, sequences))
        return "fill-mask" if self._dna.has_head("ForMaskedLM") and asks_for_tokens else "feature-extraction"

    def _n_masks(self, sequence: object) -> int:
        mask_token = self._dna.tokenizer.mask_token
        return sequence.count(mask_token) if mask_token and isinstance(sequence, str) else 0

    def _filled(self, sequences: list[str], *, top_k: int = 5, targets: Any = None) -> list[Any]:
        if targets is not None and not (isinstance(targets, list) and all(isinstance(t, str) for t in targets)):
            raise InputError("targets is a list of tokens.")
        n_answers = top_k if targets is None else min(top_k, len(targets))
        masked = [(n_masks, sequence) for sequence in sequences if (n_masks := self._n_masks(sequence))]
        _check_size(sum(n_masks * n_answers * len(sequence) for n_masks, sequence in masked))
        return self._dna.fill_mask(sequences, top_k=top_k, targets=targets)

    def _vectors(self, sequences: list[str], *, pooling: Any = "mean", layer: int = -1) -> list[Any]:
        if pooling != "token":
            _check_size(len(sequences) * self._dna.model.config.hidden_size * _CHARACTERS_OF_A_NUMBER)
            return list(self._dna.embed(sequences, pooling=pooling, layer=layer).tolist())
        of_tokens = self._dna.embed_tokens(sequences, layer=layer)
        _check_size(sum(found.vectors.size for found in of_tokens) * _CHARACTERS_OF_A_NUMBER)
        return [
            {
                "input_ids": found.input_ids.tolist(), "embeddings": found.vectors.tolist(),
                "starts": found.starts.tolist(), "ends": found.ends.tolist(),
            }
            for found in of_tokens
        ]

    def _classes(self, sequences: list[str], *, top_k: int | None = None) -> list[Any]:
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k is {top_k}; it is how many classes you want, 1 or more.")
        return [classes[:top_k] for classes in self._dna.classify(sequences)]


def _integer(name: str, value: object) -> int:
    """Return a whole number; one from a URL comes as text."""
    try:
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass
    raise InputError(f"{name} is {value!r}; it is a whole number.")


def _check_size(n_characters: int) -> None:
    if n_characters > _MAX_ANSWER_CHARACTERS:
        raise InputError(
            f"The answer would have about {n_characters:,} characters, and one answer has up to "
            f"{_MAX_ANSWER_CHARACTERS:,}: ask for fewer or shorter sequences, or for less of each."
        )
