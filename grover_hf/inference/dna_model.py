"""A trained model on DNA of any length: masks filled, embeddings, logits, classes.

Long inputs are read in windows (`reader`, `windows`), and each token's output is taken from the window in
which it is most central. The handler of an endpoint, which can import nothing of ours, is made from the
source of this module and of those it imports (`endpoint_source`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from grover_hf.errors import InputError
from grover_hf.inference.input_rules import InputRules, share_pad_id
from grover_hf.inference.reader import Batch, LocatedTokens, SequenceReader, Tokenized, Window
from grover_hf.inference.windows import sum_by_owner

Pooling = Literal["mean", "cls"]
Inputs = Sequence[str | LocatedTokens]
Forward = Callable[[dict[str, torch.Tensor]], torch.Tensor]

# With 16,384 a small model is a quarter slower on one core (benchmarks/embedding.py).
_TOKENS_ON_CPU, _TOKENS_ON_GPU = 2_048, 16_384

_HEADS = {
    "ForMaskedLM": AutoModelForMaskedLM,
    "ForSequenceClassification": AutoModelForSequenceClassification,
}


@dataclass(frozen=True, eq=False)
class TokenEmbeddings:
    """The vectors of an input's tokens, and where each token lies."""

    input_ids: NDArray[np.int64]
    """Shape (L,), without special tokens."""
    vectors: NDArray[np.float32]
    """Shape (L, H)."""
    starts: NDArray[np.int64]
    """In letters of the sequence as it was given, shape (L,); a mask is one token of as many letters as it is
    written with. Located tokens keep their own coordinates."""
    ends: NDArray[np.int64]
    """Exclusive, shape (L,)."""

    def __repr__(self) -> str:
        """Say how many tokens there are."""
        return f"TokenEmbeddings({len(self.input_ids)} tokens, vectors of {self.vectors.shape[1]})"


@dataclass(frozen=True, eq=False)
class TokenLogits:
    """What a masked language model says for each token of an input, and where each token lies."""

    input_ids: NDArray[np.int64]
    """Shape (L,), without special tokens."""
    logits: NDArray[np.float32]
    """Over the vocabulary, shape (L, V)."""
    starts: NDArray[np.int64]
    """As in `TokenEmbeddings`."""
    ends: NDArray[np.int64]
    """Exclusive, shape (L,)."""

    def __repr__(self) -> str:
        """Say how many tokens there are."""
        return f"TokenLogits({len(self.input_ids)} tokens, logits over {self.logits.shape[1]} ids)"


