"""Embeddings as a pipeline of transformers: `pipeline("dna-embedding", model=...)`.

`import grover_hf.inference.pipeline` registers the task with transformers, for the process; nothing else does.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from transformers import Pipeline
from transformers.pipelines import PIPELINE_REGISTRY

from grover_hf.errors import InputError
from grover_hf.genome.letters import normalized
from grover_hf.inference.dna_model import DnaModel

TASK = "dna-embedding"


class DnaEmbeddingPipeline(Pipeline):
    """Sequences of any length to embeddings, with the windows of `DnaModel`.

        import grover_hf.inference.pipeline
        from transformers import pipeline

        embed = pipeline("dna-embedding", model="NAMESPACE/grover-bpe-600")
        embed("ACGTTTGCA...")                       # float32, shape (H,)
        embed(["ACGT...", "GGCA..."], layer=6)      # a list of these
        embed("ACGTTTGCA...", pooling="token")      # TokenEmbeddings

    Parameters, of the pipeline or of a call: `pooling` ("mean", "cls" or "token"; see `DnaModel.embed` and
    `DnaModel.embed_tokens`), `layer`, and `batch_size`, how many sequences are read together (64). A list
    gives a list; a dataset or a generator gives an iterator.

    A model with code of its own is opened first and passed with its tokenizer.
    """

    # transformers sets these flags to None in its base class, which mypy takes for their type.
    _load_tokenizer = True  # type: ignore[assignment]
    _load_processor = _load_image_processor = False  # type: ignore[assignment]
    _load_video_processor = _load_feature_extractor = False  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("batch_size", 64)
        super().__init__(*args, **kwargs)
        self._dna = DnaModel(self.model, self.tokenizer)

    def __call__(self, inputs: Any, *args: Any, **parameters: Any) -> Any:
        """Embed one sequence, or several: a list or any other sequence of them, a column of a table too."""
        if hasattr(inputs, "tolist"):
            inputs = inputs.tolist()
        elif isinstance(inputs, Sequence) and not isinstance(inputs, str | list):
            inputs = list(inputs)
        if isinstance(inputs, list) and not inputs:
            return []
        return super().__call__(inputs, *args, **parameters)

    def _sanitize_parameters(self, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if unknown := sorted(set(parameters) - {"pooling", "layer"}):
            raise InputError(f"{TASK} knows no {', '.join(unknown)}; it takes pooling, layer and batch_size.")
        return {}, parameters, {}

    def run_single(self, inputs: str, *stages: dict[str, Any]) -> Any:
        """Embed one sequence; `stages` are the parameters of the three steps below."""
        return super().run_single([inputs], *stages)[0]

    def get_iterator(
        self, inputs: Iterable[str], num_workers: int, batch_size: int, *stages: dict[str, Any]
    ) -> Iterator[Any]:
        """Embed `batch_size` sequences at a time: their windows, not they, are what fits together."""
        remaining = enumerate(inputs)
        while group := list(islice(remaining, batch_size)):
            for number, sequence in group:
                # `DnaModel` would count within the group.
                normalized(sequence, f"sequences[{number}]", self._dna.tokenizer.mask_token)
            yield from super().run_single([sequence for _, sequence in group], *stages)

    # transformers annotates each parameter of the three steps as a dictionary; none of its own pipelines has such.
    def preprocess(self, sequences: list[str]) -> dict[str, Any]:  # type: ignore[override]
        """Name the sequences; `DnaModel` tokenizes them."""
        return {"sequences": sequences}

    def _forward(  # type: ignore[override]
        self, model_inputs: dict[str, Any], pooling: Any = "mean", layer: int = -1
    ) -> dict[str, Any]:
        sequences = model_inputs["sequences"]
        if pooling == "token":
            return {"embeddings": self._dna.embed_tokens(sequences, layer=layer)}
        return {"embeddings": list(self._dna.embed(sequences, pooling=pooling, layer=layer))}

    def postprocess(self, model_outputs: dict[str, Any]) -> list[Any]:  # type: ignore[override]
        """Return what was computed: arrays, not nested lists."""
        return list(model_outputs["embeddings"])


# No `pt_model`: transformers then opens the checkpoint as what it was saved as, without a new pooler.
PIPELINE_REGISTRY.register_pipeline(TASK, DnaEmbeddingPipeline, type="text")
