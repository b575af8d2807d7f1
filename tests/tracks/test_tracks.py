"""Tracks hold what the model says, base by base, and another library reads back the same values."""

from dataclasses import replace

import numpy as np
import pybigtools
import pytest

from grover_hf import DnaModel, InputError, Interval, ReferenceGenome
from grover_hf._internals.gathering import whole_shards
from grover_hf._internals.shards import Shard, shard_folder
from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.inference.base_marginals import MaskGrid, VocabularyLetters, masked_token_probabilities
from grover_hf.inference.genome_models import encoder_of
from grover_hf.tracks import writing
from grover_hf.tracks.files import hub_text, runs_of_values, write_bedgraph, write_bigwig
from grover_hf.tracks.writing import TrackPlan, join_shards, write_tracks
from tests.tiny_models import random_dna, save, tiny_classifier, tiny_masked_model

SIZES = {"c": 700, "d": 90, "n": 30}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    chromosomes = {
        "c": "N" * 20 + random_dna(500) + "N" * 7 + random_dna(173, seed=5), "d": random_dna(90, seed=1),
        "n": "N" * 30,
    }
    (folder / "g.fa").write_text("".join(f">{name}\n{text}\n" for name, text in chromosomes.items()))
    (folder / "r.bed").write_text("d\t10\t50\nc\t15\t40\nc\t30\t60\nc\t515\t530\n")
    save(folder / "model", tiny_masked_model())
    save(folder / "classifier", tiny_classifier())
    return folder


@pytest.fixture
def plan(folder):
    return TrackPlan(genome=folder / "g.fa", model=str(folder / "model"))


def read(path, sizes=SIZES):
    """Return the values of every base by pybigtools, NaN where the file has none."""
    with pybigtools.open(str(path)) as file:
        return {chrom: np.asarray(file.values(chrom, 0, size, fillna=np.nan)) for chrom, size in sizes.items()}


def test_whole_chromosomes_have_a_value_at_every_base_and_marginals_add_up_to_one(folder, plan, tmp_path):
    written = write_tracks(plan, tmp_path / "o")
    genome = ReferenceGenome(folder / "g.fa")
    marginals = [read(tmp_path / "o" / f"marginal_{base}.bw") for base in "ACGT"]
    surprisal = read(tmp_path / "o" / "surprisal.bw")
    for chrom, size in SIZES.items():
        is_base = genome.codes(chrom) != 4
        total = sum(track[chrom] for track in marginals)
        np.testing.assert_array_equal(np.isfinite(total), is_base)
        np.testing.assert_allclose(total[is_base], 1, atol=1e-5)
        assert len(total) == size
        np.testing.assert_array_equal(np.isfinite(surprisal[chrom]), is_base)
    n_bases = sum(int((genome.codes(chrom) != 4).sum()) for chrom in SIZES)
    assert set(written.n_values.values()) == {n_bases}
    total = sum(np.nansum(values.astype(np.float64)) for values in surprisal.values())
    assert written.sums["surprisal"] == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("strands", ["+", "-"])
def test_values_are_the_marginals_of_that_strand_unrounded(folder, plan, tmp_path, strands):
    write_tracks(replace(plan, strands=strands), tmp_path / "o")
    dna = DnaModel.from_pretrained(folder / "model", device="cpu")
    encoder = encoder_of(dna, "model")
    strand = StrandTokens.of(ReferenceGenome(folder / "g.fa"), "c", encoder, strands)
    letters, expected = VocabularyLetters(encoder), np.full((4, 700), np.nan)
    p_token = np.full(700, np.nan)
    for masked in masked_token_probabilities(
        dna, strand, np.arange(len(strand.input_ids)), MaskGrid.for_model(dna)
    ):
        found = letters.marginals(strand, masked)
        for position, of_sums in zip(found.positions.tolist(), found.probabilities, strict=True):
            for base in range(4):
                at, letter = (position, base) if strands == "+" else (699 - position, 3 - base)
                expected[letter, at] = of_sums[0, base]
        for token, row in zip(masked.tokens.tolist(), masked.probabilities, strict=True):
            for position in range(int(strand.starts[token]), int(strand.ends_of(np.array([token]))[0])):
                p_token[position if strands == "+" else 699 - position] = row[strand.input_ids[token]]
    for base, letter in enumerate("ACGT"):
        found = read(tmp_path / "o" / f"marginal_{letter}.bw")["c"]
        np.testing.assert_allclose(found, expected[base].astype(np.float32), atol=1e-6)
    np.testing.assert_allclose(read(tmp_path / "o" / "token_probability.bw")["c"], p_token, atol=1e-6)
    codes = ReferenceGenome(folder / "g.fa").codes("c")
    true = np.where(codes < 4, expected[np.minimum(codes, 3), np.arange(700)], np.nan)
    np.testing.assert_allclose(read(tmp_path / "o" / "surprisal.bw")["c"], -np.log2(true), atol=1e-4)