class DnaModel:
    """A model and its tokenizer, for sequences and tokens of any length.

    Every method takes a list. Each item is a sequence, which the model's tokenizer reads as it stands
    (`genome.letters.normalized` says what a sequence is); or tokens with coordinates, such as
    `TokenizedGenome.tokens_in` gives: these are the genome's own tokens, which do not depend on where one
    cuts. Windows do not cross a gap in their coordinates. What an item gives does not depend on the rest
    of the list. Anything else is an `InputError`.

    Args:
        model: An encoder of `transformers`, with any head; it is set to evaluation.
        tokenizer: Its tokenizer.
        max_batch_tokens: Most tokens that the model computes at once, padding included. By default 16,384, and
            2,048 on a CPU, whose cache they fit into.

    Raises:
        InputError: If nothing says how long an input may be, or no room is left for a sequence.

    Examples:
        >>> dna = DnaModel.from_pretrained("quickstart/run/model", device="cpu")
        >>> dna.embed(["ACGT" * 1000, "TTAGGG" * 50]).shape
        (2, 128)
        >>> tokens = dna.embed_tokens(["ACGTTTTTGGGCATTACAGG"])[0]
        >>> tokens.starts.tolist(), tokens.vectors.shape
        ([0, 1, 5, 9, 13, 16], (6, 128))
        >>> answers = dna.fill_mask(["ATTACAGGCATGAGCC[MASK]GCCTGGCC"], top_k=3)[0]
        >>> len(answers), sorted(answers[0])
        (3, ['score', 'sequence', 'token', 'token_str'])
    """

    def __init__(self, model: Any, tokenizer: Any, *, max_batch_tokens: int | None = None) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        share_pad_id(model, tokenizer)
        rules = InputRules.of(model, tokenizer)
        n_tokens = max_batch_tokens or (_TOKENS_ON_CPU if model.device.type == "cpu" else _TOKENS_ON_GPU)
        self.reader = SequenceReader(rules, tokenizer, n_tokens)

    def __repr__(self) -> str:
        """Say which model it is, how large, and what it takes at once."""
        n_parameters = sum(parameter.numel() for parameter in self.model.parameters())
        return (
            f"DnaModel({type(self.model).__name__}, {n_parameters / 1e6:,.1f} M parameters, "
            f"{self.reader.spells_bases.size} token ids, windows of {self.reader.rules.window_tokens} tokens)"
        )

    @classmethod
    def from_pretrained(cls, path: str | Path, *, device: str | None = None, **where: Any) -> "DnaModel":
        """Open a checkpoint with the head that it was saved with.

        Args:
            path: A folder, or a name on the Hub.
            device: Such as "cuda:1"; by default a GPU if there is one, else the CPU.
            where: `revision`, `token`, `cache_dir` and the like, for model and tokenizer.
        """
        architecture = (AutoConfig.from_pretrained(path, **where).architectures or [""])[0]
        opener = next((auto for head, auto in _HEADS.items() if architecture.endswith(head)), AutoModel)
        model = opener.from_pretrained(path, **where)
        tokenizer = AutoTokenizer.from_pretrained(path, **where)
        return cls(model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")), tokenizer)

    @classmethod
    def opened(cls, name: str, revision: str | None) -> "DnaModel":
        """Open a checkpoint for a command.

        Raises:
            InputError: If it cannot be opened, whatever is wrong with it, or has no tokenizer.json.
        """
        folder = Path(name)
        for needed in ("config.json", "tokenizer_config.json"):
            if folder.is_dir() and not (folder / needed).exists():
                raise InputError(f"The model {name} cannot be opened: it has no {needed}.")
        try:
            return cls.from_pretrained(name, **({} if revision is None else {"revision": revision}))
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            where_looked = "" if folder.exists() else "There is no such folder; as a name on the Hub: "
            why = " ".join(str(error).split())
            raise InputError(f"The model {name} cannot be opened. {where_looked}{why}") from error

    def has_head(self, head: str) -> bool:
        """Say whether the model is one "ForMaskedLM", say, or "ForSequenceClassification"."""
        return type(self.model).__name__.endswith(head)

    def fill_mask(
        self, sequences: Inputs, *, top_k: int = 5, targets: Sequence[str] | None = None
    ) -> list[list[Any]]:
        """Return the best tokens for each mask, in the form of the pipeline "fill-mask" of transformers.

        Args:
            sequences: Each with one mask or more, written as the tokenizer's `mask_token`.
            top_k: How many tokens for each mask; no more than there are targets.
            targets: The only tokens to choose from; their probabilities are those among all tokens.

        Returns:
            For each sequence a list of {"score", "token", "token_str", "sequence"}, the best first; with
            several masks a list of such lists. "score" is a probability; "sequence" is the sequence in
            upper case with this mask filled, and N and other masks as they were.

        Raises:
            InputError: If the model has no masked-token head, a sequence no mask, or a target no id.
        """
        self.require_masked_head()
        # A model may have more rows than there are tokens, and the authors' has one fewer.
        n_tokens = min(len(self.tokenizer), self.model.config.vocab_size)
        if not isinstance(top_k, int) or not 1 <= top_k <= n_tokens:
            raise InputError(f"top_k is {top_k}; it goes from 1 to the {n_tokens} tokens of the vocabulary.")
        candidates = np.arange(n_tokens) if targets is None else self._target_ids(targets)
        read = self.reader.read(sequences, masks=True)
        answers = []
        for one, p_tokens in zip(read, self._at_masks(read), strict=True):
            best = torch.from_numpy(p_tokens[:, candidates]).topk(min(top_k, len(candidates)))
            answers.append(self._filled(one.text, best.values.numpy(), candidates[best.indices.numpy()]))
        return answers

    def mask_probabilities(self, sequences: Inputs) -> list[NDArray[np.float32]]:
        """Return the probability of every id at each mask of each input, shape (n_masks, V).

        Args:
            sequences: Each with one mask or more.

        Raises:
            InputError: If the model has no masked-token head, or an input no mask.
        """
        self.require_masked_head()
        return self._at_masks(self.reader.read(sequences, masks=True))

    def _at_masks(self, read: list[Tokenized]) -> list[NDArray[np.float32]]:
        is_mask = [tokens.input_ids == self.tokenizer.mask_token_id for tokens in read]
        if missing := [number for number, masked in enumerate(is_mask) if not masked.any()]:
            raise InputError(f"sequences[{missing[0]}] has no {self.tokenizer.mask_token} to fill.")
        windows = [
            window
            for window in self.reader.windows(read)
            if is_mask[window.sequence][window.start + window.first : window.start + window.last].any()
        ]
        owners, probabilities = [], []
        for batch, logits in self._run(read, windows, lambda inputs: self.model(**inputs).logits):
            row, column = np.nonzero(batch.share & (batch.input_ids == self.tokenizer.mask_token_id))
            at_masks = logits[torch.from_numpy(row), torch.from_numpy(column)].float().softmax(-1)
            owners.append(batch.owner[row])
            probabilities.append(at_masks.cpu().numpy())
        in_order = np.argsort(np.concatenate(owners), kind="stable")
        ends = np.cumsum([np.count_nonzero(masked) for masked in is_mask])[:-1]
        return np.split(np.concatenate(probabilities)[in_order], ends)

    def embed(
        self, sequences: Inputs, *, pooling: Pooling = "mean", layer: int = -1
    ) -> NDArray[np.float32]:
        """Return one vector for each sequence, shape (n_sequences, H).

        Args:
            sequences: Without masks.
            pooling: "mean": of the tokens that spell bases, once the windows are merged; special tokens,
                [UNK] and N do not count. "cls": the vector of [CLS]; over several windows their mean,
                each weighted by how many of those tokens get their output there.
            layer: 0 is what enters the first layer, -1 what leaves the last.

        Raises:
            InputError: If there is no such pooling or layer, or the tokenizer puts no [CLS].
        """
        cls_id, before = self.tokenizer.cls_token_id, self.reader.rules.before
        self.require_embedding(pooling=pooling, layer=layer)
        hidden_states = self._hidden_states(layer)
        read = self.reader.read(sequences)
        n_counted = np.array([np.count_nonzero(tokens.spells_bases) for tokens in read])
        owners, parts = [], []
        for batch, hidden in self._run(read, self.reader.windows(read), hidden_states):
            counted = batch.share & self.reader.spells_bases[batch.input_ids]
            if pooling == "mean":
                weights = torch.from_numpy(counted / n_counted[batch.owner, None])
                part = torch.einsum("bl,blh->bh", weights.to(hidden.device, torch.float32), hidden.float())
            else:
                weights = torch.from_numpy(counted.sum(1) / n_counted[batch.owner])
                part = weights.to(hidden.device, torch.float32)[:, None] * hidden[:, before.index(cls_id)].float()
            owners.append(batch.owner)
            parts.append(part.cpu().numpy())
        return sum_by_owner(np.concatenate(owners), np.concatenate(parts), len(read)).astype(np.float32)

    def require_embedding(self, *, pooling: str, layer: int) -> None:
        """Raise `InputError` if `embed` has no such pooling or layer, before any work."""
        if pooling not in ("mean", "cls"):
            raise InputError(f"There is no pooling {pooling!r}; there are mean and cls.")
        if pooling == "cls" and self.tokenizer.cls_token_id not in self.reader.rules.before:
            raise InputError("The model's tokenizer puts no [CLS] before a sequence; take the mean.")
        self._hidden_states(layer)

    def require_masked_head(self) -> None:
        """Raise `InputError` if the model predicts no masked tokens."""
        if not self.has_head("ForMaskedLM") or self.tokenizer.mask_token is None:
            raise InputError(f"{type(self.model).__name__} with its tokenizer is not a masked language model.")

    def require_classes(self) -> None:
        """Raise `InputError` if the model is not a classifier whose classes exclude each other."""
        config = self.model.config
        if not self.has_head("ForSequenceClassification"):
            raise InputError(f"{type(self.model).__name__} has no classes: it is not a fine-tuned classifier.")
        if config.problem_type not in (None, "single_label_classification") or config.num_labels < 2:
            raise InputError("The outputs of this model are not probabilities of classes that exclude each other.")

    def embed_tokens(self, sequences: Inputs, *, layer: int = -1) -> list[TokenEmbeddings]:
        """Return the vectors of each sequence's tokens, with where they lie in the sequence as it was given.

        Args:
            sequences: Masks are allowed.
            layer: 0 is what enters the first layer, -1 what leaves the last.

        Raises:
            InputError: If there is no such layer, or the tokenizer does not know where its tokens lie.
        """
        read, vectors = self._of_each_token(sequences, self._hidden_states(layer))
        return [
            TokenEmbeddings(tokens.input_ids, values, tokens.starts, tokens.ends)
            for tokens, values in zip(read, vectors, strict=True)
        ]

    def token_logits(self, sequences: Inputs) -> list[TokenLogits]:
        """Return what a masked language model says for each token, masked or not, with where tokens lie.

        Args:
            sequences: Masks are allowed.

        Raises:
            InputError: If the model has no masked-token head, or the tokenizer does not know where its
                tokens lie.
        """
        self.require_masked_head()
        read, logits = self._of_each_token(sequences, lambda inputs: self.model(**inputs).logits)
        return [
            TokenLogits(tokens.input_ids, values, tokens.starts, tokens.ends)
            for tokens, values in zip(read, logits, strict=True)
        ]

    def classify(self, sequences: Inputs) -> list[list[dict[str, Any]]]:
        """Return all classes of each sequence as {"label", "score"}, the most probable first.

        Scores are the softmax of the mean of the windows' logits, as a fine-tuning scores long inputs.

        Args:
            sequences: Without masks.

        Raises:
            InputError: If the model is not a classifier, or one whose classes do not exclude each other.
        """
        config = self.model.config
        self.require_classes()
        read = self.reader.read(sequences)
        windows = self.reader.windows(read)
        n_windows = np.bincount([window.sequence for window in windows])
        owners, logits = [], []
        for batch, output in self._run(read, windows, lambda inputs: self.model(**inputs).logits):
            owners.append(batch.owner)
            logits.append(output.float().cpu().numpy())
        mean = sum_by_owner(np.concatenate(owners), np.concatenate(logits), len(read)) / n_windows[:, None]
        p_classes = torch.from_numpy(mean).softmax(1).numpy()
        best_first = np.argsort(-p_classes, axis=1, kind="stable")
        return [
            [{"label": config.id2label[number], "score": scores[number]} for number in order]
            for scores, order in zip(p_classes.tolist(), best_first.tolist(), strict=True)
        ]

    def _of_each_token(
        self, sequences: Inputs, forward: Forward
    ) -> tuple[list[Tokenized], list[NDArray[np.float32]]]:
        """Return the tokens of each input, and what `forward` gives for each of them, shape (L, ...)."""
        if not self.tokenizer.is_fast and any(isinstance(sequence, str) for sequence in sequences):
            raise InputError(f"{type(self.tokenizer).__name__} is not a fast tokenizer: it has no offsets.")
        read = self.reader.read(sequences, masks=True, offsets=True)
        values: list[NDArray[np.float32]] = []
        for batch, output in self._run(read, self.reader.windows(read), forward):
            values = values or [np.empty((len(one.input_ids), output.shape[-1]), np.float32) for one in read]
            own = output[:, batch.first_column :].float().cpu().numpy()
            for row, (sequence, start, _, first, last) in zip(own, batch.windows, strict=True):
                values[sequence][start + first : start + last] = row[first:last]
        return read, values

    def _run(
        self, read: list[Tokenized], windows: list[Window], forward: Forward
    ) -> Iterator[tuple[Batch, torch.Tensor]]:
        n_rows = getattr(self.model.config, "vocab_size", len(self.tokenizer))
        for batch in self.reader.batches(read, windows):
            if batch.input_ids.max() >= n_rows:
                raise InputError(f"The model has {n_rows} rows, and none for the id {batch.input_ids.max()}.")
            arrays = {"input_ids": batch.input_ids}
            if self.reader.rules.takes_mask:
                arrays["attention_mask"] = batch.attention_mask
            inputs = {name: torch.from_numpy(array).to(self.model.device) for name, array in arrays.items()}
            # Not around the `yield`: the mode would then hold in the caller's code.
            with torch.inference_mode():
                output = forward(inputs)
            yield batch, output

    def _hidden_states(self, layer: int) -> Forward:
        last = self.model.config.num_hidden_layers
        if not isinstance(layer, int) or not -last - 1 <= layer <= last:
            raise InputError(f"layer is {layer}; this model has 0 to {last}, or -1 back to {-last - 1}.")
        encoder = self.model.base_model
        if layer in (-1, last):
            return lambda inputs: encoder(**inputs).last_hidden_state
        return lambda inputs: encoder(**inputs, output_hidden_states=True).hidden_states[layer]

    def _target_ids(self, targets: Sequence[str]) -> NDArray[np.int64]:
        if isinstance(targets, str) or len(targets) == 0 or not all(isinstance(one, str) for one in targets):
            raise InputError("targets is one str, empty, or not of tokens; give a list of tokens.")
        vocabulary = self.tokenizer.get_vocab()
        ids = {target: vocabulary.get(target.upper()) for target in targets}
        if unknown := [target for target, token_id in ids.items() if token_id is None]:
            raise InputError(f"{unknown[0]!r} is not a token of the model; it cannot be a target.")
        return np.unique(np.array(list(ids.values()), np.int64))

    def _filled(self, text: str, p_best: NDArray[np.float32], best_ids: NDArray[np.int64]) -> list[Any]:
        mask_token = self.tokenizer.mask_token
        pieces = text.split(mask_token)
        answers = []
        for number, (scores, ids) in enumerate(zip(p_best.tolist(), best_ids.tolist(), strict=True), 1):
            left, right = mask_token.join(pieces[:number]), mask_token.join(pieces[number:])
            tokens = self.tokenizer.convert_ids_to_tokens(ids)
            answers.append([
                {"score": score, "token": token_id, "token_str": token, "sequence": left + token + right}
                for score, token_id, token in zip(scores, ids, tokens, strict=True)
            ])
        return answers[0] if len(answers) == 1 else answers

