"""Publications against a Hub on this machine, with the unmodified client."""

import itertools
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from datasets import load_dataset
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from dataset_builders.build import prepare
from dataset_builders.classification.builder import plan
from dataset_builders.genome_windows.builder import plan as plan_windows
from grover_hf import cli
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.hub.cards import read_card
from grover_hf.hub.metadata import metadata_problems
from grover_hf.hub.publications import (
    License,
    corpus_publication,
    dataset_publication,
    model_publication,
    tokenizer_publication,
    tracks_publication,
)
from grover_hf.hub.publish import publish, repository_name
from grover_hf.hub.sentence_files import SENTENCE_FILES
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.export import save_tokenizer
from grover_hf.tokenization.kmer import KmerEncoder
from grover_hf.tracks.writing import TrackPlan, write_tracks
from tests.hub.made_here import write_run
from tests.made_up import MASKED
from tests.tiny_models import random_dna, save, tiny_masked_model

APACHE = License("apache-2.0")
# LFS keeps one object for all repositories: what is to be sent must be new.
SEEDS = itertools.count(1)


@pytest.fixture(autouse=True)
def rules(hub, monkeypatch):
    """The Hub of the test refuses what the rules in the code refuse."""
    monkeypatch.setattr(hub, "validate", lambda kind, text: metadata_problems(kind, read_card(text)[0]))


@pytest.fixture
def run(tmp_path, simulated_merges):
    return write_run(tmp_path / "run", simulated_merges)


@pytest.fixture
def dataset(tmp_path, simulated_fasta, simulated_merges):
    """Build a configuration of a small dataset; return its folder."""
    table = tmp_path / "rows.bed"
    rows = (f"sim1\t{at}\t{at + 80}\t{'ab'[at // 100 % 2]}\n" for at in range(5_000, 35_000, 100))
    table.write_text("".join(rows))

    def build(encoder=None):
        encoder = encoder or GenomeEncoder(simulated_merges)
        corpus = TokenizedGenome.build(ReferenceGenome(simulated_fasta), encoder, tmp_path / encoder.name)
        return prepare(plan(table, corpus=corpus.path), tmp_path / "mine", overwrite=True)

    return build


def card_of(hub, repo, kind="model"):
    return read_card(hub.files(repo, kind)["README.md"].decode())


def n_commits(hub, repo, kind="model"):
    """How many commits there are beside the Hub's own."""
    return len(hub.commits(repo, kind)) - 1


def test_a_model_is_one_commit_with_tokenizer_card_and_handler_and_nothing_else(hub, run, repo_id):
    published = publish(model_publication(run, repo_id, APACHE))
    assert published.commit == hub.commits(repo_id)[-1].oid
    assert n_commits(hub, repo_id) == 1
    assert hub.files(repo_id).keys() - {".gitattributes"} == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "README.md", "handler.py", "requirements.txt", *SENTENCE_FILES,
    }


def test_the_same_content_twice_is_no_second_commit(hub, run, repo_id):
    publish(model_publication(run, repo_id, APACHE))
    assert publish(model_publication(run, repo_id, APACHE)).commit is None
    assert n_commits(hub, repo_id) == 1


def test_only_what_changed_is_sent_again(hub, run, repo_id):
    publish(model_publication(run, repo_id, APACHE))
    hub.log.clear()
    publish(model_publication(run, repo_id, License("mit")))
    assert n_commits(hub, repo_id) == 2
    assert not [path for method, path, _ in hub.log if method == "PUT"]
    assert card_of(hub, repo_id)[0]["license"] == "mit"


def test_what_an_earlier_publication_left_goes_and_what_others_put_there_stays(hub, run, repo_id):
    hub.create(repo_id)
    stale = {"model-00001-of-00002.safetensors": b"old", "pytorch_model.bin": b"old"}
    hub.commit(repo_id, {**stale, "figure.png": b"x", "onnx/model.safetensors": b"mine"})
    publish(model_publication(run, repo_id, APACHE))
    there = hub.files(repo_id)
    assert not stale.keys() & there.keys()
    assert {"figure.png", "onnx/model.safetensors"} <= there.keys()


