import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    EsmConfig,
    EsmForMaskedLM,
    PreTrainedTokenizerFast,
    pipeline,
)

from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.genome.acgt import sequence_of
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.windows import window_starts
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.kmer import KmerEncoder
from grover_hf.tokenization.merges import MergeTable
from tests.authors.stand_in import tokenizer_content
from tests.inference.test_windows import most_central_windows
from tests.tiny_models import MERGES, random_dna, save, tiny_classifier, tiny_masked_model, tiny_tokenizer
from training.trainers.classification import mean_over_windows

SHORT = "ACGTTTTGGA"
LONG = random_dna(200)
WINDOW = 14
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def dna(tokenizer):
    return DnaModel(tiny_masked_model(), tokenizer)


@pytest.fixture(scope="module")
def classifier(tokenizer):
    return DnaModel(tiny_classifier(), tokenizer)


def plain(model, tokenizer, sequence, layer=-1):
    """The vectors of a sequence that fits, with [CLS] and [SEP]."""
    with torch.no_grad():
        output = model(**tokenizer(sequence, return_tensors="pt"), output_hidden_states=True)
    return output.hidden_states[layer][0].numpy()


def by_window(model, tokenizer, sequence, layer=-1):
    """The windows of a long sequence, one by one: input ids, the windows' outputs, the window of each token."""
    ids = tokenizer(sequence, add_special_tokens=False).input_ids
    outputs = []
    for start in window_starts(len(ids), WINDOW):
        with torch.no_grad():
            inputs = torch.tensor([[2, *ids[start : start + WINDOW], 3]])
            outputs.append(model(inputs, output_hidden_states=True))
    hidden = [output.hidden_states[layer][0].numpy() for output in outputs]
    return np.array(ids), outputs, hidden, most_central_windows(len(ids), WINDOW)


@pytest.mark.parametrize("layer", [0, 1, 2, -1, -3])
def test_a_sequence_that_fits_has_the_vectors_of_a_plain_forward_pass(dna, tokenizer, layer):
    expected = plain(dna.model, tokenizer, SHORT, layer)
    [tokens] = dna.embed_tokens([SHORT], layer=layer)
    np.testing.assert_allclose(tokens.vectors, expected[1:-1], **CLOSE)
    np.testing.assert_allclose(dna.embed([SHORT], layer=layer)[0], expected[1:-1].mean(0), **CLOSE)
    assert np.array_equal(dna.embed([SHORT], pooling="cls", layer=layer)[0], expected[0])


def test_tokens_of_a_long_sequence_have_the_vectors_of_their_most_central_windows(dna, tokenizer):
    ids, _, hidden, window_of_token = by_window(dna.model, tokenizer, LONG)
    starts = window_starts(len(ids), WINDOW)
    assert len(starts) > 5
    expected = [hidden[window][1 + i - starts[window]] for i, window in enumerate(window_of_token)]
    [tokens] = dna.embed_tokens([LONG])
    assert np.array_equal(tokens.input_ids, ids)
    np.testing.assert_allclose(tokens.vectors, expected, **CLOSE)
    np.testing.assert_allclose(dna.embed([LONG])[0], np.mean(expected, axis=0), **CLOSE)


def test_cls_of_a_long_sequence_is_the_mean_weighted_by_the_tokens_that_windows_give(dna, tokenizer):
    _, _, hidden, window_of_token = by_window(dna.model, tokenizer, LONG)
    weights = np.bincount(window_of_token)
    assert len(set(weights)) > 1
    expected = np.average([of_window[0] for of_window in hidden], axis=0, weights=weights)
    np.testing.assert_allclose(dna.embed([LONG], pooling="cls")[0], expected, **CLOSE)


def test_offsets_point_into_the_sequence_as_it_was_given(dna, tokenizer):
    sequence = "acgttTTggN" + "nR[MASK]" + LONG.lower() + "[MASK]G"
    [tokens] = dna.embed_tokens([sequence])
    spelt = [sequence[start:end] for start, end in zip(tokens.starts, tokens.ends, strict=True)]
    assert "".join(spelt) == sequence
    of_ids = tokenizer.convert_ids_to_tokens(tokens.input_ids)
    expected = ["[UNK]" if letter in ("N", "n", "R") else letter.upper() for letter in spelt]
    assert of_ids == expected
    assert spelt.count("[MASK]") == 2


