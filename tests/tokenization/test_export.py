import json

import pytest
from transformers import AutoTokenizer

from grover_hf.errors import InputError
from grover_hf.model import grover_config
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.export import (
    load_encoder,
    save_tokenizer,
    vocabulary_encoder,
)
from grover_hf.tokenization.kmer import KmerEncoder

SPECIAL_IDS = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}


@pytest.fixture(scope="module")
def encoder(simulated_merges):
    return GenomeEncoder(simulated_merges)


@pytest.fixture
def tokenizer(encoder, tmp_path):
    """As users load it: through AutoTokenizer, with a BERT config beside it."""
    save_tokenizer(encoder, tmp_path / "tokenizer")
    grover_config(len(encoder.tokens), "tiny").save_pretrained(tmp_path / "tokenizer")
    return AutoTokenizer.from_pretrained(tmp_path / "tokenizer")


def test_auto_tokenizer_beside_a_bert_config_is_byte_pair_encoding(tokenizer, encoder):
    # With a wrong class transformers falls back to WordPiece: every sequence becomes [UNK].
    assert json.loads(tokenizer.backend_tokenizer.to_str())["model"]["type"] == "BPE"
    assert len(tokenizer) == 609
    assert tokenizer.convert_ids_to_tokens(range(609)) == list(encoder.tokens)
    sequence = "ACGTTTTTGGGCATTACAGG" * 20
    assert tokenizer(sequence).input_ids == [2, *encoder.encode(sequence).tolist(), 3]


def test_all_five_specials_are_declared(tokenizer):
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in tokenizer.all_special_tokens} == SPECIAL_IDS
    assert tokenizer.sep_token == "[SEP]"
    assert tokenizer.unk_token == "[UNK]"
    assert tokenizer.model_max_length == 512


def test_lower_case_n_and_masks(tokenizer, encoder):
    assert tokenizer("acgt").input_ids == tokenizer("ACGT").input_ids
    assert tokenizer("ANNnA", add_special_tokens=False).input_ids == [5, 1, 1, 1, 5]
    ids = tokenizer("ACG[MASK]TTT", add_special_tokens=False).input_ids
    assert ids == [*encoder.encode("ACG"), 4, *encoder.encode("TTT")]
    assert tokenizer("").input_ids == [2, 3]


def test_decoding_gives_the_sequence_without_spaces(tokenizer):
    sequence = "ACGTTTTTGGGCATTACAGGACC"
    assert tokenizer.decode(tokenizer(sequence).input_ids, skip_special_tokens=True) == sequence