def test_the_card_names_repository_licence_and_scores(hub, run, repo_id):
    publish(model_publication(run, repo_id, APACHE))
    metadata, body = card_of(hub, repo_id)
    assert metadata["license"] == "apache-2.0"
    assert metadata["pipeline_tag"] == "fill-mask"
    assert metadata["mask_token"] == "[MASK]"
    [model] = metadata["model-index"]
    assert model["name"] == repo_id.split("/")[1]
    scores = {metric["type"]: metric["value"] for metric in model["results"][0]["metrics"]}
    assert scores == {"accuracy": MASKED["accuracy"], "perplexity": MASKED["perplexity"]}
    assert f'from_pretrained("{repo_id}")' in body
    assert "path/or/repository" not in body
    assert str(run) not in body, "a path of this machine is in the card"


def test_a_model_without_a_licence_or_with_an_unknown_one_is_refused(run, repo_id):
    with pytest.raises(InputError, match="--license"):
        model_publication(run, repo_id)
    with pytest.raises(InputError, match="'apache' , which|license is 'apache'"):
        model_publication(run, repo_id, License("apache"))
    with pytest.raises(InputError, match="license_name and license_link"):
        model_publication(run, repo_id, License("other"))
    model_publication(run, repo_id, License("other", "mine-1.0", "https://example.org/licence"))


def without(name):
    return lambda folder: (folder / name).unlink()


def with_text(name, text):
    return lambda folder: (folder / name).write_text(text)


def with_nan(folder):
    weights = load_file(folder / "model.safetensors")
    weights["bert.encoder.layer.0.output.dense.bias"][3] = np.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def with_fewer_weights(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["bert.encoder.layer.0.output.dense.bias"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def with_another_tokenizer(folder):
    content = json.loads((folder / "tokenizer.json").read_text())
    left, right = content["model"]["merges"].pop()
    del content["model"]["vocab"][left + right]
    (folder / "tokenizer.json").write_text(json.dumps(content))


def with_code(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "modeling.Mine"}}))


@pytest.mark.parametrize(("spoil", "message"), [
    (without("tokenizer.json"), "has no tokenizer"),
    (without("tokenizer_config.json"), "has no tokenizer"),
    (without("model.safetensors"), "has no weights"),
    (without("README.md"), "has no card"),
    (with_text("README.md", "# No facts\n"), "no metadata"),
    (with_text("README.md", "---\npipeline_tag: fill-mask\n---\n# Facts are missing\n"), "needs mask_token"),
    (with_text("pytorch_model.bin", "pickled"), "pickled weights can run code"),
    (with_nan, "output.dense.bias are not all finite"),
    (with_fewer_weights, "missing keys"),
    (with_another_tokenizer, "608 tokens.*609 rows"),
    (with_code, "needs code of its own"),
    (with_text("config.json", "[]"), "does not hold names"),
    (with_text("tokenizer.json", "{"), "does not load"),
    (with_text("model.safetensors", ""), "does not load"),
])
def test_a_model_that_would_not_serve_is_refused_before_anything_is_sent(hub, run, repo_id, spoil, message):
    spoil(run / "model")
    with pytest.raises(InputError, match=message):
        model_publication(run, repo_id, APACHE)
    assert not hub.exists(repo_id)


def test_a_private_repository_stays_private_and_a_public_one_is_not_taken_for_one(hub, run, repo_id):
    publish(model_publication(run, repo_id, APACHE), private=True)
    assert hub.repos["model", repo_id].private
    public = f"{repo_id}-public"
    publish(model_publication(run, public, APACHE))
    with pytest.raises(InputError, match="there and is public"):
        publish(model_publication(run, public, License("mit")), private=True)
    assert card_of(hub, public)[0]["license"] == "apache-2.0"


@pytest.mark.parametrize(("fault", "message"), [
    (lambda hub, repo: hub.fail(400, path="/commit/"), "refused what was sent"),
    (lambda hub, repo: hub.fail(403, path="/commit/"), "another namespace"),
    (lambda hub, repo: hub.fail(429, path="/commit/", times=9), "fewer requests"),
    (lambda hub, repo: hub.fail(507, path="/commit/", times=9), "problem of its own"),
    (lambda hub, repo: hub.fail(507, path="/objects/batch", times=9), "problem of its own"),
    (lambda hub, repo: hub.fail(403, method="PUT", path="/lfs/"), "another namespace"),
    (lambda hub, repo: hub.cut(method="PUT", path="/lfs/", times=9), "connection broke"),
    (lambda hub, repo: hub.cut(path="/commit/", times=9), "connection broke"),
    (lambda hub, repo: hub.move_branch(repo), "somebody else pushed"),
    (lambda hub, repo: hub.refuse_tokens(), "log in"),
])
def test_a_push_that_fails_says_what_to_do_leaves_all_and_can_be_made_again(
    hub, run, repo_id, fault, message, monkeypatch, simulated_merges
):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    publish(model_publication(run, repo_id, APACHE))
    write_run(run, simulated_merges, seed=next(SEEDS))
    before = hub.files(repo_id)
    fault(hub, repo_id)
    with pytest.raises(InputError, match=message) as caught:
        publish(model_publication(run, repo_id, APACHE))
    assert hub.token not in str(caught.value)
    assert {path: data for path, data in hub.files(repo_id).items() if path != "moved.txt"} == before
    hub.reset_faults()
    assert publish(model_publication(run, repo_id, APACHE)).commit is not None
    assert hub.files(repo_id)["model.safetensors"] == (run / "model" / "model.safetensors").read_bytes()