def test_unknown_letters_are_seen_but_not_counted(dna, tokenizer):
    vectors = plain(dna.model, tokenizer, "ACNGTNRW")
    ids = tokenizer("ACNGTNRW").input_ids
    counted = [vector for token_id, vector in zip(ids, vectors, strict=True) if token_id > 4]
    assert len(ids) - len(counted) == 2 + 4
    np.testing.assert_allclose(dna.embed(["ACNGTNRW"])[0], np.mean(counted, axis=0), **CLOSE)
    assert not np.allclose(dna.embed(["ACNGTNRW"]), dna.embed(["ACGT"]), atol=0.01)


def test_lower_case_is_upper_case(dna, classifier):
    assert np.array_equal(dna.embed([LONG.lower()]), dna.embed([LONG]))
    assert classifier.classify([LONG.lower()]) == classifier.classify([LONG])
    assert dna.fill_mask(["acg[MASK]tt"], targets=["tt"]) == dna.fill_mask(["ACG[MASK]TT"], targets=["TT"])


def test_masks_of_a_sequence_that_fits_are_filled_as_the_pipeline_of_transformers_does(dna, tokenizer):
    theirs = pipeline("fill-mask", model=dna.model, tokenizer=tokenizer, device="cpu")
    [ours] = dna.fill_mask(["ACGT[MASK]TTGG"], top_k=17)
    expected = theirs("ACGT[MASK]TTGG", top_k=17)
    # Theirs leaves special tokens out of the sequence.
    letters = [answer for answer in ours if answer["token"] > 4]
    assert [answer["sequence"] for answer in letters] == [
        answer["sequence"] for answer in expected if answer["token"] > 4
    ]
    for name in ("token", "token_str"):
        assert [answer[name] for answer in ours] == [answer[name] for answer in expected]
    scores = [answer["score"] for answer in expected]
    assert [answer["score"] for answer in ours] == pytest.approx(scores, abs=1e-6)
    assert sum(answer["score"] for answer in ours) == pytest.approx(1)

    [several] = dna.fill_mask(["A[MASK]CG[MASK]T"], top_k=3)
    assert [[answer["token"] for answer in mask] for mask in several] == [
        [answer["token"] for answer in mask] for mask in theirs("A[MASK]CG[MASK]T", top_k=3)
    ]


def test_the_filled_sequence_keeps_unknown_letters_and_other_masks(dna):
    [[first, second]] = dna.fill_mask(["AN[MASK]cg[MASK]T"], targets=["TT"])
    assert first[0]["sequence"] == "ANTTCG[MASK]T"
    assert second[0]["sequence"] == "AN[MASK]CGTTT"


def test_targets_have_their_probability_among_all_tokens(dna):
    every = {answer["token"]: answer["score"] for answer in dna.fill_mask([SHORT + "[MASK]"], top_k=17)[0]}
    some = dna.fill_mask([SHORT + "[MASK]"], targets=["G", "TT", "G"])[0]
    assert {answer["token_str"] for answer in some} == {"G", "TT"}
    assert [answer["score"] for answer in some] == pytest.approx([every[answer["token"]] for answer in some])
    assert some[0]["score"] >= some[1]["score"]


@pytest.mark.parametrize("n_before", [0, 7, 40, 95, 199, 200])
def test_a_mask_in_a_long_sequence_is_filled_from_its_most_central_window(dna, tokenizer, n_before):
    sequence = f"{LONG[:n_before]}[MASK]{LONG[n_before:]}"
    ids, outputs, _, window_of_token = by_window(dna.model, tokenizer, sequence)
    [at] = np.flatnonzero(ids == 4)
    window = window_of_token[at]
    logits = outputs[window].logits[0, 1 + at - window_starts(len(ids), WINDOW)[window]]
    expected = logits.softmax(-1).sort(descending=True)
    [answers] = dna.fill_mask([sequence], top_k=17)
    assert [answer["token"] for answer in answers] == expected.indices.tolist()
    assert [answer["score"] for answer in answers] == pytest.approx(expected.values.tolist(), abs=1e-6)
    assert answers[0]["sequence"] == LONG[:n_before] + answers[0]["token_str"] + LONG[n_before:]


