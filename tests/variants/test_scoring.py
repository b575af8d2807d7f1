"""Scores are what the model says of both alleles, whatever was stopped, shared or asked for beside them."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from grover_hf import DnaModel, InputError, ReferenceGenome
from grover_hf._internals.gathering import whole_shards
from grover_hf._internals.shards import Shard, shard_folder
from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.genome.letters import reverse_complement
from grover_hf.inference.genome_models import encoder_of
from grover_hf.tokenization.special_tokens import CLS_ID, SEP_ID
from grover_hf.variants import calibration, files, scoring
from grover_hf.variants.scoring import ScorePlan, join_shards, score_variants
from tests.tiny_models import random_dna, save, tiny_classifier, tiny_masked_model

SEQUENCE = random_dna(600)
HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def vcf_of(path, rows):
    path.write_text(HEADER + "".join(f"{c}\t{p + 1}\t.\t{r}\t{a}\t.\t.\t.\n" for c, p, r, a in rows))
    return path


def some_variants():
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(30):
        at = int(rng.integers(5, 590))
        base = SEQUENCE[at]
        rows.append(("c", at, base, rng.choice([b for b in "ACGT" if b != base])))
    rows += [("c", 50, SEQUENCE[50], SEQUENCE[50] + "TT"), ("c", 60, SEQUENCE[60:64], SEQUENCE[60])]
    rows += [("c", 70, SEQUENCE[70], "<DEL>"), ("d", 3, "T", "C")]
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "g.fa").write_text(f">c\n{SEQUENCE}\n>d\nNNTTTTTTTTNNNN\n")
    save(folder / "model", tiny_masked_model())
    save(folder / "classifier", tiny_classifier())
    vcf_of(folder / "v.vcf", some_variants())
    return folder


@pytest.fixture
def plan(folder):
    return ScorePlan(
        variants=folder / "v.vcf", genome=folder / "g.fa", model=str(folder / "model"), apart=14, neighbours=1
    )


def table_of(plan, output, **changes):
    score_variants(replace(plan, **changes), output)
    return pd.read_parquet(output)


def test_llr_is_the_sum_over_tokens_by_base_of_the_masked_token(folder, plan, tmp_path):
    table = table_of(plan, tmp_path / "o.parquet", strands="+")
    dna = DnaModel.from_pretrained(folder / "model", device="cpu")
    encoder = encoder_of(dna, "model")
    strand = StrandTokens.of(ReferenceGenome(folder / "g.fa"), "c", encoder)
    row = table.iloc[3]
    at = int(row["pos"]) - 1
    token = int(strand.token_over(np.array([at]))[0])
    offset = at - int(strand.starts[token])
    # The window whose middle is nearest, by the rule of long inputs: 14 tokens, 10 apart.
    starts = [*range(0, len(strand.input_ids) - 14, 10), len(strand.input_ids) - 14]
    first = min(starts, key=lambda start: abs(start + 6.5 - token))
    ids = strand.input_ids[first : first + 14].tolist()
    ids[token - first] = dna.tokenizer.mask_token_id
    text = dna.tokenizer.convert_ids_to_tokens(ids)
    answers = dna.fill_mask(["".join(text)], top_k=17)[0]
    by_base = dict.fromkeys("ACGT", 0.0)
    for answer in answers:
        spelled = answer["token_str"]
        if not spelled.startswith("[") and len(spelled) > offset:
            by_base[spelled[offset]] += answer["score"]
    assert row["llr"] == pytest.approx(np.log(by_base[row["alt"]] / by_base[row["ref"]]), abs=1e-4)


def test_both_strands_are_the_mean_of_each(plan, tmp_path):
    both, plus, minus = (
        table_of(plan, tmp_path / f"{name}.parquet", strands=strands, embedding=True)
        for name, strands in (("b", "both"), ("p", "+"), ("m", "-"))
    )
    for score in ("llr", "llr_both", "embedding_distance"):
        np.testing.assert_allclose(both[score], (plus[score] + minus[score]) / 2, atol=1e-6)


def test_the_minus_strand_is_the_plus_strand_of_the_reverse_complement(folder, plan, tmp_path):
    (tmp_path / "r.fa").write_text(f">c\n{reverse_complement(SEQUENCE)}\n>d\nNNNNAAAAAAAANN\n")
    rows = [
        (c, (600 if c == "c" else 14) - at - len(ref), reverse_complement(ref), reverse_complement(alt))
        for c, at, ref, alt in some_variants() if alt != "<DEL>"
    ]
    # VCF's base before an indel is now behind it: what counts is the sequence.
    vcf_of(tmp_path / "r.vcf", rows)
    forward = table_of(plan, tmp_path / "f.parquet", strands="-", pll=True)
    forward = forward[forward["variant_kind"] != "symbolic allele"].reset_index(drop=True)
    other = replace(plan, variants=tmp_path / "r.vcf", genome=tmp_path / "r.fa")
    mirrored = table_of(other, tmp_path / "b.parquet", strands="+", pll=True)
    for score in ("llr", "llr_left", "llr_both", "llr_token", "pll_per_base"):
        np.testing.assert_allclose(forward[score], mirrored[score], atol=1e-5)


def test_scores_do_not_depend_on_order_or_on_the_other_variants(folder, plan, tmp_path):
    rows = some_variants()
    plan = replace(plan, pll=True, embedding=True)
    everything = table_of(plan, tmp_path / "all.parquet")
    vcf_of(tmp_path / "some.vcf", rows[::-3])
    some = table_of(replace(plan, variants=tmp_path / "some.vcf"), tmp_path / "some.parquet")
    scores = everything.columns[6:]
    np.testing.assert_allclose(
        some[scores].to_numpy(float), everything[scores].to_numpy(float)[::-3], atol=1e-5
    )


def test_minus_and_absolute_are_of_the_llr_and_what_has_no_score_is_missing(plan, tmp_path):
    table = table_of(plan, tmp_path / "o.parquet")
    np.testing.assert_array_equal(table["minus_llr"], -table["llr"])
    np.testing.assert_array_equal(table["abs_llr"], table["llr"].abs())
    assert table["llr"][table["variant_kind"] != "SNV"].isna().all()
    assert not (table["llr"] == 0).any()
    assert table["llr"][table["variant_kind"] == "SNV"].notna().mean() > 0.8


class ByHand:
    """Likelihoods of one allele of the sequence, a token masked at a time."""

    def __init__(self, dna, row):
        self.dna, self.encoder = dna, encoder_of(dna, "model")
        at = int(row["pos"]) - 1
        changed = SEQUENCE[:at] + row["alt"] + SEQUENCE[at + 1 :]
        self.ref, self.alt = ref, alt = [self.encoder.encode(text).tolist() for text in (SEQUENCE, changed)]
        starts, ends = self.places(ref)
        self.n_before = next(k for k in range(len(ref)) if ref[k] != alt[k] or ends[k] > at)
        self.n_behind = next(k for k in range(len(ref)) if ref[-1 - k] != alt[-1 - k] or starts[-1 - k] <= at)
        self.longest = max(len(self.ref), len(self.alt))
        self.first = self.n_before - 1
        self.begin = self.first - (14 - (self.longest - self.n_before - self.n_behind + 2)) // 2

    def places(self, ids):
        ends = np.cumsum([len(self.encoder.tokens[token]) for token in ids])
        return ends - [len(self.encoder.tokens[token]) for token in ids], ends

    def per_base(self, ids):
        starts, ends = self.places(ids)
        last = len(ids) - self.n_behind + 1
        window = ids[self.begin : self.begin + 14 - (self.longest - len(ids))]
        total = 0.0
        for number in range(self.first, last):
            masked = [*window]
            masked[number - self.begin] = self.dna.tokenizer.mask_token_id
            # Ids, not text: what a text spells would be tokenized anew.
            inputs = torch.tensor([[CLS_ID, *masked, SEP_ID]])
            with torch.no_grad():
                logits = self.dna.model(input_ids=inputs).logits[0, 1 + number - self.begin]
            total += logits.log_softmax(-1)[ids[number]].item()
        return total / (ends[last - 1] - starts[self.first])

    def reference_along_the_alternative(self):
        """Return the tokens that spell the reference between the borders of the alternative, or None."""
        starts, ends = self.places(self.alt)
        spelled = [SEQUENCE[start:end] for start, end in zip(starts, ends, strict=True)]
        known = {token: number for number, token in enumerate(self.encoder.tokens)}
        return [known[token] for token in spelled] if set(spelled) <= set(known) else None


def snvs_of(table):
    return [row for _, row in table[(table["variant_kind"] == "SNV") & (table["chrom"] == "c")].iterrows()]


def test_the_pll_is_the_sum_over_the_span_with_each_token_masked(folder, plan, tmp_path):
    row = snvs_of(table_of(plan, tmp_path / "o.parquet", strands="+", pll=True))[5]
    by_hand = ByHand(DnaModel.from_pretrained(folder / "model", device="cpu"), row)
    expected = by_hand.per_base(by_hand.alt) - by_hand.per_base(by_hand.ref)
    assert row["pll_per_base"] == pytest.approx(expected, abs=1e-4)


def test_retokenization_is_the_reference_along_the_borders_of_the_alternative(folder, plan, tmp_path):
    dna = DnaModel.from_pretrained(folder / "model", device="cpu")
    n_other = n_missing = 0
    for row in snvs_of(table_of(plan, tmp_path / "o.parquet", strands="+", pll=True)):
        by_hand = ByHand(dna, row)
        along = by_hand.reference_along_the_alternative()
        if not 0 <= by_hand.begin <= by_hand.longest - 14:
            # Windows at the ends of the sequence are not computed by hand.
            continue
        if along is None:
            assert np.isnan(row["retokenization_per_base"])
            n_missing += 1
        elif along != by_hand.ref:
            expected = by_hand.per_base(along) - by_hand.per_base(by_hand.ref)
            assert row["retokenization_per_base"] == pytest.approx(expected, abs=1e-4)
            assert abs(expected) > 1e-3
            n_other += 1
    assert n_other
    assert n_missing


def test_retokenization_is_nothing_where_borders_stay_and_missing_for_indels(folder, plan, tmp_path):
    table = table_of(plan, tmp_path / "o.parquet", strands="+", pll=True)
    fixed = table["llr_token"].notna()
    encoder = encoder_of(DnaModel.from_pretrained(folder / "model", device="cpu"), "model")

    def borders(text):
        return np.cumsum(encoder.token_lengths[encoder.encode(text)].astype(int)).tolist()

    for _, row in table[table["variant_kind"] == "SNV"].iterrows():
        at = int(row["pos"]) - 1
        if row["chrom"] == "c" and borders(SEQUENCE[:at] + row["alt"] + SEQUENCE[at + 1 :]) == borders(SEQUENCE):
            assert row["retokenization_per_base"] == 0
    assert (table["retokenization_per_base"] == 0).any()
    assert fixed.any()
    assert table["retokenization_per_base"][table["variant_kind"] == "indel"].isna().all()
    assert table["pll_per_base"][table["variant_kind"] == "indel"].notna().all()


def test_tables_classes_and_calibration_stand_beside_the_model(folder, plan, tmp_path, monkeypatch):
    # In so small a genome no class of five bases is met ten times.
    monkeypatch.setattr(calibration, "_LEAST", 1)
    plan = replace(plan, tables=True, classifier=str(folder / "classifier"), classifier_bp=40, calibrate=3)
    table = table_of(plan, tmp_path / "o.parquet")
    classes = ["class_no_promoter", "class_weak", "class_promoter"]
    # Probabilities of three classes change by nothing in all.
    total = table[classes].sum(axis=1)[table["variant_kind"] != "symbolic allele"]
    np.testing.assert_allclose(total, 0, atol=1e-6)
    assert table["class_weak"][table["variant_kind"] == "indel"].notna().all()
    snvs = table["variant_kind"] == "SNV"
    assert table["llr_neighbours"][snvs].notna().sum() == table["llr"][snvs].notna().sum()
    assert table["llr_calibrated"][snvs].notna().mean() > 0.8
    assert table["llr_calibrated"][~snvs].isna().all()


def test_the_calibrated_score_is_less_the_mean_of_its_five_bases(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "_LEAST", 1)
    # Every single-base variant of the chromosome, so that the background can be counted here: all of it is drawn.
    rows = [("c", at, SEQUENCE[at], alt) for at in range(600) for alt in "ACGT" if alt != SEQUENCE[at]]
    plan = replace(plan, variants=vcf_of(tmp_path / "all.vcf", rows), calibrate=5_000)
    table = table_of(plan, tmp_path / "o.parquet")

    def class_of(at, alt):
        five = SEQUENCE[at - 2 : at + 3]
        return min((five, alt), (reverse_complement(five), reverse_complement(alt)))

    inner = table[(table["pos"] > 2) & (table["pos"] < 599)].copy()
    inner["five"] = [class_of(pos - 1, alt) for pos, alt in zip(inner["pos"], inner["alt"], strict=True)]
    means = inner.groupby("five")["llr"].transform("mean")
    np.testing.assert_allclose(inner["llr_calibrated"], inner["llr"] - means, atol=1e-5)
    outer = table[(table["pos"] <= 2) | (table["pos"] >= 599)]
    assert outer["llr_calibrated"].isna().all()


@pytest.mark.parametrize("stop_after", [0, 1, 2])
def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(plan, tmp_path, monkeypatch, stop_after):
    monkeypatch.setattr(scoring, "_ALLELES_A_PART", 10)
    score_variants(plan, tmp_path / "whole.vcf")
    calls = []
    plain = scoring.Scorer._of_strand

    def stops(self, *arguments):
        calls.append(arguments)
        if len(calls) > stop_after and len(calls) < 100:
            raise KeyboardInterrupt
        return plain(self, *arguments)

    monkeypatch.setattr(scoring.Scorer, "_of_strand", stops)
    with pytest.raises(KeyboardInterrupt):
        score_variants(plan, tmp_path / "o.vcf")
    assert not (tmp_path / "o.vcf").exists()
    n_done = len(list((tmp_path / "o.vcf.partial").glob("*.npz")))
    assert n_done == stop_after
    with pytest.raises(InputError, match="an earlier run made with another strands"):
        score_variants(replace(plan, strands="+"), tmp_path / "o.vcf")
    calls.extend([()] * 100)
    score_variants(plan, tmp_path / "o.vcf")
    assert (tmp_path / "o.vcf").read_bytes() == (tmp_path / "whole.vcf").read_bytes()
    assert not (tmp_path / "o.vcf.partial").exists()
    with pytest.raises(InputError, match="is there already"):
        score_variants(plan, tmp_path / "o.vcf")


@pytest.mark.parametrize(("changes", "message"), [
    ({"strands": "x"}, "strands is 'x'"), ({"neighbours": -1}, "neighbours is -1"),
    ({"pll": True, "neighbours": 8}, "8 neighbours on each side"),
    ({"classifier": "model"}, "has no classes"), ({"model": "classifier"}, "not a masked language model"),
])
def test_what_cannot_be_scored_is_refused_before_any_work(folder, plan, tmp_path, changes, message):
    files = {name: str(folder / changes[name]) for name in ("model", "classifier") if name in changes}
    changes = {**changes, **files}
    with pytest.raises(InputError, match=message):
        score_variants(replace(plan, **changes), tmp_path / "o.vcf")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".vcf", ".vcf.gz", ".parquet", ".tsv"])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_joined_shards_are_the_file_of_one_job(plan, tmp_path, monkeypatch, ending, count):
    for module in (scoring, files):
        monkeypatch.setattr(module, "RECORDS_A_RUN", 7)
    score_variants(plan, tmp_path / f"whole{ending}")
    output = tmp_path / f"o{ending}"
    for number in range(count):
        score_variants(plan, output, shard=Shard(number, count))
    join_shards(whole_shards(shard_folder(output)), output, overwrite=False)
    assert output.read_bytes() == (tmp_path / f"whole{ending}").read_bytes()


def test_shards_of_other_options_are_not_mixed(plan, tmp_path):
    score_variants(plan, tmp_path / "o.vcf", shard=Shard(0, 2))
    with pytest.raises(InputError, match="another --strands"):
        score_variants(replace(plan, strands="+"), tmp_path / "o.vcf", shard=Shard(1, 2))


def test_names_of_another_style_are_taken_when_asked_and_kept_in_the_output(folder, plan, tmp_path):
    (tmp_path / "g.fa").write_text((folder / "g.fa").read_text().replace(">c", ">chr1").replace(">d", ">chr2"))
    rows = [("1" if c == "c" else "2", *row) for c, *row in some_variants()]
    other = replace(plan, variants=vcf_of(tmp_path / "v.vcf", rows), genome=tmp_path / "g.fa")
    with pytest.raises(InputError, match="Did you mean chr1 for 1"):
        score_variants(other, tmp_path / "o.parquet")
    table = table_of(other, tmp_path / "o.parquet", rename=True)
    assert table["chrom"].tolist() == [row[0] for row in rows]
    expected = table_of(plan, tmp_path / "e.parquet")
    np.testing.assert_allclose(table["llr"], expected["llr"], atol=1e-6)


@pytest.mark.parametrize("ending", [".vcf", ".vcf.gz", ".parquet", ".tsv"])
def test_a_file_without_records_stays_one(folder, plan, tmp_path, ending):
    plan = replace(plan, variants=vcf_of(tmp_path / "v.vcf", []))
    done = score_variants(plan, tmp_path / f"o{ending}")
    assert (done.n_records, done.kinds) == (0, {})
    if ending == ".parquet":
        assert pd.read_parquet(tmp_path / "o.parquet").shape[0] == 0


def test_an_insertion_between_tokens_has_no_pll_where_no_neighbour_is_looked_at(folder, plan, tmp_path):
    encoder = encoder_of(DnaModel.from_pretrained(folder / "model", device="cpu"), "model")
    starts = StrandTokens.of(ReferenceGenome(folder / "g.fa"), "c", encoder).starts[20:120].tolist()
    rows = [("c", at - 1, SEQUENCE[at - 1], SEQUENCE[at - 1] + "GGCGCG") for at in starts]
    plan = replace(plan, variants=vcf_of(tmp_path / "v.vcf", rows), neighbours=0, pll=True, embedding=True)
    plan = replace(plan, classifier=str(folder / "classifier"), classifier_bp=1)
    table = table_of(plan, tmp_path / "o.parquet", strands="+")
    assert table["class_weak"].notna().all()
    assert 0 < table["pll_per_base"].isna().sum() < len(rows)
    np.testing.assert_array_equal(table["pll_per_base"].isna(), table["embedding_distance"].isna())


def test_parts_of_another_classifier_are_not_taken_for_this_ones(folder, plan, tmp_path, monkeypatch):
    shutil.copytree(folder / "classifier", tmp_path / "classifier")
    plan = replace(plan, classifier=str(tmp_path / "classifier"), classifier_bp=40)
    monkeypatch.setattr(scoring, "write_variants", _stops)
    with pytest.raises(KeyboardInterrupt):
        score_variants(plan, tmp_path / "o.vcf")
    retrained = tiny_classifier()
    torch.nn.init.zeros_(retrained.classifier.weight)
    retrained.save_pretrained(tmp_path / "classifier")
    with pytest.raises(InputError, match="another classifier_sha256"):
        score_variants(plan, tmp_path / "o.vcf")


def test_classes_that_would_share_a_name_are_refused(folder, plan, tmp_path):
    save(tmp_path / "classifier", tiny_classifier(id2label={0: "+", 1: "-"}, num_labels=2))
    with pytest.raises(InputError, match="The classes \\+, - of .* have one name in a file"):
        score_variants(replace(plan, classifier=str(tmp_path / "classifier")), tmp_path / "o.vcf")


def _stops(*_):
    raise KeyboardInterrupt