def test_a_commit_whose_answer_got_lost_is_not_made_twice(hub, run, repo_id):
    hub.cut("response", path="/commit/")
    with pytest.raises(InputError, match="as it was, or has the whole commit"):
        publish(model_publication(run, repo_id, APACHE))
    assert publish(model_publication(run, repo_id, APACHE)).commit is None
    assert n_commits(hub, repo_id) == 1


def test_the_token_is_in_no_message_and_no_log(hub, run, repo_id, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    hub.fail(400, path="/commit/")
    with pytest.raises(InputError):
        publish(model_publication(run, repo_id, APACHE))
    publish(model_publication(run, repo_id, APACHE))
    said = capsys.readouterr()
    assert hub.token not in caplog.text + said.out + said.err


def test_a_card_that_the_hub_refuses_for_a_reason_of_its_own_is_told_in_its_words(hub, run, repo_id, monkeypatch):
    monkeypatch.setattr(hub, "validate", lambda kind, text: ["it has no emoji"])
    with pytest.raises(InputError, match="it has no emoji"):
        publish(model_publication(run, repo_id, APACHE))
    assert n_commits(hub, repo_id) == 0


def test_a_name_alone_goes_to_the_namespace_that_is_set_else_to_ones_own(hub, monkeypatch):
    assert repository_name("lab/model") == "lab/model"
    assert repository_name("model") == "tester/model"
    monkeypatch.setenv("GROVER_NAMESPACE", "lab")
    assert repository_name("model") == "lab/model"
    for wrong in ("", "a/b/c", "a/", "a b/c", "a/b--c", "a/x.git", "a/x@main", "a/" + 100 * "x"):
        with pytest.raises(InputError, match="not a repository's name"):
            repository_name(wrong)
    monkeypatch.delenv("GROVER_NAMESPACE")
    hub.refuse_tokens()
    with pytest.raises(InputError, match="log in"):
        repository_name("model")


def test_a_dry_run_lists_what_would_be_sent_and_sends_nothing(hub, run, repo_id, monkeypatch, capsys):
    words = ["grover", "publish", "model", str(run), "--repo", repo_id, "--license", "apache-2.0"]
    monkeypatch.setattr("sys.argv", [*words, "--dry-run"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert "model.safetensors" in capsys.readouterr().out
    assert not hub.exists(repo_id)
    for said in ("commit", "nothing has changed"):
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 0
        assert said in capsys.readouterr().out
    assert n_commits(hub, repo_id) == 1


def test_a_dataset_round_trip_gives_equal_rows_and_adds_a_configuration(hub, dataset, repo_id, tmp_path):
    folder = dataset()
    publish(dataset_publication(folder, repo_id, License("cc0-1.0")))
    dataset(KmerEncoder(4))
    publish(dataset_publication(folder, repo_id, License("cc0-1.0")))
    assert n_commits(hub, repo_id, "dataset") == 2
    metadata, _ = card_of(hub, repo_id, "dataset")
    assert [config["config_name"] for config in metadata["configs"]] == ["bpe-600", "kmer-4"]
    for config in ("bpe-600", "kmer-4"):
        there = load_dataset(repo_id, config)
        here = load_dataset(str(folder), config)
        assert {name: rows.to_list() for name, rows in there.items()} == {
            name: rows.to_list() for name, rows in here.items()
        }
    assert load_dataset(repo_id)["test"].to_list() == load_dataset(str(folder), "bpe-600")["test"].to_list()


def test_a_dataset_that_was_changed_or_would_break_the_repository_is_refused(hub, dataset, repo_id, tmp_path):
    folder = dataset()
    publish(dataset_publication(folder, repo_id, APACHE))
    hub.commit(repo_id, {f"{repo_id.split('/')[1]}.py": b"raise SystemExit"}, "dataset")
    with pytest.raises(InputError, match="loading script"):
        publish(dataset_publication(folder, repo_id, License("mit")))
    other = f"{repo_id}-other"
    publish(dataset_publication(folder, other, APACHE))
    shutil.rmtree(folder)
    dataset(KmerEncoder(4))
    with pytest.raises(InputError, match="has the configurations bpe-600, which your folder lacks"):
        publish(dataset_publication(folder, other, APACHE))
    next((folder / "kmer-4").glob("*test*.parquet")).write_bytes(b"PAR1")
    with pytest.raises(InputError, match="damaged or were changed"):
        dataset_publication(folder, repo_id, APACHE)
    with pytest.raises(InputError, match="not a dataset made by"):
        dataset_publication(tmp_path, repo_id, APACHE)


def test_nothing_of_another_kind_is_put_over_what_a_repository_holds(
    hub, run, dataset, simulated_merges, simulated_fasta, tmp_path, repo_id
):
    encoder = GenomeEncoder(simulated_merges)
    publish(model_publication(run, repo_id, APACHE))
    save_tokenizer(encoder, tmp_path / "tokens")
    with pytest.raises(InputError, match="holds a model, which a tokenizer would break"):
        publish(tokenizer_publication(tmp_path / "tokens", repo_id, APACHE))
    folder = dataset()
    publish(dataset_publication(folder, repo_id, APACHE))
    windows = prepare(plan_windows(tmp_path / "bpe-600", split_by="window"), tmp_path / "windows")
    with pytest.raises(InputError, match="holds the dataset rows, not genome_windows"):
        publish(dataset_publication(windows, repo_id, APACHE))
    with pytest.raises(InputError, match="holds a dataset, which a corpus would break"):
        publish(corpus_publication(tmp_path / "bpe-600", repo_id, APACHE))
    publish(corpus_publication(tmp_path / "bpe-600", f"{repo_id}-corpus", APACHE))
    with pytest.raises(InputError, match="holds a corpus, which a dataset would break"):
        publish(dataset_publication(windows, f"{repo_id}-corpus", APACHE))


def test_a_licence_of_the_card_is_not_replaced_by_another(run, repo_id):
    card = run / "model" / "README.md"
    card.write_text(card.read_text().replace("pipeline_tag", "license: cc-by-nc-4.0\npipeline_tag", 1))
    with pytest.raises(InputError, match="the card says .*cc-by-nc-4.0.*apache-2.0"):
        model_publication(run, repo_id, APACHE)
    published = read_card(model_publication(run, repo_id).files["README.md"].decode())[0]
    assert published["license"] == "cc-by-nc-4.0"


def test_configs_are_for_all_versions_and_name_no_folder(run, repo_id):
    model = run / "model"
    for name, more in (("config", {"_name_or_path": "/home/jane/x"}), ("tokenizer_config", {"is_local": True})):
        content = json.loads((model / f"{name}.json").read_text()) | more
        (model / f"{name}.json").write_text(json.dumps(content))
    AutoTokenizer.from_pretrained(model).save_pretrained(model)
    files = model_publication(run, repo_id, APACHE).files
    assert b"jane" not in files["config.json"]
    assert json.loads(files["tokenizer_config.json"])["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_shards_that_a_rebuilt_configuration_has_no_more_go(hub, dataset, repo_id):
    folder = dataset()
    publish(dataset_publication(folder, repo_id, APACHE))
    hub.commit(repo_id, {"bpe-600/mine-train-00001-of-00002.parquet": b"old"}, "dataset")
    publish(dataset_publication(folder, repo_id, APACHE))
    assert "bpe-600/mine-train-00001-of-00002.parquet" not in hub.files(repo_id, "dataset")


def test_a_tokenizer_comes_back_equal(hub, simulated_merges, tmp_path, repo_id):
    save_tokenizer(GenomeEncoder(simulated_merges), tmp_path / "tokenizer")
    with pytest.raises(InputError, match="--license"):
        tokenizer_publication(tmp_path / "tokenizer", repo_id)
    publish(tokenizer_publication(tmp_path / "tokenizer", repo_id, APACHE))
    sequence = "acgtNNTTAGGGTTAGGG" * 9
    there = AutoTokenizer.from_pretrained(repo_id)
    assert there(sequence)["input_ids"][1:-1] == GenomeEncoder(simulated_merges).encode(sequence).tolist()
    assert simulated_merges.vocabulary_sha256 in card_of(hub, repo_id)[1]


def test_a_tokenized_genome_comes_back_equal(hub, simulated_fasta, simulated_merges, tmp_path, repo_id):
    from huggingface_hub import snapshot_download

    genome, encoder = ReferenceGenome(simulated_fasta), GenomeEncoder(simulated_merges)
    corpus = TokenizedGenome.build(genome, encoder, tmp_path / "corpus")
    publish(corpus_publication(corpus.path, repo_id, APACHE))
    assert n_commits(hub, repo_id, "dataset") == 1
    there = TokenizedGenome.open(snapshot_download(repo_id, repo_type="dataset"))
    where = Interval(corpus.chromosomes[0], 20_000, 21_000)
    assert there.tokens_in(where).input_ids.tolist() == corpus.tokens_in(where).input_ids.tolist()
    assert there.facts == corpus.facts
    there.require_whole()


def test_tracks_come_back_with_a_hub_that_names_its_files(hub, tmp_path, repo_id):
    from huggingface_hub import snapshot_download

    (tmp_path / "g.fa").write_text(f">c\n{random_dna(300)}\n")
    save(tmp_path / "model", tiny_masked_model())
    write_tracks(TrackPlan(genome=tmp_path / "g.fa", model=str(tmp_path / "model")), tmp_path / "tracks")
    publish(tracks_publication(tmp_path / "tracks", repo_id, APACHE))
    assert n_commits(hub, repo_id, "dataset") == 1
    there = Path(snapshot_download(repo_id, repo_type="dataset"))
    for path in (tmp_path / "tracks").iterdir():
        assert (there / path.name).read_bytes() == path.read_bytes()
    card = (there / "README.md").read_text()
    assert f"datasets/{repo_id}/resolve/main/hub.txt" in card
    assert "| marginal_A | 300 |" in card
    (tmp_path / "tracks" / "surprisal.bw").write_bytes(b"other")
    with pytest.raises(InputError, match=r"surprisal.bw is missing or was changed"):
        tracks_publication(tmp_path / "tracks", repo_id, APACHE)
    with pytest.raises(InputError, match="holds no tracks"):
        tracks_publication(tmp_path / "model", repo_id, APACHE)


@pytest.mark.parametrize("name", ["ids.uint16", "segments.npy", "anchors.npy"])
def test_a_tokenized_genome_that_was_changed_is_refused(name, simulated_fasta, simulated_merges, tmp_path):
    genome, encoder = ReferenceGenome(simulated_fasta), GenomeEncoder(simulated_merges)
    corpus = TokenizedGenome.build(genome, encoder, tmp_path / "corpus").path
    content = bytearray((corpus / name).read_bytes())
    content[-2] ^= 1
    (corpus / name).write_bytes(content)
    with pytest.raises(InputError, match="its tokens are damaged or were changed|is damaged .it has .*make it"):
        corpus_publication(corpus, "somebody/corpus", APACHE)


def test_logits_are_equal_before_and_after_the_round_trip(hub, run, repo_id):
    publish(model_publication(run, repo_id, APACHE))
    ids = torch.arange(40)[None]
    with torch.inference_mode():
        models = [AutoModelForMaskedLM.from_pretrained(at).eval() for at in (run / "model", repo_id)]
        here, there = (model(ids).logits for model in models)
    assert torch.equal(here, there)


def test_every_card_says_what_it_must(run, dataset, simulated_merges, tmp_path, repo_id):
    save_tokenizer(GenomeEncoder(simulated_merges), tmp_path / "tokens")
    for publication in (
        model_publication(run, repo_id, APACHE), dataset_publication(dataset(), repo_id, APACHE),
        tokenizer_publication(tmp_path / "tokens", repo_id, APACHE),
    ):
        text = publication.files["README.md"].decode()
        metadata, body = read_card(text)
        assert metadata["license"] == "apache-2.0"
        assert yaml.safe_load(yaml.safe_dump(metadata)) == metadata
        for must in ("\n## Limits\n", "ot for clinical decisions", "@article{sanabria2024grover,"):
            assert must in body
        assert "{{" not in text
        assert "{%" not in text
