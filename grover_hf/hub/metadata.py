"""The Hub's documented rules for the metadata of cards, checked before anything is sent.

Sources: https://huggingface.co/docs/hub/repositories-licenses, .../docs/hub/datasets-cards and
https://github.com/huggingface/hub-docs (modelcard.md, datasetcard.md). The Hub itself checks what a
push brings, and has the last word.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

LICENSES = frozenset(
    {
        "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m",
        "bigscience-bloom-rail-1.0", "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd",
        "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0",
        "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0",
        "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0",
        "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "agpl-3.0", "gfdl", "gpl",
        "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "isc", "lppl-1.3c", "ms-pl", "apple-ascl",
        "mpl-2.0", "odc-by", "odbl", "openrail++", "osl-3.0", "postgresql", "ofl-1.1", "ncsa", "unlicense",
        "zlib", "pddl", "lgpl-lr", "deepfloyd-if-license", "llama2", "llama3", "llama3.1", "llama3.2",
        "llama3.3", "gemma", "unknown", "other",
    }
)
_SIZES = frozenset(
    {
        "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B",
        "10B<n<100B", "100B<n<1T", "n>1T",
    }
)
_TASKS = frozenset({"fill-mask", "text-classification", "feature-extraction", "text-generation"})
"""Those of the Hub's tasks that a DNA model or dataset of ours can have."""
_TAG = re.compile(r"\S.{0,99}")


def metadata_problems(kind: str, metadata: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the metadata of a card, a sentence each; empty if nothing is.

    Args:
        kind: "model" or "dataset".
        metadata: From `read_card`.
    """
    problems = [*_license_problems(metadata), *_tag_problems(metadata)]
    if kind == "model":
        task = metadata.get("pipeline_tag")
        if task is not None and (not isinstance(task, str) or task not in _TASKS):
            problems.append(f"pipeline_tag is {task!r}, none of {', '.join(sorted(_TASKS))}.")
        if task == "fill-mask" and not metadata.get("mask_token"):
            problems.append("a model that fills masks needs mask_token.")
        problems += [*_widget_problems(metadata.get("widget")), *_index_problems(metadata.get("model-index"))]
    else:
        problems += _named_lists(metadata, "task_categories", _TASKS)
        problems += _named_lists(metadata, "size_categories", _SIZES)
        problems += _config_problems(metadata.get("configs"))
    return problems


def _license_problems(metadata: Mapping[str, Any]) -> list[str]:
    license_ = metadata.get("license")
    if license_ is None:
        return ["it has no license."]
    if not isinstance(license_, str) or license_ not in LICENSES:
        return [
            f"license is {license_!r}, which the Hub does not list; take one of "
            "https://huggingface.co/docs/hub/repositories-licenses, or `other` with a name and a link."
        ]
    if license_ == "other" and not (metadata.get("license_name") and metadata.get("license_link")):
        return ["license is other: that needs license_name and license_link."]
    return []


def _tag_problems(metadata: Mapping[str, Any]) -> list[str]:
    tags = metadata.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in tags):
        return [f"tags are {tags!r}, not a list of words."]
    return []


def _named_lists(metadata: Mapping[str, Any], name: str, known: frozenset[str]) -> list[str]:
    values = metadata.get(name, [])
    if not isinstance(values, list):
        return [f"{name} is {values!r}, not a list."]
    unknown = [value for value in values if not isinstance(value, str) or value not in known]
    return [f"{name} has {value!r}, none of {', '.join(sorted(known))}." for value in unknown]


def _widget_problems(widget: Any) -> list[str]:
    if widget is None:
        return []
    rows = widget if isinstance(widget, list) else [None]
    if not all(isinstance(row, dict) and isinstance(row.get("text"), str) for row in rows):
        return ["widget is not a list of examples with a text."]
    return []


def _index_problems(index: Any) -> list[str]:
    """Check `model-index`: the Hub refuses a card whose index lacks a required field."""
    if index is None:
        return []
    if not isinstance(index, list) or not index:
        return ["model-index is not a list of models."]
    problems = []
    for model in index:
        if not isinstance(model, dict) or not model.get("name") or not isinstance(model.get("results"), list):
            return ["model-index: a model needs a name and results."]
        for result in model["results"]:
            problems += _result_problems(result if isinstance(result, dict) else {})
    return problems


def _result_problems(result: Mapping[str, Any]) -> list[str]:
    task, dataset, metrics = (result.get(name) for name in ("task", "dataset", "metrics"))
    if not (isinstance(task, dict) and isinstance(dataset, dict) and isinstance(metrics, list)):
        return ["model-index: a result needs task, dataset and a list of metrics."]
    problems = []
    if not task.get("type"):
        problems.append("model-index: a result needs task.type.")
    if not (dataset.get("type") and dataset.get("name")):
        problems.append("model-index: a result needs dataset.type and dataset.name.")
    if not metrics:
        problems.append("model-index: a result needs metrics.")
    for metric in metrics:
        value = metric.get("value") if isinstance(metric, dict) else None
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not metric.get("type"):
            problems.append(f"model-index: the metric {metric} needs a type and a plain, finite number.")
    return problems


def _config_problems(configs: Any) -> list[str]:
    """Check what `load_dataset` reads: which files belong to which configuration and split."""
    if configs is None:
        return []
    if not isinstance(configs, list) or not configs:
        return ["configs is not a list of configurations."]
    problems = []
    names = [config.get("config_name") if isinstance(config, dict) else None for config in configs]
    if None in names or len(set(names)) < len(names):
        return [f"configs are named {names}; each needs a config_name of its own."]
    for config in configs:
        files = config.get("data_files")
        rows = files if isinstance(files, list) else [None]
        if not all(isinstance(row, dict) and row.get("split") and row.get("path") for row in rows):
            name = config["config_name"]
            problems.append(f"configuration {name}: data_files is not a list of splits with paths.")
    n_default = sum(config.get("default") is True for config in configs)
    if n_default > 1 or (n_default == 0 and len(configs) > 1 and "default" not in names):
        problems.append(f"{n_default} of {len(configs)} configurations are the default; one must be.")
    return problems
