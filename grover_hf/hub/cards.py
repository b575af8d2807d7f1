"""Cards from facts: a Jinja template and a dictionary. Nobody types a number into a card."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml

import model_card
from grover_hf.errors import InputError
from grover_hf.metrics.report import FinetuningReport, PretrainingReport, Report

REPOSITORY_TO_BE = "path/or/repository"
"""Stands in examples of a card until its repository has a name."""


def render_card(template: Path, facts: dict[str, Any]) -> str:
    """Return the Markdown of a card; a fact that the template needs and lacks is an error.

    Values that the front matter takes must pass the filter `yaml`, which quotes them. A template may
    include others from its own folder and the one above.

    Raises:
        jinja2.UndefinedError: If a fact is missing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, template.parent.parent]),
        undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # JSON is YAML, and quotes what YAML would read as something else.
    environment.filters["yaml"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.filters["thousands"] = lambda value: f"{value:,}"
    environment.filters["shown"] = _shown
    return environment.from_string(template.read_text()).render(**facts)


def read_card(text: str) -> tuple[dict[str, Any], str]:
    """Return the metadata of a card, and the Markdown below it.

    Raises:
        InputError: If the card does not begin with metadata between two lines of three dashes.
    """
    opening, _, rest = text.partition("---\n")
    front_matter, closing, body = rest.partition("\n---\n")
    if opening or not closing:
        raise InputError("The card has no metadata: it must begin with YAML between two lines '---'.")
    try:
        metadata = yaml.safe_load(front_matter)
    except yaml.YAMLError as error:
        raise InputError(f"The card's metadata are no YAML: {error}") from error
    if not isinstance(metadata, dict):
        raise InputError(f"The card's metadata are {metadata!r}, not names with values.")
    return metadata, body


def write_card(metadata: Mapping[str, Any], body: str) -> str:
    """Return the text of a card."""
    return f"---\n{yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True)}---\n{body}"


def pretrained_card(report: PretrainingReport, recipe: Mapping[str, Any], tokenizer: str) -> str:
    """Return the card of a pretrained model.

    Args:
        report: What `metrics.json` says; with `step` if these are weights of a training that goes on.
        recipe: All fields of the recipe.
        tokenizer: Name of the encoder.
    """
    index = _model_index("fill-mask", report, {"accuracy": "accuracy", "perplexity": "perplexity"})
    facts = {"report": report.as_dict(), "recipe": recipe, "tokenizer": tokenizer, "model_index": index}
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
        # The Hub links to it: a folder of this machine is no name there.
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
    metrics = [
        {"type": kind, "name": name, "value": float(report.metrics[name])}
        for name, kind in types.items() if name in report.metrics
    ]
    if not metrics:
        return []
    given = report.dataset
    dataset = {"name": given.name, "type": given.name, "config": given.config, "split": report.split}
    if given.config is None:
        del dataset["config"]
    name = f"{report.task} model"
    return [{"name": name, "results": [{"task": {"type": task}, "dataset": dataset, "metrics": metrics}]}]


def _shown(value: Any) -> str:
    """Return a field of a recipe as a card shows it: of a folder on this machine its name alone."""
    if not (isinstance(value, str) and (Path(value).is_absolute() or Path(value).exists())):
        return str(value)
    path = Path(value)
    # Every run's model is called so.
    return f"{path.parent.name}/{path.name}" if path.name == "model" else path.name