def test_masks_of_several_windows_come_in_the_order_of_the_sequence(dna):
    sequence = "[MASK]".join(LONG[i : i + 20] for i in range(0, 200, 20))
    [answers] = dna.fill_mask([sequence], top_k=1)
    filled = [mask[0]["sequence"].split("[MASK]") for mask in answers]
    assert [len(pieces[0]) for pieces in filled][1:] == [20] * 8
    for number, mask in enumerate(answers):
        left = "[MASK]".join(sequence.split("[MASK]")[: number + 1])
        assert mask[0]["sequence"].startswith(left + mask[0]["token_str"])


def test_classes_are_the_softmax_of_the_mean_logits_of_windows_as_in_fine_tuning(classifier, tokenizer):
    sequences = [LONG, SHORT, random_dna(90, seed=3)]
    logits, row = [], []
    for number, sequence in enumerate(sequences):
        _, outputs, _, _ = by_window(classifier.model, tokenizer, sequence)
        logits += [output.logits[0].numpy() for output in outputs]
        row += [number] * len(outputs)
    expected = torch.from_numpy(mean_over_windows(np.array(logits), np.array(row))).softmax(-1).tolist()
    for answer, scores in zip(classifier.classify(sequences), expected, strict=True):
        by_label = {one["label"]: one["score"] for one in answer}
        labelled = dict(zip(("no promoter", "weak", "promoter"), scores, strict=True))
        assert by_label == pytest.approx(labelled, abs=1e-5)
        assert [one["score"] for one in answer] == sorted(by_label.values(), reverse=True)


@pytest.mark.parametrize("max_batch_tokens", [1, 40, 100_000])
def test_results_do_not_depend_on_what_else_is_in_the_list(tokenizer, max_batch_tokens):
    dna = DnaModel(tiny_masked_model(), tokenizer, max_batch_tokens=max_batch_tokens)
    classifier = DnaModel(tiny_classifier(), tokenizer, max_batch_tokens=max_batch_tokens)
    sequences = [random_dna(n_bases, seed=n_bases) for n_bases in (3, 150, 20, 31, 400, 1, 47)]
    for pooling in ("mean", "cls"):
        alone = np.concatenate([dna.embed([sequence], pooling=pooling) for sequence in sequences])
        np.testing.assert_allclose(dna.embed(sequences, pooling=pooling), alone, **CLOSE)
    for together, sequence in zip(dna.embed_tokens(sequences), sequences, strict=True):
        np.testing.assert_allclose(together.vectors, dna.embed_tokens([sequence])[0].vectors, **CLOSE)
    for together, sequence in zip(classifier.classify(sequences), sequences, strict=True):
        scores, alone = (
            {answer["label"]: answer["score"] for answer in answers}
            for answers in (together, *classifier.classify([sequence]))
        )
        assert scores == pytest.approx(alone, abs=1e-5)
    masked = [f"{sequence[:30]}[MASK]{sequence[30:]}" for sequence in sequences]
    for together, sequence in zip(dna.fill_mask(masked), masked, strict=True):
        [alone] = dna.fill_mask([sequence])
        assert [answer["sequence"] for answer in together] == [answer["sequence"] for answer in alone]
        assert [a["score"] for a in together] == pytest.approx([a["score"] for a in alone], abs=1e-5)


