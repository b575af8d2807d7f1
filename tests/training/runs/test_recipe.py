import dataclasses
from pathlib import Path

import pytest
import yaml

from grover_hf.errors import InputError
from training.pretrain import PretrainRecipe
from training.runs.recipe import RECIPES, read_recipe, recipe_field, recipe_from_command_line


@pytest.mark.parametrize("path", sorted((RECIPES / "pretrain").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_packaged_recipe_reads(path):
    recipe = read_recipe(PretrainRecipe, str(path), "pretrain", {})
    assert recipe == read_recipe(PretrainRecipe, path.stem, "pretrain", {})


def test_the_papers_numbers_stand_in_its_recipe():
    recipe = read_recipe(PretrainRecipe, "bpe_600", "pretrain", {})
    assert (recipe.p_select, recipe.p_mask, recipe.p_random) == (0.022, 0.8, 0.1)
    assert (recipe.batch_size, recipe.learning_rate, recipe.adam_epsilon) == (64, 4e-4, 1e-6)
    assert (recipe.adam_beta2, recipe.dropout, recipe.size) == (0.99, 0.1, "base")


@pytest.mark.parametrize("k", [4, 5, 6])
def test_models_of_kmers_have_the_parameters_of_grover(k):
    grover, kmers = (
        dataclasses.asdict(read_recipe(PretrainRecipe, name, "pretrain", {})) for name in ("bpe_600", f"kmer_{k}")
    )
    assert kmers.pop("dataset_config") == f"kmer-{k}"
    for name in ("dataset_config", "tokenizer", "output", "workers"):
        grover.pop(name)
        kmers.pop(name, None)
    assert kmers == grover


def test_accelerate_configurations_leave_the_precision_to_the_recipe():
    contents = [yaml.safe_load(path.read_text()) for path in (RECIPES / "accelerate").glob("*.yaml")]
    assert sorted(content["num_processes"] for content in contents) == [1, 2, 8, 16]
    assert {content["mixed_precision"] for content in contents} == {"no"}


def test_the_command_line_wins_over_the_file():
    recipe = recipe_from_command_line(
        PretrainRecipe, "pretrain", ["--config", "tiny_cpu", "--max_steps", "7", "--learning_rate", "1.0e-5"]
    )
    assert (recipe.max_steps, recipe.learning_rate) == (7, 1e-5)


@pytest.mark.parametrize(
    ("words", "resume"),
    [
        ("--resume true", True), ("--resume", True), ("--resume false", False),
        ("--resume --max-steps 7", True), ("--max_steps=7 --resume", True),
    ],
)
def test_options_take_dashes_or_underscores_and_a_flag_may_stand_alone(words, resume):
    recipe = recipe_from_command_line(PretrainRecipe, "pretrain", ["--config=tiny_cpu", *words.split()])
    assert recipe.resume is resume
    assert (recipe.max_steps == 7) is ("7" in words)


def test_values_keep_their_underscores():
    words = ["--config", "tiny_cpu", "--dataset-config", "my_config", "--output=my_runs/a_b"]
    recipe = recipe_from_command_line(PretrainRecipe, "pretrain", words)
    assert (recipe.dataset_config, recipe.output) == ("my_config", "my_runs/a_b")


TEXTS = ["runs/a #1", "2024", "1e5", "no", "~", "@x", "[x", "{", "a: b", "null", " ", "- a", "&a", "'"]


@pytest.mark.parametrize("text", TEXTS)
def test_text_on_the_command_line_is_text(text):
    recipe = recipe_from_command_line(PretrainRecipe, "pretrain", ["--config", "tiny_cpu", f"--output={text}"])
    assert recipe.output == text


def test_null_takes_back_a_field_that_may_be_left_out():
    words = ["--config", "tiny_cpu", "--dataset_config", "null", "--warmup-share", "null"]
    recipe = recipe_from_command_line(PretrainRecipe, "pretrain", words)
    assert (recipe.dataset_config, recipe.warmup_share) == (None, None)


Chosen = dataclasses.make_dataclass(
    "Chosen",
    [(name, kind, recipe_field("")) for name, kind in
     [("chromosomes", str | list[str]), ("names", list[str]), ("ks", list[int])]],
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--chromosomes", "chr1"], Chosen("chr1", [], [])),
        (["--chromosomes", "[1, X, no]", "--names", "[1.0, ~]"], Chosen(["1", "X", "no"], ["1.0", "~"], [])),
        (["--ks", "[2, 3]"], Chosen("all", [], [2, 3])),
    ],
)
def test_names_in_lists_are_text(words, expected, tmp_path):
    (tmp_path / "r.yaml").write_text("chromosomes: all\nnames: []\nks: []\n")
    assert recipe_from_command_line(Chosen, "", ["--config", str(tmp_path / "r.yaml"), *words]) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max_steps", "[3"], r"--max-steps is '\[3', which cannot be read"),
        (["--output", ""], "--output is empty"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(words, message):
    with pytest.raises(InputError, match=message):
        recipe_from_command_line(PretrainRecipe, "pretrain", ["--config", "tiny_cpu", *words])


@pytest.mark.parametrize("content", [b"- a", b"a", b"1: 2", b"\xff\xfe", b"a: [", b"\x00"])
def test_a_recipe_that_is_not_lines_of_names_and_values_is_refused(content, tmp_path):
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(InputError, match="r.yaml (is not YAML|holds no lines)"):
        read_recipe(PretrainRecipe, str(tmp_path / "r.yaml"), "pretrain", {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 3}, "unknown keys steps; known are dataset, tokenizer"),
        ({"learning_rate": "fast"}, "--learning-rate is 'fast'; it must be float"),
        ({"max_steps": 1.5}, "--max-steps is 1.5; it must be int"),
        ({"bf16": 1}, "bf16 is 1; it must be bool"),
    ],
)
def test_wrong_values_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        read_recipe(PretrainRecipe, "tiny_cpu", "pretrain", changes)


def test_numbers_as_one_types_them_are_read():
    changes = {"learning_rate": "1e-4", "weight_decay": 1}
    recipe = read_recipe(PretrainRecipe, "tiny_cpu", "pretrain", changes)
    assert (recipe.learning_rate, recipe.weight_decay) == (1e-4, 1.0)
    with pytest.raises(SystemExit):
        recipe_from_command_line(PretrainRecipe, "pretrain", ["--config", "tiny_cpu", "--max_step", "7"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": -1.0}, "learning_rate is -1.0; it is 0 or more"), ({"dropout": 1.0}, "and less than 1"),
        ({"learning_rate": float("nan")}, "--learning-rate is nan, not a finite number"),
        ({"seed": 1 << 40}, "less than 4,294,967,296"), ({"workers": -1}, "workers is -1; it is 0 or more"),
    ],
)
def test_numbers_out_of_their_range_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        read_recipe(PretrainRecipe, "tiny_cpu", "pretrain", changes)


@pytest.mark.parametrize(
    "text",
    ["size: tiny\nsize: small\n", "output: " + "[" * 9_999, "revision: 2024-13-45\n", "seed: " + "9" * 5_000],
)
def test_yaml_that_is_not_to_be_had_is_an_error_of_one_line_with_its_file(tmp_path, text):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(InputError, match=r"r.yaml is not YAML: .*") as raised:
        read_recipe(PretrainRecipe, str(tmp_path / "r.yaml"), "pretrain", {})
    assert "\n" not in str(raised.value)


def test_missing_recipes_and_fields_are_named(tmp_path):
    with pytest.raises(InputError, match="no recipe huge; packaged ones are bpe_600, .*, small_cpu, tiny_cpu"):
        read_recipe(PretrainRecipe, "huge", "pretrain", {})
    (tmp_path / "r.yaml").write_text("size: tiny\n")
    with pytest.raises(InputError, match="lacks dataset, tokenizer"):
        read_recipe(PretrainRecipe, str(tmp_path / "r.yaml"), "pretrain", {})


def test_every_field_has_a_help_text():
    assert all(field.metadata["help"] for field in dataclasses.fields(PretrainRecipe))
    assert Path(RECIPES).is_dir()