def test_offsets_are_those_of_the_encoder(tokenizer, encoder):
    sequence = "ACGTTTTTNNGGGCATTACAGGACC"
    ours = encoder.encode_with_offsets(sequence)
    theirs = tokenizer(sequence, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    assert theirs == list(zip(ours.starts.tolist(), ours.ends.tolist(), strict=True))


def test_the_class_name_is_one_that_transformers_4_knows(encoder, tmp_path):
    save_tokenizer(encoder, tmp_path / "t")
    config = json.loads((tmp_path / "t" / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "auto_map" not in config


def test_the_tokenizer_of_merges_is_the_saved_one(simulated_merges, tokenizer):
    made = simulated_merges.to_tokenizer()
    assert made("ACGTNacgttt").input_ids == tokenizer("ACGTNacgttt").input_ids
    assert made.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


@pytest.mark.parametrize("k", [4, 5, 6])
def test_kmers_are_non_overlapping_and_the_tail_is_one_unknown(k, tmp_path):
    encoder = KmerEncoder(k)
    save_tokenizer(encoder, tmp_path / "t")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "t")
    assert len(tokenizer) == 4**k + 5
    sequence = "ACGTTGCATGCAAcgtNNTGCATGCATAC"
    ids = tokenizer(sequence, add_special_tokens=False, return_offsets_mapping=True)
    ours = encoder.encode_with_offsets(sequence)
    assert ids.input_ids == ours.input_ids.tolist() == encoder.encode(sequence).tolist()
    assert ids.offset_mapping == list(zip(ours.starts.tolist(), ours.ends.tolist(), strict=True))
    assert tokenizer.tokenize("ACGTTGCATGCA"[: 2 * k - 1]) == ["ACGTTGCATGCA"[:k], "[UNK]"]
    assert KmerEncoder(k).to_tokenizer()(sequence).input_ids == [2, *ids.input_ids, 3]


def test_a_saved_folder_gives_its_encoder_back(encoder, simulated_merges, tmp_path):
    save_tokenizer(encoder, tmp_path / "bpe")
    assert load_encoder(tmp_path / "bpe").merges == simulated_merges
    save_tokenizer(KmerEncoder(5), tmp_path / "kmer")
    assert load_encoder(tmp_path / "kmer").name == "kmer-5"
    simulated_merges.write(tmp_path / "merges.txt")
    assert load_encoder(tmp_path / "merges.txt").vocabulary_sha256 == encoder.vocabulary_sha256


def test_what_is_no_tokenizer_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no tokenizer.json"):
        load_encoder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="cut short"):
        load_encoder(tmp_path)
    with pytest.raises(InputError, match="k is 9"):
        vocabulary_encoder(None, None, 9)
    with pytest.raises(InputError, match="not both"):
        vocabulary_encoder(tmp_path, None, 4)


def test_a_vocabulary_with_other_ids_is_refused(encoder, tmp_path):
    save_tokenizer(encoder, tmp_path / "t")
    path = tmp_path / "t" / "tokenizer.json"
    content = json.loads(path.read_text())
    vocab = content["model"]["vocab"]
    vocab["A"], vocab["C"] = vocab["C"], vocab["A"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="ids in another order"):
        load_encoder(tmp_path / "t")


def written(tmp_path, encoder, change):
    save_tokenizer(encoder, tmp_path / "t")
    path = tmp_path / "t" / "tokenizer.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return tmp_path / "t"


def with_gap(content):
    vocab = content["model"]["vocab"]
    last = max(vocab, key=vocab.get)
    vocab[last] += 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_gap, "from 0 without a gap"),
        (lambda c: c["model"].update(dropout=0.1), "gives other ids"),
        (lambda c: c["model"].update(dropout=1e-6), "gives other ids"),
        (lambda c: c.update(normalizer=None), "gives other ids.*such as dropout"),
        (lambda c: c.update(normalizer={"type": "Strip", "strip_left": True, "strip_right": True}), "other ids"),
        (lambda c: c.update(post_processor=None), "gives other ids"),
        (lambda c: c.update(truncation={"max_length": 20, "stride": 0, "strategy": "LongestFirst",
                                        "direction": "Right"}), "gives other ids"),
        (lambda c: c["added_tokens"].append(c["added_tokens"][0] | {"id": 609, "content": "ACGTACG"}),
         "tokens added"),
        (lambda c: c.update(normalizer={"type": "Sequence", "normalizers": [
            c["normalizer"], {"type": "Replace", "pattern": {"String": "GGGGGGGG"}, "content": "A"},
        ]}), "other ids"),
        (lambda c: c.update(pre_tokenizer={"type": "Sequence", "pretokenizers": [
            c["pre_tokenizer"], {"type": "Whitespace"}]}), "gives other ids|not a tokenizer file"),
        (lambda c: c["model"].update(type="Unigram"), "not a tokenizer file"),
        (lambda c: c["model"].update(vocab=[["A", 0.1]]), "not a tokenizer file|is not one of ours|another order"),
        (lambda c: c["model"].update(merges=[["A"]]), "not a tokenizer file"),
        (lambda c: c["model"]["merges"].insert(0, ["A", "TTTTT"]), "its vocabulary is not one of ours"),
        (lambda c: c.update(version="9.9"), "not a tokenizer file"),
        (lambda c: c.update(model=[]), "not a tokenizer file"),
    ],
)
def test_a_tokenizer_that_would_give_other_ids_than_ours_is_refused(encoder, tmp_path, change, message):
    folder = written(tmp_path, encoder, change)
    with pytest.raises(InputError, match=message) as error:
        load_encoder(folder)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tokenizer_class": "BertTokenizer"}, "its tokenizer_class is 'BertTokenizer'; it must be"),
        ({"added_tokens_decoder": {"609": {"content": "ACGTACG"}}}, "adds the token 'ACGTACG'"),
    ],
)
def test_settings_that_make_another_tokenizer_of_the_file_are_refused(encoder, tmp_path, changed, message):
    folder = written(tmp_path, encoder, lambda content: None)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(InputError, match=message):
        load_encoder(folder)


def test_a_tokenizer_that_is_written_otherwise_and_gives_the_same_ids_is_read(encoder, tmp_path):
    def change(content):
        content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
        content["decoder"] = None

    assert load_encoder(written(tmp_path, encoder, change)).tokens == encoder.tokens


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b"[1]", b"7", b""])
def test_a_file_that_is_no_json_object_is_refused(tmp_path, content):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(InputError, match="is not a tokenizer file"):
        load_encoder(tmp_path)