def test_both_strands_are_the_mean_of_each(plan, tmp_path):
    tracks = {}
    for name, strands in (("b", "both"), ("p", "+"), ("m", "-")):
        write_tracks(replace(plan, strands=strands), tmp_path / name)
        tracks[name] = [read(tmp_path / name / f"{track}.bw")["c"] for track in ("marginal_C", "surprisal")]
    for both, plus, minus in zip(*tracks.values(), strict=True):
        np.testing.assert_allclose(both, (plus + minus) / 2, atol=1e-5)


def test_regions_are_joined_and_hold_what_whole_chromosomes_do(folder, plan, tmp_path, monkeypatch):
    write_tracks(plan, tmp_path / "whole")
    # Blocks that end within a region change nothing.
    monkeypatch.setattr(writing, "_BLOCK_BP", 32)
    write_tracks(replace(plan, regions=folder / "r.bed"), tmp_path / "some")
    inside = {chrom: np.zeros(size, bool) for chrom, size in SIZES.items()}
    inside["c"][15:60], inside["c"][515:530], inside["d"][10:50] = True, True, True
    for track in ("marginal_G", "surprisal", "token_probability"):
        whole, some = (read(tmp_path / name / f"{track}.bw") for name in ("whole", "some"))
        for chrom, values in whole.items():
            np.testing.assert_allclose(some[chrom], np.where(inside[chrom], values, np.nan), atol=1e-6)


