"""Word2Vec of the tokens of train windows, as the paper has it beside its model, saved without pickle.

word2vec.json         what it was trained on and how, and the token of each row
vectors.safetensors   vectors float32 (n, H), ids and counts int64 (n,)
"""

import importlib.metadata
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_folder
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.progress import progress_bar
from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf.corpus.facts import choose_config
from grover_hf.corpus.window_store import WindowStore, open_windows
from grover_hf.errors import InputError
from grover_hf.interpretation.token_vectors.vectors import TokenVectors
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import encoder_named
from grover_hf.tokenization.identity import require_same_vocabulary

FACTS, ARRAYS = "word2vec.json", "vectors.safetensors"
N_SEQUENCES = 300_000
"""Windows that are drawn (Methods, "W2V")."""


@dataclass(frozen=True, kw_only=True)
class Word2VecPlan:
    """What to train on, and how. The defaults are the paper's; epochs and seed are gensim's and ours."""

    windows: Path
    """A dataset of `grover build genome-windows`."""
    tokenizer: Path
    """Its tokenizer folder, or merges file."""
    config: str | None = None
    """Of the dataset."""
    n_sequences: int = N_SEQUENCES
    """Train windows that are drawn, or all if there are fewer."""
    vector_size: int = 768
    window: int = 5
    """Tokens on each side that a token is predicted from."""
    min_count: int = 1
    """Types that occur more rarely get no vector."""
    epochs: int = 5
    """The paper does not say; 5 is gensim's."""
    seed: int = 0
    """Of the windows that are drawn, of first weights and of negative samples."""
    workers: int = 1
    """With more than one, two runs differ."""

    def require_sound(self) -> None:
        """Raise `InputError` if a number is out of its range."""
        for name in ("n_sequences", "vector_size", "window", "min_count", "epochs", "workers"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; the least is 1.")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; the least is 0.")


@dataclass(frozen=True, kw_only=True)
class Word2VecFacts:
    """What vectors of Word2Vec are of; the content of `word2vec.json`."""

    vocabulary_sha256: str
    dataset_sha256: str
    n_sequences: int
    """Windows that were drawn."""
    of_train_windows: int
    n_tokens: int
    vector_size: int
    window: int
    min_count: int
    epochs: int
    seed: int
    workers: int
    gensim: str
    tokens: list[str]
    """Of each row of the vectors."""


@dataclass(frozen=True, eq=False)
class Word2VecModel:
    """Vectors of Word2Vec, and what they are of."""

    facts: Word2VecFacts
    vectors: TokenVectors

    def table(self, n_types: int) -> NDArray[np.float32]:
        """Return a row for each id, shape (n_types, H), NaN for those without a vector."""
        table = np.full((n_types, self.facts.vector_size), np.nan, np.float32)
        table[self.vectors.ids] = self.vectors.vectors
        return table


def require_gensim() -> None:
    """Raise `InputError` at the start of a job that needs gensim."""
    try:
        import gensim  # noqa: F401
    except ImportError:
        raise InputError("Word2Vec needs gensim: pip install 'grover-hf[analysis]'") from None


def write_word2vec(plan: Word2VecPlan, output: Path, *, overwrite: bool = False) -> Word2VecModel:
    """Train Word2Vec on train windows and write it.

    Raises:
        InputError: If gensim is missing, the dataset cannot be used or has another vocabulary than the tokenizer,
            or `output` may not be replaced.
    """
    require_gensim()
    plan.require_sound()
    require_writable(
        output, overwrite=overwrite, marker=FACTS, contents=[ARRAYS], inputs=[plan.windows, plan.tokenizer]
    )
    with only_writer(output):
        model = train_word2vec(plan)
        with atomic_folder(output) as part:
            _write(model, part)
    return model