def test_a_batch_holds_no_more_tokens_than_allowed(tokenizer):
    dna = DnaModel(tiny_masked_model(), tokenizer, max_batch_tokens=100)
    read = dna.reader.read([LONG, SHORT, "A"])
    windows = dna.reader.windows(read)
    batches = list(dna.reader.batches(read, windows))
    assert max(batch.input_ids.size for batch in batches) <= 100
    assert sorted(window for batch in batches for window in batch.windows) == sorted(windows)


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ("", r"sequences\[1\] is empty"),
        (None, "is not a str of bases but NoneType"),
        (b"ACGT", "but bytes"),
        ("ACGU", "'U' at position 3: that is RNA; write T for U"),
        ("acgu", "'u' at position 3: that is RNA"),
        ("ACGT\nACGT", r"'\\n' at position 4: .* in one piece"),
        (" ACGT", "' ' at position 0: .* without spaces"),
        (">chr1\nACGT", "'>' at position 0: .* without a FASTA header"),
        ("ACGT-ACGT", "'-' at position 4: a sequence is A, C, G, T in either case"),
        ("MKLVP", "'L' at position 2: a sequence is"),
        ("AC[MASK]GT", r"'\[' at position 2: masks are for fill-mask"),
        ("ACG\u017f", "position 3"),  # an s that upper case makes an S
        ("NNNRY", "has no A, C, G or T"),
    ],
)
def test_what_is_no_dna_is_refused(dna, classifier, sequence, message):
    for method in (dna.embed, classifier.classify):
        with pytest.raises(InputError, match=message):
            method(["ACGT", sequence])


def test_positions_in_errors_count_masks_as_they_are_written(dna):
    with pytest.raises(InputError, match=r"'X' at position 9: .*, \[MASK\] for a mask\."):
        dna.fill_mask(["AC[MASK]GX"])
    with pytest.raises(InputError, match=r"'\[' at position 2: .*, \[MASK\] for a mask\."):
        dna.fill_mask(["AC[CLS]G[MASK]"])


def test_what_cannot_be_asked_is_refused(dna, classifier):
    for sequences in ("ACGT", []):
        with pytest.raises(InputError, match="give a list of one sequence or more"):
            dna.embed(sequences)
    with pytest.raises(InputError, match=r"sequences\[1\] has no \[MASK\] to fill"):
        dna.fill_mask(["A[MASK]", "ACGT"])
    with pytest.raises(InputError, match="top_k is 18; it goes from 1 to the 17 tokens"):
        dna.fill_mask(["A[MASK]"], top_k=18)
    with pytest.raises(InputError, match="'CGCG' is not a token"):
        dna.fill_mask(["A[MASK]"], targets=["T", "CGCG"])
    with pytest.raises(InputError, match="give a list of tokens"):
        dna.fill_mask(["A[MASK]"], targets=[])
    with pytest.raises(InputError, match="no pooling 'max'; there are mean and cls"):
        dna.embed(["ACGT"], pooling="max")
    with pytest.raises(InputError, match="layer is 3; this model has 0 to 2, or -1 back to -3"):
        dna.embed(["ACGT"], layer=3)
    with pytest.raises(InputError, match="BertForMaskedLM has no classes"):
        dna.classify(["ACGT"])
    with pytest.raises(InputError, match="BertForSequenceClassification with its tokenizer is not a masked"):
        classifier.fill_mask(["A[MASK]"])


def test_scores_that_are_no_probabilities_of_classes_are_refused(tokenizer):
    dna = DnaModel(tiny_classifier(problem_type="regression", num_labels=1, id2label={0: "x"}), tokenizer)
    with pytest.raises(InputError, match="not probabilities of classes"):
        dna.classify(["ACGT"])


def test_the_tail_of_a_kmer_tokenizer_is_not_counted_and_a_shorter_sequence_is_refused():
    tokenizer = KmerEncoder(3).to_tokenizer()
    dna = DnaModel(tiny_masked_model(vocab_size=69), tokenizer)
    vectors = plain(dna.model, tokenizer, "ACGTTGCA")
    assert len(vectors) == 2 + 2 + 1
    np.testing.assert_allclose(dna.embed(["ACGTTGCA"])[0], vectors[1:3].mean(0), **CLOSE)
    with pytest.raises(InputError, match=r"sequences\[0\] has no token .* shorter than the tokens"):
        dna.embed(["AC"])


