import pytest

from grover_hf.hub.metadata import metadata_problems

MODEL = {
    "license": "apache-2.0", "pipeline_tag": "fill-mask", "mask_token": "[MASK]", "tags": ["dna"],
    "widget": [{"text": "ACGT"}],
    "model-index": [
        {"name": "m", "results": [
            {"task": {"type": "fill-mask"}, "dataset": {"name": "d", "type": "d"},
             "metrics": [{"type": "accuracy", "value": 0.5}]},
        ]},
    ],
}
DATASET = {
    "license": "cc0-1.0", "tags": ["dna"], "task_categories": ["fill-mask"], "size_categories": ["n<1K"],
    "configs": [
        {"config_name": "a", "default": True, "data_files": [{"split": "train", "path": "a/*"}]},
        {"config_name": "b", "data_files": [{"split": "train", "path": "b/*"}]},
    ],
}


def changed(value, path, to):
    """A copy with the value at a path, such as model-index.0.name, changed; None removes it."""
    if not path:
        return to
    first, *rest = path
    if isinstance(value, list):
        return [changed(one, rest, to) if i == int(first) else one for i, one in enumerate(value)]
    made = {**value, first: changed(value.get(first), rest, to)}
    return {name: one for name, one in made.items() if one is not None}


@pytest.mark.parametrize(("kind", "metadata"), [("model", MODEL), ("dataset", DATASET)])
def test_good_metadata_have_no_problem(kind, metadata):
    assert metadata_problems(kind, metadata) == []


@pytest.mark.parametrize(("kind", "path", "to", "message"), [
    ("model", "license", None, "no license"),
    ("model", "license", "Apache", "does not list"),
    ("dataset", "license", "other", "license_name"),
    ("model", "tags", "dna", "not a list"),
    ("model", "tags", [1], "not a list"),
    ("model", "pipeline_tag", "fill-masks", "none of"),
    ("model", "mask_token", None, "mask_token"),
    ("model", "widget", [{"txt": "A"}], "examples with a text"),
    ("model", "model-index", [], "list of models"),
    ("model", "model-index.0.name", None, "needs a name"),
    ("model", "license", ["mit"], "does not list"),
    ("model", "pipeline_tag", ["fill-mask"], "none of"),
    ("model", "model-index", "scores", "list of models"),
    ("model", "model-index.0.results", [3], "needs task, dataset"),
    ("model", "model-index.0.results.0.metrics", [3], "plain, finite number"),
    ("dataset", "task_categories", [["fill-mask"]], "none of"),
    ("model", "model-index.0.results.0.task", {}, "task.type"),
    ("model", "model-index.0.results.0.dataset.type", None, "dataset.type"),
    ("model", "model-index.0.results.0.metrics", [], "needs metrics"),
    ("model", "model-index.0.results.0.metrics.0.type", None, "plain, finite number"),
    ("model", "model-index.0.results.0.metrics.0.value", "0.5", "plain, finite number"),
    ("model", "model-index.0.results.0.metrics.0.value", float("nan"), "plain, finite number"),
    ("dataset", "task_categories", "fill-mask", "not a list"),
    ("dataset", "task_categories", ["masks"], "none of"),
    ("dataset", "size_categories", ["small"], "none of"),
    ("dataset", "configs", {}, "list of configurations"),
    ("dataset", "configs.0.config_name", "b", "of its own"),
    ("dataset", "configs.0.data_files", [{"path": "a/*"}], "splits with paths"),
    ("dataset", "configs.1.default", True, "2 of 2 configurations"),
    ("dataset", "configs.0.default", None, "0 of 2 configurations"),
])
def test_metadata_that_the_hub_refuses_are_named(kind, path, to, message):
    metadata = changed(MODEL if kind == "model" else DATASET, path.split("."), to)
    [problem] = metadata_problems(kind, metadata)
    assert message in problem