def test_a_stopped_run_goes_on_to_the_same_bytes(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_BLOCK_BP", 200)
    plan = replace(plan, components=2)
    write_tracks(plan, tmp_path / "whole")
    calls = []
    plain = writing._Maker.values

    def stops(self, *arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(self, *arguments)

    monkeypatch.setattr(writing._Maker, "values", stops)
    with pytest.raises(KeyboardInterrupt):
        write_tracks(plan, tmp_path / "o")
    assert not (tmp_path / "o").exists()
    write_tracks(plan, tmp_path / "o")
    # Six blocks, of which two were there.
    assert len(calls) == 3 + 4
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "o").iterdir())
    for name in names:
        assert (tmp_path / "o" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not (tmp_path / "o.partial").exists()
    with pytest.raises(InputError, match="is there already"):
        write_tracks(plan, tmp_path / "o")
    write_tracks(replace(plan, components=0), tmp_path / "o", overwrite=True)
    assert not (tmp_path / "o" / "component_1.bw").exists()


def test_components_are_those_of_all_token_vectors_where_all_are_sampled(folder, plan, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_SAMPLE_BP", 10**6)
    monkeypatch.setattr(writing, "_SAMPLE_STRETCHES", 1)
    write_tracks(replace(plan, likelihood=False, components=3, chromosomes=["d"]), tmp_path / "o")
    dna = DnaModel.from_pretrained(folder / "model", device="cpu")
    text = ReferenceGenome(folder / "g.fa").fetch(Interval("d", 0, 90))
    [tokens] = dna.embed_tokens([text])
    centred = tokens.vectors - tokens.vectors.mean(0)
    _, _, axes = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    for number in range(3):
        axis = axes[number] * np.sign(axes[number][np.abs(axes[number]).argmax()])
        expected = np.repeat(centred @ axis, tokens.ends - tokens.starts)
        found = read(tmp_path / "o" / f"component_{number + 1}.bw", {"d": 90})["d"]
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_classes_are_those_of_the_tokens_around_each_step(folder, plan, tmp_path):
    plan = replace(plan, likelihood=False, classifier=str(folder / "classifier"), classifier_bp=40, step_bp=30)
    write_tracks(replace(plan, chromosomes=["d"]), tmp_path / "o")
    tracks = {name: read(tmp_path / "o" / f"class_{name}.bw", {"d": 90})["d"] for name in ("no_promoter", "weak")}
    dna = DnaModel.from_pretrained(folder / "classifier", device="cpu")
    encoder = encoder_of(dna, "classifier")
    text = ReferenceGenome(folder / "g.fa").fetch(Interval("d", 0, 90))
    encoded = encoder.encode_with_offsets(text)
    for first in (0, 30, 60):
        low, high = max(0, first + 15 - 20), min(90, first + 15 + 20)
        over = (encoded.starts < high) & (encoded.ends > low)
        spelled = text[encoded.starts[over][0] : encoded.ends[over][-1]]
        ids = encoded.input_ids[over]
        if encoder.encode(spelled).tolist() != ids.tolist():
            continue
        answers = {one["label"]: one["score"] for one in dna.classify([spelled])[0]}
        np.testing.assert_allclose(tracks["weak"][first : first + 30], answers["weak"], atol=1e-6)
        np.testing.assert_allclose(tracks["no_promoter"][first : first + 30], answers["no promoter"], atol=1e-6)


def test_bedgraph_and_bigwig_hold_the_same_float32(tmp_path):
    values = np.array([np.nan, 0.1, 0.1, 1e-9, np.nan, -3.25, 0, np.nan], np.float32)
    blocks = [(Interval("c", 5, 13), values)]
    write_bedgraph(tmp_path / "o.bedGraph", iter(blocks))
    rows = [line.split("\t") for line in (tmp_path / "o.bedGraph").read_text().splitlines()]
    assert [(row[0], int(row[1]), int(row[2])) for row in rows] == [
        ("c", 6, 8), ("c", 8, 9), ("c", 10, 11), ("c", 11, 12)
    ]
    np.testing.assert_array_equal(
        np.array([row[3] for row in rows]).astype(np.float32), np.array([0.1, 1e-9, -3.25, 0], np.float32)
    )
    write_bigwig(tmp_path / "o.bw", {"c": 20, "d": 5}, iter(blocks))
    found = read(tmp_path / "o.bw", {"c": 20})["c"]
    np.testing.assert_array_equal(found[5:13].astype(np.float32), values)
    assert np.isnan(found[:5]).all()
    assert np.isnan(found[13:]).all()


@pytest.mark.parametrize(("values", "runs"), [
    ([], []), ([np.nan], []), ([1, 2], [(0, 2)]), ([1, np.nan, 2], [(0, 1), (2, 3)]),
])
def test_runs_are_the_bases_that_have_a_value(values, runs):
    assert runs_of_values(np.array(values, np.float32)) == runs


def test_a_hub_has_what_ucsc_asks_of_one_and_a_file_for_each_track(plan, tmp_path):
    write_tracks(replace(plan, assembly="hg19", email="a@b.org", components=1), tmp_path / "o")
    stanzas = [
        dict(line.split(" ", 1) for line in stanza.splitlines())
        for stanza in (tmp_path / "o" / "hub.txt").read_text().strip().split("\n\n")
    ]
    assert {"hub", "shortLabel", "longLabel", "useOneFile", "email"} <= set(stanzas[0])
    assert stanzas[1] == {"genome": "hg19"}
    tracks = stanzas[2:]
    assert len({track["track"] for track in tracks}) == len(tracks)
    for track in tracks:
        # https://genome.ucsc.edu/goldenPath/help/trackDb/trackDbHub.html: letters, digits, underscore
        assert track["track"].replace("_", "").isalnum()
        assert track["track"][0].isalpha()
        assert {"type", "shortLabel", "longLabel"} <= set(track)
        assert len(track["shortLabel"]) <= 17
        assert len(track["longLabel"]) <= 76
        if "container" not in track:
            assert (tmp_path / "o" / track["bigDataUrl"]).exists()
    logo = next(track for track in tracks if track.get("container") == "multiWig")
    assert logo["logo"] == "on"
    assert sum(track.get("parent") == logo["track"] for track in tracks) == 4
    with pytest.raises(InputError, match="genome is 'a"):
        hub_text([], genome="a\nb", model="m", email="e")


@pytest.mark.parametrize(("changes", "message"), [
    ({"strands": "x"}, "strands is 'x'"), ({"components": -1}, "components is -1"),
    ({"likelihood": False}, "No track is asked for"), ({"track_format": "wig"}, "There is no format 'wig'"),
    ({"email": "a\nb"}, "email is"), ({"chromosomes": ["x"]}, "x"), ({"chromosomes": ["n"]}, "has a token"),
    ({"model": "classifier"}, "not a masked language model"), ({"classifier": "model"}, "has no classes"),
])
def test_what_cannot_be_made_is_refused(folder, plan, tmp_path, changes, message):
    files = {name: str(folder / changes[name]) for name in ("model", "classifier") if name in changes}
    with pytest.raises(InputError, match=message):
        write_tracks(replace(plan, **{**changes, **files}), tmp_path / "o")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("track_format", ["bigwig", "bedgraph"])
@pytest.mark.parametrize("count", [2, 9])
def test_joined_shards_are_the_folder_of_one_job(plan, tmp_path, monkeypatch, track_format, count):
    monkeypatch.setattr(writing, "_BLOCK_BP", 200)
    plan = replace(plan, components=1, track_format=track_format)
    write_tracks(plan, tmp_path / "whole")
    for number in range(count):
        write_tracks(plan, tmp_path / "o", shard=Shard(number, count))
    join_shards(whole_shards(shard_folder(tmp_path / "o")), tmp_path / "o", overwrite=False)
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "o").iterdir())
    for name in names:
        assert (tmp_path / "o" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_the_last_step_of_a_chromosome_may_be_shorter_than_its_half(folder, plan, tmp_path):
    plan = replace(plan, likelihood=False, classifier=str(folder / "classifier"), classifier_bp=10, step_bp=80)
    write_tracks(replace(plan, chromosomes=["d"]), tmp_path / "o")
    assert np.isfinite(read(tmp_path / "o" / "class_weak.bw", {"d": 90})["d"]).all()
