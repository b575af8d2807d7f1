import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from dataset_builders.build import prepare
from dataset_builders.genome_windows.builder import plan as windows_plan
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.masking import IGNORED
from grover_hf.metrics.report import Difference, Masking, read_metrics
from grover_hf.tokenization.kmer import KmerEncoder
from tests.training.launches import STOCK, windows_like
from training.evaluate import evaluate, main
from training.evaluation import report as evaluation_report
from training.evaluation.judging import MaskedModel
from training.evaluation.plan import EvaluationPlan
from training.evaluation.report import summary
from training.pretrain import PretrainRecipe, pretrain
from training.runs.recipe import read_recipe


@pytest.fixture(scope="module")
def by_block(inputs, tmp_path_factory):
    """The same genome in three tilings, split by block."""
    folder = tmp_path_factory.mktemp("by-block") / "windows"
    corpus = Path(inputs["tokenizer"]).parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder.parent / "cache"))
        return str(prepare(windows_plan(corpus, tilings=3, split_by="block", block_bp=20_000), folder))


@pytest.fixture(scope="module")
def trained(inputs, tmp_path_factory):
    """A run of two steps, which has learnt next to nothing."""
    run = tmp_path_factory.mktemp("trained") / "run"
    fields = {
        **inputs, "output": str(run), "batch_size": 8, "per_device_batch_size": 8, "max_steps": 2,
        "warmup_steps": 1, "eval_windows": 30, "bf16": False, **STOCK,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(run.parent / "cache"))
        pretrain(read_recipe(PretrainRecipe, "tiny_cpu", "pretrain", fields))
    return run


@pytest.fixture(scope="module")
def found(trained):
    """The folder of an evaluation of the run on the 30 windows of the training's own."""
    output = trained.parent / "found"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(trained.parent / "cache"))
        evaluate(EvaluationPlan(run=str(trained), output=str(output), windows=30))
    return output


@pytest.fixture
def judge(trained, tmp_path, monkeypatch):
    """Evaluate the run on 10 windows, without figures; keywords change the plan."""
    for name in ("accuracy_figure", "per_token_figure", "perplexity_figure", "save_figure"):
        monkeypatch.setattr(evaluation_report, name, lambda *_, **__: None)
    monkeypatch.setenv("GROVER_CACHE", str(trained.parent / "cache"))

    def run(**changes):
        fields = {"run": str(trained), "output": str(tmp_path / "found"), "windows": 10, **changes}
        return evaluate(EvaluationPlan(**fields))

    return run


def test_the_scores_of_the_model_are_those_of_its_training(found, trained):
    scores, before = read_metrics(found), read_metrics(trained)
    assert scores.metrics.keys() > before.metrics.keys()
    # Where two ids are equally likely but for the last bits, one token may change its rank: batches are others.
    one_token = 1.01 / before.metrics["n_masked"]
    for name, value in before.metrics.items():
        tolerance = {"abs": one_token} if name.startswith("accuracy") else {"rel": 1e-5}
        assert scores.metrics[name] == pytest.approx(value, **tolerance), name
    assert scores.dataset == scores.trained_on == before.dataset
    assert scores.share_of_bases_seen_in_training == 0


def test_both_baselines_stand_beside_the_model_with_intervals(found):
    content = read_metrics(found)
    names = (
        "perplexity", "perplexity_at_mask", "accuracy", "bits_per_base", "accuracy_top_10_percent",
        "perplexity_in_repeats", "perplexity_outside_repeats",
    )
    for scores in (content, *content.baselines.values()):
        for name in names:
            low, high = scores.ci95[name]
            assert low < scores.metrics[name] < high
        assert np.shape(scores.ci95["accuracy_top_k"]) == (60, 2)
        assert scores.metrics["n_masked"] == content.metrics["n_masked"]
    for scores in content.baselines.values():
        # What can be seen is the true token about half of the time.
        assert scores.metrics["perplexity_at_mask"] > 1.2 * scores.metrics["perplexity"]