def test_the_published_layout_of_a_tokenizer_works(tokenizer):
    content = Tokenizer.from_str(json.dumps(tokenizer_content(MERGES)))
    published = PreTrainedTokenizerFast(
        tokenizer_object=content, cls_token="[CLS]", mask_token="[MASK]", pad_token="[PAD]", model_max_length=512
    )
    assert published("acg").input_ids == [2, 1, 1, 1, 3]
    theirs, ours = (DnaModel(tiny_masked_model(), one) for one in (published, tokenizer))
    sequence = LONG.lower() + "NNR" + LONG
    assert np.array_equal(theirs.embed([sequence]), ours.embed([sequence]))
    assert theirs.fill_mask([LONG + "[MASK]"]) == ours.fill_mask([LONG + "[MASK]"])


def letters_tokenizer(**settings):
    """One letter a token behind <cls>, and nothing after: as tokenizers of protein models have it."""
    vocabulary = {token: i for i, token in enumerate(["<cls>", "<pad>", "<unk>", "<mask>", *"ACGTN"])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    backend.post_processor = processors.TemplateProcessing(single="<cls> $A", special_tokens=[("<cls>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, cls_token="<cls>", mask_token="<mask>", unk_token="<unk>", **settings
    )


def test_other_special_tokens_and_positions_that_are_offset_work():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = EsmConfig(vocab_size=9, pad_token_id=1, mask_token_id=3, max_position_embeddings=18, **sizes)
    model = EsmForMaskedLM(config).eval()
    dna = DnaModel(model, letters_tokenizer(pad_token="<pad>"))
    # 18 positions, of which the first two serve no token, and one for <cls>.
    assert dna.reader.rules.window_tokens == 15
    vectors = dna.embed_tokens([LONG])[0].vectors
    with torch.no_grad():
        first = model.esm(torch.tensor([[0, *(4 + "ACGT".index(base) for base in LONG[:15])]])).last_hidden_state
    np.testing.assert_allclose(vectors[:5], first[0, 1:6].numpy(), **CLOSE)
    assert np.array_equal(dna.embed(["ACGT"], pooling="cls")[0].shape, (32,))
    # N is a token of this vocabulary, and yet no base.
    tokens = dna.embed_tokens(["ANG"])[0].vectors
    np.testing.assert_allclose(dna.embed(["ANG"])[0], tokens[[0, 2]].mean(0), **CLOSE)
    assert dna.fill_mask([f"{LONG}<mask>acg"])[0][0]["sequence"].startswith(LONG)


class WithoutAttentionMask(torch.nn.Module):
    """An encoder that cannot be told what is padding."""

    def __init__(self, model):
        super().__init__()
        self.inner, self.config, self.device = model, model.config, model.device

    @property
    def base_model(self):
        return self

    def forward(self, input_ids):
        return self.inner.bert(input_ids)


def test_a_model_that_cannot_be_told_what_is_padding_gets_none(tokenizer):
    model = tiny_masked_model()
    dna = DnaModel(WithoutAttentionMask(model), tokenizer)
    sequences = [SHORT, "ACG", LONG, "GTCA"]
    np.testing.assert_allclose(dna.embed(sequences), DnaModel(model, tokenizer).embed(sequences), **CLOSE)


def test_a_tokenizer_without_padding_gets_none():
    dna = DnaModel(tiny_masked_model(vocab_size=9), letters_tokenizer(model_max_length=16))
    alone = np.concatenate([dna.embed([sequence]) for sequence in (SHORT, "ACG")])
    np.testing.assert_allclose(dna.embed([SHORT, "ACG"]), alone, **CLOSE)


def test_a_model_of_unknown_length_is_refused():
    without_limit, model = tiny_tokenizer(), torch.nn.Module()
    without_limit.model_max_length, model.config = int(1e30), SimpleNamespace()
    with pytest.raises(InputError, match="set tokenizer.model_max_length"):
        DnaModel(model, without_limit)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (tiny_masked_model, BertForMaskedLM),
        (tiny_classifier, BertForSequenceClassification),
        (lambda: tiny_masked_model().bert, BertModel),
    ],
)
def test_a_checkpoint_is_opened_with_the_head_that_it_was_saved_with(make, expected, tmp_path):
    model = make()
    dna = DnaModel.from_pretrained(save(tmp_path, model), device="cpu")
    assert type(dna.model) is expected
    assert not dna.model.training
    np.testing.assert_allclose(dna.embed([LONG]), DnaModel(model, tiny_tokenizer()).embed([LONG]), **CLOSE)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A genome of 400 bases, a gap of 5, and 200 bases, tokenized with the model's tokenizer."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "genome.fa").write_text(f">chr1\n{random_dna(400, 3)}NNNNN{random_dna(200, 4)}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        return TokenizedGenome.build(
            ReferenceGenome(folder / "genome.fa"), GenomeEncoder(MergeTable(MERGES)), folder / "corpus"
        )