def train_word2vec(plan: Word2VecPlan) -> Word2VecModel:
    """Return vectors by the continuous bag of words: each token is predicted from those around it, in no order.

    One worker and one seed give the same bytes again.

    Raises:
        InputError: As `write_word2vec`.
    """
    require_gensim()
    plan.require_sound()
    from gensim.models import Word2Vec

    encoder = encoder_named(plan.tokenizer)
    config, facts = choose_config(plan.windows, plan.config)
    facts.require_vocabulary(encoder.vocabulary_sha256, what=str(plan.windows), other=str(plan.tokenizer))
    store = open_windows(plan.windows, facts).get("train")
    if store is None or not len(store):
        raise InputError(f"{plan.windows} ({config}) has no train windows.")
    n_sequences = min(plan.n_sequences, len(store))
    rows = np.sort(np.random.default_rng(plan.seed).choice(len(store), n_sequences, replace=False))
    options: dict[str, Any] = {
        name: getattr(plan, name) for name in ("vector_size", "window", "min_count", "epochs", "seed", "workers")
    }
    # One pass counts, the others train.
    with progress_bar(total=n_sequences * (plan.epochs + 1), what="Word2Vec", unit=" windows") as bar:
        trained = Word2Vec(_Sentences(store, rows, encoder, bar), sg=0, **options).wv
    number_of = {token: number for number, token in enumerate(encoder.tokens)}
    ids = np.sort([number_of[token] for token in trained.key_to_index])
    tokens = [encoder.tokens[number] for number in ids]
    counts = np.array([trained.get_vecattr(token, "count") for token in tokens], np.int64)
    vectors = np.ascontiguousarray(trained[tokens], np.float32)
    return Word2VecModel(
        Word2VecFacts(
            vocabulary_sha256=encoder.vocabulary_sha256, dataset_sha256=facts.sha256, n_sequences=n_sequences,
            of_train_windows=len(store), n_tokens=int(store.lengths[rows].sum()),
            gensim=importlib.metadata.version("gensim"), tokens=tokens, **options,
        ),
        TokenVectors("word2vec", None, tokens, ids, counts, vectors),
    )


def read_word2vec(folder: Path, encoder: Encoder) -> Word2VecModel:
    """Return what `write_word2vec` wrote.

    Args:
        folder: Where it is.
        encoder: The vocabulary that it must be of.

    Raises:
        InputError: If there is none, it is damaged, or it is of another vocabulary.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        facts = record_of(Word2VecFacts, read_json_object(folder / FACTS), folder / FACTS)
    except FileNotFoundError:
        raise InputError(f"{folder} has no {FACTS}; `grover interpret word2vec` makes such a folder.") from None
    require_same_vocabulary(
        facts.vocabulary_sha256, encoder.vocabulary_sha256, what=str(folder), other=f"the tokenizer {encoder.name}"
    )
    try:
        arrays = load_file(folder / ARRAYS)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder / ARRAYS} cannot be read ({error}); make it again.") from None
    n_tokens = len(facts.tokens)
    shapes = {"vectors": (n_tokens, facts.vector_size), "ids": (n_tokens,), "counts": (n_tokens,)}
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise InputError(
            f"{folder / ARRAYS} does not hold {n_tokens} vectors of {facts.vector_size}; make it again."
        )
    if [encoder.tokens[number] for number in arrays["ids"] if number < len(encoder.tokens)] != facts.tokens:
        raise InputError(f"{folder}: its ids are not those of its tokens; make it again.")
    if not np.isfinite(arrays["vectors"]).all():
        raise InputError(f"{folder / ARRAYS} has numbers that are not finite; make it again.")
    return Word2VecModel(
        facts, TokenVectors("word2vec", None, facts.tokens, arrays["ids"], arrays["counts"], arrays["vectors"])
    )


@dataclass(frozen=True)
class _Sentences:
    """Windows as gensim takes them, each a list of tokens; it goes through them several times."""

    store: WindowStore
    rows: NDArray[np.int64]
    encoder: Encoder
    bar: Any

    def __iter__(self) -> Iterator[list[str]]:
        tokens = self.encoder.tokens
        for row in self.rows:
            ids = self.store.input_ids[self.store.borders[row] : self.store.borders[row + 1]]
            yield [tokens[number] for number in ids.tolist()]
            self.bar.update()


def _write(model: Word2VecModel, folder: Path) -> None:
    from safetensors.numpy import save_file

    of = model.vectors
    save_file({"vectors": of.vectors, "ids": of.ids, "counts": of.counts}, folder / ARRAYS)
    (folder / FACTS).write_text(json.dumps(plain(model.facts), indent=2) + "\n")
