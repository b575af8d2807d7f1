"""Cards from facts: a Jinja template and a dictionary. Nobody types a number into a card."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import yaml
from huggingface_hub import CardData, EvalResult, RepoCard
from huggingface_hub.repocard_data import eval_results_to_model_index
from markupsafe import Markup
from numpy.typing import NDArray

import model_card
from grover_hf.corpus.corpus_facts import Organism
from grover_hf.errors import InputError
from grover_hf.metrics.report import FinetuningReport, PretrainingReport, Report
from grover_hf.tokenization.special_tokens import MASK_ID, SPECIAL_TOKENS

REPOSITORY_TO_BE = "path/or/repository"
"""Stands in examples of a card until its repository has a name."""
_LITERAL = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "\\|", "[": "\\[", "]": "\\]", "`": "'"})
_FLANK_TOKENS = 25
"""On each side of a mask: about the 100 bases that a token's context takes."""


def render_card(template: Path, facts: dict[str, Any]) -> str:
    """Return the Markdown of a card; a fact that the template needs and lacks is an error.

    Text in facts shows as it is: it cannot end a table, start a heading, or be a link or HTML. Values that the
    front matter takes must pass the filter `yaml`, and those in examples of code the filter `code`, which quote
    them. A template may include others from its own folder and the one above.

    Raises:
        jinja2.UndefinedError: If a fact is missing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, template.parent.parent]),
        undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, finalize=_as_text,
    )
    # JSON is YAML, and quotes what YAML would read as something else.
    environment.filters["yaml"] = lambda value: Markup(json.dumps(value, ensure_ascii=False))
    environment.filters["code"] = lambda value: Markup(json.dumps(value))
    environment.filters["thousands"] = lambda value: f"{value:,}"
    environment.filters["shown"] = _shown
    environment.filters["organism"] = lambda values: str(Organism(**values))
    return environment.from_string(template.read_text()).render(**facts)


def _as_text(value: Any) -> Any:
    """Return text as Markdown shows it literally, in one line; what is no text, or was quoted, as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    one_line = "".join(letter if letter.isprintable() else " " for letter in value)
    return one_line.translate(_LITERAL)


def read_card(text: str) -> tuple[dict[str, Any], str]:
    """Return the metadata of a card, and the Markdown below it.

    huggingface_hub reads a card without metadata as one whose metadata are empty, and warns; here it is an error.

    Raises:
        InputError: If the card does not begin with metadata between two lines of three dashes.
    """
    if not text.startswith("---\n") or "\n---\n" not in text:
        raise InputError("The card has no metadata: it must begin with YAML between two lines '---'.")
    try:
        card = RepoCard(text)
    except yaml.YAMLError as error:
        raise InputError(f"The card's metadata are not YAML: {error}") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"The card's metadata are not names with values: {error}") from error
    metadata: dict[str, Any] = card.data.to_dict()
    if not metadata:
        raise InputError("The card's metadata are empty: name a licence at least.")
    return metadata, str(card.text)


def write_card(metadata: Mapping[str, Any], body: str) -> str:
    """Return the text of a card."""
    return f"---\n{CardData(**metadata).to_yaml()}\n---\n{body}"


def masked_example(input_ids: NDArray[np.integer], tokens: Sequence[str]) -> str:
    """Return what the widget of a model shows: the middle of a window of its own genome, one token masked.

    Args:
        input_ids: Token ids of the window, without special tokens, shape (L,).
        tokens: Strings of the tokens, by id.
    """
    middle = len(input_ids) // 2
    first, last = max(0, middle - _FLANK_TOKENS), middle + 1 + _FLANK_TOKENS
    shown = [tokens[i] for i in input_ids[first:last]]
    shown[middle - first] = SPECIAL_TOKENS[MASK_ID]
    return "".join(shown)


def pretrained_card(report: PretrainingReport, recipe: Mapping[str, Any], tokenizer: str, example: str) -> str:
    """Return the card of a pretrained model.

    Args:
        report: What `metrics.json` says; with `step` if these are weights of a training that goes on.
        recipe: All fields of the recipe.
        tokenizer: Name of the encoder.
        example: A sequence with one mask, for the widget; see `masked_example`.
    """
    index = _model_index("fill-mask", report, {"accuracy": "accuracy", "perplexity": "perplexity"})
    facts = {
        "report": report.as_dict(), "recipe": recipe, "tokenizer": tokenizer, "example": example,
        "model_index": index,
    }
    return render_card(model_card.PRETRAINED, facts)


def finetuned_card(report: FinetuningReport, recipe: Mapping[str, Any], class_names: Sequence[str]) -> str:
    """Return the card of a fine-tuned model.

    Args:
        report: What `metrics.json` says.
        recipe: All fields of the recipe.
        class_names: In the order of their numbers.
    """
    types = {"mcc": "matthews_correlation", "accuracy": "accuracy", "f1": "f1", "auroc": "roc_auc"}
    facts = {
        "report": report.as_dict(), "recipe": recipe, "class_names": class_names,
        "model_index": _model_index("text-classification", report, types),
        # The Hub links to it: a folder of this machine is not a name there.
        "base_model": None if recipe["random_weights"] or Path(recipe["model"]).exists() else recipe["model"],
    }
    return render_card(model_card.FINETUNED, facts)


def _model_index(task: str, report: Report, types: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the scores of `metrics.json` as the Hub reads them; empty if there are none.

    Args:
        task: The Hub's name of the task: "fill-mask", "text-classification".
        report: What `metrics.json` says.
        types: The Hub's type of each metric to give.
    """
    given = report.dataset
    results = [
        EvalResult(
            task_type=task, dataset_type=given.name, dataset_name=given.name, dataset_config=given.config,
            dataset_split=report.split, metric_type=kind, metric_name=name,
            metric_value=float(report.metrics[name]),
        )
        for name, kind in types.items() if name in report.metrics
    ]
    index: list[dict[str, Any]] = eval_results_to_model_index(f"{report.task} model", results) if results else []
    return index


def _shown(value: Any) -> str:
    """Return a field of a recipe as a card shows it: of a folder on this machine its name alone."""
    if not (isinstance(value, str) and (Path(value).is_absolute() or Path(value).exists())):
        return str(value)
    path = Path(value)
    # Every run's model is called so.
    return f"{path.parent.name}/{path.name}" if path.name == "model" else path.name