def spelled_by(tokens, corpus):
    return "".join(corpus.encoder.tokens[token] for token in tokens.input_ids)


def test_located_tokens_get_the_vectors_of_the_sequence_that_has_the_same_tokens(dna, tokenizer, corpus):
    tokens = corpus.tokens_in(Interval("chr1", 100, 300))
    sequence = spelled_by(tokens, corpus)
    assert tokenizer(sequence, add_special_tokens=False).input_ids == tokens.input_ids.tolist()
    [of_tokens, of_sequence] = dna.embed_tokens([tokens, sequence])
    assert np.array_equal(of_tokens.vectors, of_sequence.vectors)
    assert np.array_equal(of_tokens.starts, tokens.starts)
    assert np.array_equal(of_tokens.ends, tokens.ends)
    np.testing.assert_allclose(dna.embed([tokens]), dna.embed([sequence]), **CLOSE)
    np.testing.assert_allclose(
        dna.embed([tokens], pooling="cls"), dna.embed([sequence], pooling="cls"), **CLOSE
    )


def test_the_genomes_tokens_reach_the_model_where_a_cut_sequence_would_have_others(dna, corpus):
    differ, codes = 0, corpus.codes("chr1")
    for start in range(50, 350, 10):
        tokens = corpus.tokens_in(Interval("chr1", start, start + 40), inside=True)
        assert np.array_equal(dna.embed_tokens([tokens])[0].input_ids, tokens.input_ids)
        cut = sequence_of(codes[start : start + 40])
        differ += not np.array_equal(dna.embed_tokens([cut])[0].input_ids, tokens.input_ids)
    assert differ > 0


def test_windows_do_not_cross_a_gap_in_the_coordinates(dna, corpus):
    across = corpus.tokens_in(Interval("chr1", 380, 430))
    before, after = (corpus.tokens_in(Interval("chr1", *ends)) for ends in ((380, 400), (405, 430)))
    assert len(across.input_ids) == len(before.input_ids) + len(after.input_ids)
    [vectors, *halves] = (one.vectors for one in dna.embed_tokens([across, before, after]))
    np.testing.assert_allclose(vectors, np.concatenate(halves), **CLOSE)


def test_tokens_of_the_reverse_strand_are_read_in_their_order_with_their_positions(dna, corpus):
    tokens = corpus.tokens_in(Interval("chr1", 380, 430))
    mirrored = tokens._replace(starts=1_000 - tokens.ends, ends=1_000 - tokens.starts, strand="-")
    [forward, reverse] = dna.embed_tokens([tokens, mirrored])
    assert np.array_equal(forward.vectors, reverse.vectors)
    assert np.array_equal(reverse.starts, mirrored.starts)
    with pytest.raises(InputError, match="not in descending order"):
        dna.embed_tokens([tokens._replace(strand="-")])


def test_a_mask_among_located_tokens_is_filled_as_in_a_sequence(dna, tokenizer, corpus):
    tokens = corpus.tokens_in(Interval("chr1", 100, 130))
    input_ids = tokens.input_ids.copy()
    input_ids[3] = tokenizer.mask_token_id
    masked = tokens._replace(input_ids=input_ids)
    text = spelled_by(tokens._replace(input_ids=input_ids[:3]), corpus) + "[MASK]"
    text += spelled_by(tokens._replace(input_ids=input_ids[4:]), corpus)
    [by_tokens, by_text] = dna.fill_mask([masked, text])
    assert by_tokens == by_text
    with pytest.raises(InputError, match=r"sequences\[0\] has the id 4, which spells no bases, at token 3"):
        dna.embed([masked])


