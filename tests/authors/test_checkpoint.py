"""The authors' checkpoint, on a stand-in with the layout of theirs."""

import contextlib
import hashlib
import json
import os
import pickle
import random
import re
import shutil
import time
import warnings
from pathlib import Path

import pytest
import torch
import typer
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertForMaskedLM, PreTrainedTokenizerFast, pipeline
from typer.testing import CliRunner

from grover_hf.authors import checkpoint as authors_checkpoint
from grover_hf.authors.checkpoint import convert_authors_checkpoint, load_authors_checkpoint
from grover_hf.authors.known_files import KNOWN_FILES, KnownFile
from grover_hf.authors.vocabulary import read_authors_vocabulary
from grover_hf.cli import authors as cli
from grover_hf.errors import InputError
from grover_hf.tokenization.export import load_encoder
from tests.authors import stand_in

SEQUENCE = "TTTACGATTACAGGCATGAGCCACCGCGCCTGGCCTTTTTTTTTTTTTTTTTTGAGACGGAGTCTCGCTC"


@pytest.fixture(scope="module")
def raw(simulated_merges, tmp_path_factory):
    return stand_in.write_stand_in(tmp_path_factory.mktemp("published") / "raw", simulated_merges.merges)


@pytest.fixture(scope="module")
def loaded(raw):
    return load_authors_checkpoint(raw)


@pytest.fixture(scope="module")
def their_tokenizer(raw):
    return Tokenizer.from_file(str(raw / "tokenizer.json"))