def test_there_are_a_line_for_each_type_of_token_and_figures(found):
    metrics = read_metrics(found).metrics
    with open(found / "per_token.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 604
    assert sum(int(row["n_masked"]) for row in rows) == metrics["n_masked"]
    hits = sum(int(row["n_masked"]) * float(row["model_accuracy"] or 0) for row in rows)
    assert hits / metrics["n_masked"] == pytest.approx(metrics["accuracy"])
    assert sorted(path.name for path in found.glob("*.png")) == ["accuracy.png", "per_token.png", "perplexity.png"]


def test_a_model_that_has_learnt_nothing_is_said_not_to_beat_the_counts(found):
    content = read_metrics(found)
    difference = content.model_minus_baseline["neighbour_counts"]
    both = (content, content.baselines["neighbour_counts"])
    model, counts = (np.log(scores.metrics["perplexity"]) for scores in both)
    assert difference["nats_per_token"].difference == pytest.approx(model - counts, rel=1e-4)
    assert difference["bits_per_token"].difference == pytest.approx((model - counts) / np.log(2), rel=1e-4)
    assert difference["nats_per_token"].ci95[0] > 0
    assert "does NOT beat the neighbour counts: a table" in summary(content)


def test_a_model_that_knows_more_is_said_to_beat_them_and_one_that_may_is_not(judge, monkeypatch):
    def knows(model, batch, **_):
        labels = batch["labels"].numpy()
        true = labels[labels != IGNORED]
        log_p = np.full((len(true), 609), np.log(0.5 / 608), np.float32)
        log_p[np.arange(len(true)), true] = np.log(0.5)
        return log_p

    monkeypatch.setattr(MaskedModel, "log_probabilities", knows)
    content = judge()
    assert content.metrics["perplexity"] == pytest.approx(2)
    assert content.metrics["accuracy"] == 1
    assert "\nThe model beats the neighbour counts." in summary(content)
    differences = content.model_minus_baseline["neighbour_counts"]
    differences["nats_per_token"] = Difference(difference=0.0, ci95=(-0.1, 0.1))
    assert "does NOT beat the neighbour counts: the difference may be zero" in summary(content)


def test_the_masking_may_be_another_and_more_passes_mask_more_tokens(judge):
    found = judge(p_select=0.022, p_mask=0.0, p_random=0.0, passes=5, overwrite=True)
    assert found.masking == Masking(p_select=0.022, p_mask=0.0, p_random=0.0, passes=5)
    n_tokens = found.metrics["n_masked"] / 0.022 / 5 / found.n_windows
    assert 200 < n_tokens < 600
    # Everything can be seen: who knows that is sure.
    for scores in found.baselines.values():
        assert scores.metrics["perplexity"] == 1
        assert "perplexity_at_mask" not in scores.metrics
    assert "at [MASK] alone" not in summary(found)


def test_windows_of_other_data_are_judged_and_what_the_model_was_trained_on_is_said(judge, by_block):
    found = judge(dataset=by_block)
    assert found.dataset.config == "bpe-600.by-block"
    assert found.trained_on.config == "bpe-600"
    assert 0.5 < found.share_of_bases_seen_in_training < 1
    assert "of the judged bases lie in windows that the model was trained on" in summary(found)


def test_of_several_tilings_the_first_is_judged(judge, by_block):
    table = pd.concat(map(pd.read_parquet, sorted(Path(by_block).glob("*/*test*.parquet"))))
    n_of_all_tilings = len(table)
    judged = judge(dataset=by_block, windows=n_of_all_tilings)
    assert 0 < judged.n_windows < 0.5 * n_of_all_tilings
    assert judge(dataset=by_block, windows=5, overwrite=True).n_windows == 5


def test_a_model_alone_is_judged_with_the_masking_and_the_windows_that_are_named(judge, trained, inputs):
    within_run = judge(run=str(trained / "model"))
    shutil.copytree(trained / "model", trained.parent / "alone")
    alone = {"run": str(trained.parent / "alone"), "dataset": inputs["dataset"]}
    with pytest.raises(InputError, match="alone is a model without a run: say --output, and --dataset"):
        judge(**alone | {"dataset": None})
    with pytest.raises(InputError, match="has no recipe: say --p-select and --p-mask and --p-random"):
        judge(**alone, overwrite=True)
    found = judge(**alone, p_select=0.15, p_mask=0.8, p_random=0.1, overwrite=True)
    assert found.metrics == within_run.metrics
    assert found.trained_on is found.share_of_bases_seen_in_training is None


def copied(trained, folder):
    shutil.copytree(trained, folder / "copy", ignore=shutil.ignore_patterns("checkpoints"))
    return folder / "copy"


def test_a_run_without_a_model_and_folders_that_are_not_a_run_are_refused(judge, trained, tmp_path):
    run = copied(trained, tmp_path)
    with pytest.raises(InputError, match="is neither a run .no recipe.yaml. nor a model"):
        judge(run=str(tmp_path))
    shutil.rmtree(run / "model")
    with pytest.raises(InputError, match="has no model: its pretraining is not finished"):
        judge(run=str(run))
    (run / "recipe.yaml").write_text("epochs: 3\n")
    with pytest.raises(InputError, match="is not a pretraining: its recipe masks no tokens"):
        judge(run=str(run))


def test_windows_that_are_not_those_of_the_training_are_refused(judge, trained, inputs, by_block, tmp_path):
    run = copied(trained, tmp_path)
    recipe = (run / "recipe.yaml").read_text()
    (run / "recipe.yaml").write_text(recipe.replace(inputs["dataset"], str(tmp_path / "gone")))
    with pytest.raises(InputError, match="was trained on .*gone, which does not exist; say --trained-on"):
        judge(run=str(run))
    with pytest.raises(InputError, match="no dataset configuration 'bpe-600'; it has bpe-600.by-block"):
        judge(run=str(run), trained_on=by_block)
    other = windows_like(tmp_path / "other", inputs, lambda splits: splits | {"test": splits["train"]})
    with pytest.raises(InputError, match="was trained on build .* which may be split otherwise"):
        judge(run=str(run), trained_on=other)
    assert judge(run=str(run), trained_on=inputs["dataset"]).share_of_bases_seen_in_training == 0


def test_data_that_cannot_be_judged_are_refused(judge, inputs, simulated_fasta, tmp_path):
    corpus = TokenizedGenome.build(ReferenceGenome(simulated_fasta), KmerEncoder(4), tmp_path / "corpus")
    kmers = prepare(windows_plan(corpus.path, split_by="window"), tmp_path / "kmers")
    with pytest.raises(InputError, match="Tokenize again with the same tokenizer"):
        judge(dataset=str(kmers))
    without = windows_like(tmp_path / "without", inputs, lambda splits: {"train": splits["train"]})
    with pytest.raises(InputError, match="has no split test; it has train"):
        judge(dataset=without)

    def lengthen(splits):
        long = {"input_ids": [7] * 511, "soft_masked": [False] * 511}
        longer = Dataset.from_list([splits["test"][0] | long], splits["test"].features)
        return splits | {"test": longer}

    with pytest.raises(InputError, match="A window has 511 tokens; .* has 512 positions, so it takes 510"):
        judge(dataset=windows_like(tmp_path / "longer", inputs, lengthen))
    facts = next((tmp_path / "longer").glob("*/facts.json"))
    facts.write_text(facts.read_text().replace('"genome_windows"', '"prom300"'))
    with pytest.raises(InputError, match="holds prom300; masked tokens are those of windows"):
        judge(dataset=str(tmp_path / "longer"))


def test_wrong_options_are_refused_before_anything_is_read(judge, monkeypatch, tmp_path):
    with pytest.raises(InputError, match="passes is 0; it is 1 or more"):
        judge(passes=0)
    with pytest.raises(InputError, match="p_select 2.0, p_mask 0.8"):
        judge(p_select=2.0)
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "mine.txt").touch()
    with pytest.raises(InputError, match="is there already"):
        judge()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="2 processes were started; an evaluation is one process"):
        judge()


def test_the_command_prints_the_table_and_writes_into_the_run(trained, capsys):
    main([str(trained), "--windows", "5", "--passes", "2", "--batch_size", "4", "--overwrite"])
    out = capsys.readouterr().out
    assert out.startswith("genome_windows bpe-600, test: 5 windows, ")
    for name in ("model ", "neighbour counts ", "token frequency ", "model less neighbour counts: +"):
        assert f"\n{name}" in out
    assert (trained / "evaluation" / "bpe-600" / "metrics.json").exists()
    with pytest.raises(SystemExit, match="1"):
        main([str(trained / "nowhere")])
    assert re.search("error: .*nowhere is neither a run", capsys.readouterr().err)


def test_a_folder_that_no_evaluation_made_is_not_replaced(judge, trained):
    other = trained.parent / "other"
    shutil.copytree(trained, other)
    with pytest.raises(InputError, match=r"has no per_token.csv, so this command did not make it"):
        judge(output=str(other), overwrite=True)
    assert (other / "model" / "config.json").exists()