def test_logits_of_tokens_are_those_of_a_plain_forward_pass_and_have_coordinates(dna, tokenizer, corpus):
    tokens = corpus.tokens_in(Interval("chr1", 200, 212))
    assert len(tokens.input_ids) <= WINDOW
    [of_tokens] = dna.token_logits([tokens])
    with torch.no_grad():
        inputs = torch.tensor([[2, *tokens.input_ids.tolist(), 3]])
        expected = dna.model(inputs).logits[0, 1:-1].numpy()
    np.testing.assert_allclose(of_tokens.logits, expected, **CLOSE)
    assert np.array_equal(of_tokens.starts, tokens.starts)
    with pytest.raises(InputError, match="is not a masked language model"):
        DnaModel(tiny_classifier(), tokenizer).token_logits([tokens])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocabulary_sha256": "0" * 64}, r"sequences\[0\] has vocabulary 0000.*the model's tokenizer has"),
        ({"input_ids": np.array([5, 99])}, "has the id 99, which spells no bases, at token 1"),
        ({"input_ids": np.array([5, -1])}, "has the id -1, which spells no bases, at token 1"),
        ({"input_ids": np.array([5, 2])}, "has the id 2, which spells no bases, at token 1"),
        ({"starts": np.array([7])}, "has .2,. ids, .1,. starts"),
        ({"starts": np.array([7, 7]), "ends": np.array([8, 9])}, "overlap"),
        ({"starts": np.array([9, 7]), "ends": np.array([10, 8])}, "not in ascending order"),
        ({"input_ids": np.array([], int), "starts": np.array([], int), "ends": np.array([], int)}, "or empty"),
    ],
)
def test_located_tokens_that_cannot_be_are_refused(dna, corpus, changes, message):
    tokens = corpus.tokens_in(Interval("chr1", 10, 12))._replace(
        input_ids=np.array([5, 6]), starts=np.array([10, 11]), ends=np.array([11, 12])
    )
    assert dna.embed([tokens]).shape == (1, 32)
    with pytest.raises(InputError, match=message):
        dna.embed([tokens._replace(**changes)])


def test_a_model_with_more_rows_than_tokens_fills_masks_with_tokens(tokenizer):
    padded = DnaModel(tiny_masked_model(vocab_size=64), tokenizer)
    answers = padded.fill_mask(["ACGT[MASK]ACGT"], top_k=17)[0]
    assert {answer["token"] for answer in answers} == set(range(17))


def test_an_id_that_the_model_has_no_row_for_is_refused(tokenizer):
    with pytest.raises(InputError, match="The model has 7 rows, and none for the id"):
        DnaModel(tiny_masked_model(vocab_size=7), tokenizer).embed(["ACGT"])


def test_what_is_neither_a_sequence_nor_located_tokens_is_refused(dna, corpus):
    tokens = corpus.tokens_in(Interval("chr1", 100, 130))
    for given, message in (
        (None, "give a list"), ((one for one in ["A"]), "give a list"), ([None], "not a str of bases"),
        ([SimpleNamespace(input_ids=[5])], "token ids without starts"),
        ([tokens._replace(starts=tokens.starts + 0.5)], "are not integers"),
        ([tokens._replace(ends=tokens.ends - (np.arange(len(tokens.ends)) == 2))], "token 2 spans|empty"),
    ):
        with pytest.raises(InputError, match=message):
            dna.embed(given)
    for asked in ({"layer": 1.0}, {"layer": None}):
        with pytest.raises(InputError, match="layer is"):
            dna.embed(["ACGT"], **asked)
    for asked in ({"top_k": 2.5}, {"targets": [1]}):
        with pytest.raises(InputError, match="top_k is 2.5|not of tokens"):
            dna.fill_mask(["A[MASK]"], **asked)