@pytest.fixture(scope="module")
def converted(raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted") / "clean"
    convert_authors_checkpoint(raw, folder)
    return folder


@pytest.fixture
def damaged(raw, tmp_path):
    """A copy to be damaged."""
    return Path(shutil.copytree(raw, tmp_path / "damaged"))


def change_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def change_weights(path, change):
    weights = torch.load(path)
    change(weights)
    torch.save(weights, path)


def test_the_stand_in_has_the_authors_small_files_byte_for_byte():
    texts = {
        "config.json": stand_in.CONFIG, "tokenizer_config.json": stand_in.TOKENIZER_CONFIG,
        "special_tokens_map.json": stand_in.SPECIAL_TOKENS_MAP,
    }
    for name, text in texts.items():
        assert KnownFile(len(text), hashlib.sha256(text.encode()).hexdigest()) == KNOWN_FILES[name]


def test_the_stand_in_has_their_traps(raw, their_tokenizer):
    model = json.loads((raw / "tokenizer.json").read_text())["model"]
    assert (len(model["vocab"]), model["vocab"][""], len(model["merges"])) == (610, 609, 604)
    assert model["merges"][:4] == ["A ", "C ", "G ", "T "]
    assert their_tokenizer.encode("[MASK]A").ids == [2, 4, 5, 3]
    assert their_tokenizer.encode("acNN").ids == [2, 1, 1, 1, 1, 3]
    assert "bert.pooler.dense.weight" in torch.load(raw / "pytorch_model.bin")


sequences = st.text("ACGTN", max_size=300)


@st.composite
def joined_tokens(draw, tokens):
    return "".join(draw(st.lists(st.sampled_from([*tokens, "N"]), max_size=60)))


@pytest.mark.filterwarnings("ignore:A sequence of fewer")
@given(data=st.data())
def test_ids_are_those_of_their_tokenizer(data, loaded, their_tokenizer):
    tokens = loaded.tokenizer.convert_ids_to_tokens(range(5, 609))
    sequence = data.draw(sequences | joined_tokens(tokens))
    ids = their_tokenizer.encode(sequence).ids
    assert loaded.tokenizer(sequence).input_ids == ids
    assert loaded.tokenizer(sequence.lower()).input_ids == ids


@given(sequence=sequences)
def test_without_the_identity_merges_ids_stay(sequence, raw, their_tokenizer):
    # Only this is changed: the first four merges and the empty token.
    content = json.loads((raw / "tokenizer.json").read_text())
    del content["model"]["vocab"][""], content["model"]["merges"][:4]
    assert Tokenizer.from_str(json.dumps(content)).encode(sequence).ids == their_tokenizer.encode(sequence).ids


def test_the_tokenizer_fits_the_model_and_declares_its_special_tokens(loaded):
    tokenizer = loaded.tokenizer
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    assert len(tokenizer) == loaded.model.get_input_embeddings().num_embeddings == 609
    assert sorted(tokenizer.all_special_tokens) == sorted(stand_in.SPECIALS)
    assert [tokenizer.unk_token, tokenizer.sep_token, tokenizer.model_max_length] == ["[UNK]", "[SEP]", 512]
    ids = tokenizer(SEQUENCE).input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == SEQUENCE


def test_logits_are_those_of_their_weights(raw, loaded):
    plain = BertForMaskedLM(type(loaded.model.config)(vocab_size=609, **stand_in.SIZES)).eval()
    plain.load_state_dict(torch.load(raw / "pytorch_model.bin"), strict=False)
    ids = loaded.tokenizer([SEQUENCE, SEQUENCE[::-1]], return_tensors="pt", padding=True)
    with torch.no_grad():
        ours, theirs = loaded.model(**ids).logits, plain(**ids).logits
    assert torch.equal(ours, theirs)
    assert ours.std() > 0.1
    assert not loaded.model.training


def test_model_and_tokenizer_unpack_and_serve_a_pipeline(raw):
    model, tokenizer = load_authors_checkpoint(raw)
    found = pipeline("fill-mask", model=model, tokenizer=tokenizer, device="cpu")(f"{SEQUENCE}[MASK]{SEQUENCE}")
    assert len(found) == 5


@pytest.mark.parametrize("layout", [{"bases": "AGCT"}, {"as_pairs": True}])
def test_other_orders_of_the_bases_and_merges_as_pairs_keep_their_ids(simulated_merges, tmp_path, layout):
    raw = stand_in.write_stand_in(tmp_path / "raw", simulated_merges.merges, **layout)
    theirs = Tokenizer.from_file(str(raw / "tokenizer.json"))
    convert_authors_checkpoint(raw, tmp_path / "clean")
    sequence = f"{SEQUENCE}NNGACT"
    for tokenizer in (load_authors_checkpoint(raw).tokenizer, AutoTokenizer.from_pretrained(tmp_path / "clean")):
        assert tokenizer(sequence).input_ids == theirs.encode(sequence).ids
        assert tokenizer.convert_ids_to_tokens([5, 6, 7, 8]) == list(layout.get("bases", "ACGT"))


def test_a_sequence_below_50_bases_is_warned_of(loaded):
    with pytest.warns(UserWarning, match="fewer than 50 bases"):
        loaded.tokenizer(["ACGT" * 30, "A" * 49 + "[MASK]"])
    with pytest.warns(UserWarning, match="fewer than 50 bases"):
        assert loaded.tokenizer.encode("ACGT", return_tensors="pt").shape[0] == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded.tokenizer(["A" * 50, ""])
        loaded.tokenizer.encode("A" * 50)


def test_saved_it_is_a_plain_tokenizer(loaded, tmp_path):
    kind = type(loaded.tokenizer)
    loaded.tokenizer.save_pretrained(tmp_path)
    assert type(loaded.tokenizer) is kind
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["tokenizer_class"] != kind.__name__
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(SEQUENCE).input_ids == loaded.tokenizer(SEQUENCE).input_ids
    assert pickle.loads(pickle.dumps(loaded.tokenizer))(SEQUENCE).input_ids == again(SEQUENCE).input_ids


def test_auto_classes_load_what_is_converted(converted, loaded, their_tokenizer):
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(converted), AutoTokenizer.from_pretrained(converted)
    assert type(model) is BertForMaskedLM
    assert len(tokenizer) == 609
    assert tokenizer(SEQUENCE.lower()).input_ids == their_tokenizer.encode(SEQUENCE).ids
    ids = tokenizer(SEQUENCE, return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(model(**ids).logits, loaded.model(**ids).logits)
    assert load_encoder(converted).tokens == read_authors_vocabulary(converted).tokens


def test_what_is_converted_has_nothing_of_the_old_files(converted):
    assert {path.name for path in converted.iterdir()} == {
        "README.md", "config.json", "conversion.json", "model.safetensors", "special_tokens_map.json",
        "tokenizer.json", "tokenizer_config.json",
    }
    assert json.loads((converted / "config.json").read_text())["architectures"] == ["BertForMaskedLM"]
    assert "rnn" not in (converted / "config.json").read_text()
    assert not [name for name in load_file(converted / "model.safetensors") if "pooler" in name]


def test_the_facts_are_digests_and_repairs(converted, raw):
    facts = json.loads((converted / "conversion.json").read_text())
    assert facts["files"]["pytorch_model.bin"] == {
        "sha256": hashlib.sha256((raw / "pytorch_model.bin").read_bytes()).hexdigest(), "published": False,
    }
    assert facts["files"]["special_tokens_map.json"]["published"] is True
    assert (facts["source"], facts["commit"], facts["is_published"]) == ("raw", None, False)
    repairs = "\n".join(facts["repairs"])
    for repaired in ("empty token, id 609", "four merges", "lower case", r"\[UNK\] and \[SEP\] are declared",
                     "pooler.dense.bias", "safetensors", "config.json: .*id2label.*rnn.* are left out"):
        assert re.search(repaired, repairs), repaired


def test_a_conversion_converted_again_has_nothing_left_to_repair(converted, tmp_path):
    again = convert_authors_checkpoint(converted, tmp_path / "again")
    assert [repair for repair in again["repairs"] if not repair.startswith("config.json")] == []
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "again" / name).read_bytes() == (converted / name).read_bytes()


CARD = (
    r"---\nlibrary_name: transformers\npipeline_tag: fill-mask\n", r'mask_token: "\[MASK\]"\n', r"\n---\n\n# ",
    "Converted from `raw`", "Melissa Sanabria, Jonas Hirsch, Pierre M. Joubert and Anna R. Poetsch",
    r"\*\*The files are not the authors' as known at\n`6b22311`\*\*",
    "A BERT of 0.1 million parameters with 609 tokens",
    "SHA-256 of the tokens: `[0-9a-f]{64}`",
    r"\* tokenizer: the empty token, id 609, for which the model has no row, is taken out\n",
    r"\* tokenizer: the four merges of a base with the empty token are taken out\n",
    r"1,000\nrandom sequences", "`raw`, a local folder, with grover-hf ",
    r"\| config.json \| `[0-9a-f]{64}` \| no \|\n", r"\| pytorch_model.bin \| `[0-9a-f]{64}` \| no \|\n",
    r"\| special_tokens_map.json \| `894589f3[0-9a-f]{56}` \| yes \|\n",
    r"\| tokenizer.json \| `[0-9a-f]{64}` \| no \|\n",
    r"\| tokenizer_config.json \| `8c6c05d4[0-9a-f]{56}` \| yes \|\n", "## Licence", "states no licence",
    "https://doi.org/10.5281/zenodo.8373117", "CC BY 4.0", r"the conversion names\nno licence",
    "Not for clinical decisions", "Below 50 bases", "@article", "doi = {10.1038/s42256-024-00872-0}",
    r"Versions: .*transformers [\d.]+", r"Converted on \d{4}-\d\d-\d\d\.\n\Z",
)
"""What the card says, in this order."""


def test_the_card_has_the_facts_and_credits_the_authors(converted):
    card = (converted / "README.md").read_text()
    done = 0
    for pattern in CARD:
        found = re.compile(pattern).search(card, done)
        assert found, pattern
        done = found.end()
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["mask_token"] == "[MASK]"
    assert "license" not in metadata


def test_of_the_authors_own_files_the_card_says_so(raw, tmp_path, monkeypatch):
    theirs = {
        path.name: KnownFile(path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in raw.iterdir()
    }
    monkeypatch.setattr(authors_checkpoint, "KNOWN_FILES", theirs)
    assert convert_authors_checkpoint(raw, tmp_path / "clean")["is_published"]
    card = (tmp_path / "clean" / "README.md").read_text()
    assert "at `6b22311`, unchanged" in card
    assert "not the authors'" not in card
    assert "| no |" not in card


def test_an_earlier_conversion_is_replaced_only_on_request(raw, tmp_path):
    convert_authors_checkpoint(raw, tmp_path / "clean")
    with pytest.raises(InputError, match="--overwrite"):
        convert_authors_checkpoint(raw, tmp_path / "clean")
    convert_authors_checkpoint(raw, tmp_path / "clean", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"it has no conversion.json"):
        convert_authors_checkpoint(raw, tmp_path / "mine", overwrite=True)
    with pytest.raises(InputError, match="is, or holds, the input"):
        convert_authors_checkpoint(raw, raw, overwrite=True)


class Foreign:
    """Unpickled, it would make a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_what_a_pickle_holds_beside_weights_is_refused_and_not_run(damaged, tmp_path):
    trace = tmp_path / "it ran"
    change_weights(damaged / "pytorch_model.bin", lambda weights: weights.update(extra=Foreign(trace)))
    with pytest.raises(InputError, match="None of it was run"):
        load_authors_checkpoint(damaged)
    assert not trace.exists()
    torch.load(damaged / "pytorch_model.bin", weights_only=False)
    assert trace.exists()


def test_safetensors_are_taken_before_pickled_weights(damaged, loaded):
    weights = torch.load(damaged / "pytorch_model.bin")
    tied = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")
    untied = {name: weight for name, weight in weights.items() if name not in tied}
    save_file(untied, damaged / "model.safetensors")
    (damaged / "pytorch_model.bin").write_bytes(b"no weights")
    ours, theirs = load_authors_checkpoint(damaged).model.state_dict(), loaded.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


WORD = "bert.embeddings.word_embeddings.weight"
NORM = "bert.embeddings.LayerNorm.weight"
DECODER = "cls.predictions.decoder.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("cls.predictions.bias"), "lacks cls.predictions.bias"),
        (lambda w: w.update(rnn=w[WORD]), "has beyond it rnn"),
        (lambda w: w.update(dict.fromkeys((WORD, DECODER), w[WORD][:600])), r"\(600, 32\).* want \(609, 32\)"),
        (lambda w: w.update(dict.fromkeys((WORD, DECODER), torch.zeros(610, 32))), r"\(610, 32\)"),
        (lambda w: w.update({DECODER: w[DECODER] + 1}), f"{DECODER} is not {WORD}"),
        (lambda w: w[NORM].fill_(float("nan")), f"{NORM} has values"),
        (lambda w: w.update({NORM: torch.arange(32)}), f"{NORM} has values"),
        (lambda w: w.update(epoch=3), "not a table of names and weights"),
    ],
)
def test_weights_that_do_not_fit_are_refused(damaged, change, message):
    change_weights(damaged / "pytorch_model.bin", change)
    with pytest.raises(InputError, match=message):
        load_authors_checkpoint(damaged)


def test_a_changed_byte_in_pickled_weights_raises_no_other_error_than_ours(damaged):
    path = damaged / "pytorch_model.bin"
    whole = path.read_bytes()
    # Where the pickle lies; after it come the values.
    names = range(whole.index(b"data.pkl"), whole.index(b"data/0"))
    for at in random.Random(0).sample(names, 20):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with contextlib.suppress(InputError):
            load_authors_checkpoint(damaged)


def test_damaged_weights_are_refused(damaged):
    path = damaged / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged, or was cut short"):
        load_authors_checkpoint(damaged)
    path.unlink()
    with pytest.raises(InputError, match=r"neither model.safetensors nor pytorch_model.bin"):
        load_authors_checkpoint(damaged)
    (damaged / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(InputError, match="damaged, or was cut short"):
        load_authors_checkpoint(damaged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(vocab_size=610), "vocab_size 610; the tokenizer has 609 tokens"),
        (lambda c: c.update(model_type="roberta"), "not of a BERT encoder, but of 'roberta'"),
        (lambda c: c.update(is_decoder=True), "not of a BERT encoder"),
        (lambda c: c.pop("hidden_act"), "lacks hidden_act"),
        (lambda c: c.update(hidden_size=64), r"\(609, 32\); .* want \(609, 64\)"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(damaged, change, message):
    change_json(damaged / "config.json", change)
    with pytest.raises(InputError, match=message):
        load_authors_checkpoint(damaged)


def swap(ids, first, second):
    ids[first], ids[second] = ids[second], ids[first]


def rename(ids, old, new):
    ids[new] = ids.pop(old)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, v: swap(v, "[PAD]", "[UNK]"), r"id 0 is '\[UNK\]', where '\[PAD\]'"),
        (lambda m, v: swap(v, "[MASK]", "A"), "ids 5 to 8 are"),
        (lambda m, v: v.update({"": 700}), "not 0 to 609"),
        (lambda m, v: swap(v, "A", ""), "ids 5 to 8 are"),
        (lambda m, v: swap(v, "AA", "TT"), "id 9 is 'TT', where 'AA' should be"),
        (lambda m, v: rename(v, "AA", "ZZ"), "id 9 is 'ZZ'"),
        (lambda m, v: m["merges"].pop(4), "which no earlier merge makes"),
        (lambda m, v: m["merges"].pop(), "id 608 is .*, where None should be"),
        (lambda m, v: m["merges"].pop(0), r"joins \['C', 'G', 'T'\] with nothing"),
        (lambda m, v: m["merges"].append("A B C"), "not a tokenizer file"),
        (lambda m, v: m["merges"].append([1, 2]), "'1', which is not a word over"),
        (lambda m, v: v.update(A="five"), "not a tokenizer file"),
        (lambda m, v: m.pop("merges"), "not a tokenizer file"),
        (lambda m, v: m.update(type="WordPiece"), "not a byte-pair encoding but WordPiece"),
        (lambda m, v: m.update(fuse_unk=True), "without changing ids"),
        (lambda m, v: m.update(dropout=0.5), "without changing ids"),
    ],
)
def test_a_vocabulary_laid_out_otherwise_is_refused(damaged, change, message):
    change_json(damaged / "tokenizer.json", lambda content: change(content["model"], content["model"]["vocab"]))
    with pytest.raises(InputError, match=message):
        load_authors_checkpoint(damaged)


def test_other_steps_that_change_ids_are_refused(damaged):
    change_json(damaged / "tokenizer.json", lambda content: content.update(post_processor=None))
    with pytest.raises(InputError, match=r"gives '\[MASK\]A' the ids \[4, 5\], and repaired \[2, 4, 5, 3\]"):
        load_authors_checkpoint(damaged)


def test_added_tokens_without_a_row_are_refused(damaged):
    extra = {"id": 610, "content": "[BOS]", "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
    change_json(damaged / "tokenizer.json", lambda content: content["added_tokens"].append(extra))
    with pytest.raises(InputError, match=r"added tokens .* no row for: \['\[BOS\]'\]"):
        load_authors_checkpoint(damaged)


def test_special_tokens_declared_as_objects_count_as_declared(damaged):
    declared = {"unk_token": {"content": "[UNK]", "lstrip": False}, "sep_token": "[SEP]"}
    change_json(damaged / "special_tokens_map.json", lambda content: content.update(declared))
    assert not [one for one in read_authors_vocabulary(damaged).repairs if "declared" in one]


def test_missing_and_damaged_files_are_named(damaged):
    (damaged / "special_tokens_map.json").write_text("{")
    with pytest.raises(InputError, match="special_tokens_map.json is damaged"):
        load_authors_checkpoint(damaged)
    (damaged / "special_tokens_map.json").unlink()
    (damaged / "config.json").write_text("{")
    with pytest.raises(InputError, match="config.json is damaged"):
        load_authors_checkpoint(damaged)
    (damaged / "config.json").unlink()
    with pytest.raises(InputError, match="has no config.json"):
        load_authors_checkpoint(damaged)
    (damaged / "tokenizer.json").unlink()
    with pytest.raises(InputError, match="has no tokenizer.json"):
        load_authors_checkpoint(damaged)


@pytest.fixture
def on_the_hub(hub, repo_id, raw):
    """The stand-in as a repo with what the authors' has besides, and another commit after it."""
    hub.create(repo_id)
    files = {path.name: path.read_bytes() for path in raw.iterdir()}
    commit = hub.commit(repo_id, {**files, "tokenized_chromosomes/chr_1_mapper.pkl": b"18 GB"})
    hub.commit(repo_id, {"config.json": b"{}"})
    return repo_id, commit.oid


def test_from_the_hub_only_the_files_of_the_model_are_fetched(hub, on_the_hub, tmp_path, loaded):
    repo_id, commit = on_the_hub
    facts = convert_authors_checkpoint(repo_id, tmp_path / "clean", revision=commit)
    assert (facts["source"], facts["commit"]) == (repo_id, commit)
    fetched = {path.rpartition(f"{commit}/")[2] for method, path, _ in hub.log if "/resolve/" in path}
    assert fetched == {"config.json", "pytorch_model.bin", "special_tokens_map.json", "tokenizer.json",
                       "tokenizer_config.json"}
    hub.stop()
    model, tokenizer = load_authors_checkpoint(repo_id, revision=commit)
    assert torch.equal(model.get_input_embeddings().weight, loaded.model.get_input_embeddings().weight)
    assert tokenizer(SEQUENCE).input_ids == loaded.tokenizer(SEQUENCE).input_ids


def test_the_main_branch_is_what_is_meant_without_a_revision(on_the_hub):
    with pytest.raises(InputError, match="config.json lacks model_type"):
        load_authors_checkpoint(on_the_hub[0])


def test_a_source_that_is_not_there_is_named(hub, raw, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="neither a folder nor a name on the Hub"):
        load_authors_checkpoint(tmp_path / "not" / "there")
    with pytest.raises(InputError, match="The Hub does not give grover/nothing-here"):
        load_authors_checkpoint("grover/nothing-here")
    with pytest.raises(InputError, match="is a folder; a revision .abc. is of a repository"):
        load_authors_checkpoint(raw, revision="abc")
    hub.stop()
    with pytest.raises(InputError, match="cannot be reached, and the cache does not have grover/nothing-here"):
        load_authors_checkpoint("grover/nothing-here")


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda hub: hub.fail(403, method="GET", path="^/lfs/", times=20), "The Hub does not give {}: .*403"),
        (lambda hub: hub.cut("response", method="GET", path="^/lfs/", times=20), "broke while {} was fetched"),
    ],
)
def test_a_download_that_breaks_is_an_error_and_can_be_repeated(hub, on_the_hub, monkeypatch, break_it, message):
    # The client waits a second before each of its tries.
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    repo_id, commit = on_the_hub
    break_it(hub)
    with pytest.raises(InputError, match=message.format(f"{repo_id} at {commit}")):
        load_authors_checkpoint(repo_id, revision=commit)
    hub.reset_faults()
    assert load_authors_checkpoint(repo_id, revision=commit).model.config.vocab_size == 609


def test_the_verb_says_what_it_repaired(raw, tmp_path):
    app = typer.Typer()
    app.command()(cli.convert_authors)
    done = CliRunner().invoke(app, [str(raw), "--output", str(tmp_path / "clean")])
    assert done.exit_code == 0
    assert "repaired: tokenizer: the empty token, id 609" in done.output
    assert "609 token ids; the source files are not the known ones of PoetschLab/GROVER at 6b22311" in done.output
