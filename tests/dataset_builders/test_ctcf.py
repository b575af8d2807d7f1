import numpy as np
import pandas as pd
import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.ctcf.builder import labelled_hits, plan
from grover_hf.corpus.facts import read_facts
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.genome.motifs import find_motif, read_motif


@pytest.fixture(scope="module")
def motif(tmp_path_factory):
    """A motif of eight bases, of which a simulated genome has some hundreds."""
    path = tmp_path_factory.mktemp("motif") / "made_up.jaspar"
    consensus = "TTACCAGA"
    rows = [f"{base} [{' '.join('90' if base == c else '3' for c in consensus)}]" for base in "ACGT"]
    path.write_text(">MA0000.1 MadeUp\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def peaks(corpora, motif, write_bed):
    """Peaks on every other occurrence, on all chromosomes but the last."""
    hits = find_motif(corpora["bpe-600"], read_motif(motif)[1], p_value=1e-3)
    last = corpora["bpe-600"].chromosomes[-1]
    rows = [(h.chrom, h.start - 20, h.end + 20) for h in hits[::2].itertuples() if h.chrom != last]
    return write_bed(rows, "peaks.bed")


@pytest.fixture
def build(corpora, tmp_path):
    def make(peaks, **options):
        made = plan(corpora["bpe-600"].path, peaks, **{"p_value": 1e-3, **options})
        folder = prepare(made, tmp_path / "ctcf", overwrite=True)
        rows = [row | {"split": n} for n, s in load_dataset(str(folder), made.config).items() for row in s]
        return rows, read_facts(folder, made.config), folder

    return make


def test_windows_are_500_bp_on_each_side_of_the_motif_and_bound_ones_meet_a_peak(
    build, motif, peaks, simulated_fasta, golden_card
):
    rows, facts, folder = build(peaks, motif=motif)
    genome = ReferenceGenome(simulated_fasta)
    spans = [line.split() for line in peaks.read_text().splitlines()]
    for row in rows:
        assert (row["start"] + 500, row["end"] - 501) == ((row["motif_start"] + row["motif_end"]) // 2,) * 2
        meets = any(
            c == row["chrom"] and int(s) < row["motif_end"] and row["motif_start"] < int(e) for c, s, e in spans
        )
        assert row["label"] == meets
        assert row["sequence"] == genome.fetch(Interval(row["chrom"], row["token_start"], row["token_end"]))
    assert {row["label"] for row in rows} == {0, 1}
    last = genome.chromosomes[-1]
    assert facts.details["chromosomes_without_peaks"] == [last]
    assert last not in {row["chrom"] for row in rows}
    assert facts.dropped["on a chromosome without any peak"] > 0
    assert f"rather than absent:\n{last}." in (folder / "README.md").read_text()
    golden_card(folder, "ctcf")


def test_peaks_on_chromosomes_that_the_genome_has_not_are_counted_and_said(build, motif, peaks, caplog):
    lines = peaks.read_text().splitlines()
    renamed = [line.replace("sim", "Chr_sim") if number % 4 == 0 else line for number, line in enumerate(lines)]
    peaks.write_text("\n".join(renamed) + "\n")
    n_elsewhere = sum(line.startswith("Chr") for line in renamed)
    _, facts, folder = build(peaks, motif=motif, ambiguous=peaks)
    assert facts.details["on_other_chromosomes"] == {"peaks": n_elsewhere, "less certain peaks": n_elsewhere}
    assert f"{n_elsewhere} of {len(lines)} rows are on Chr_sim1" in caplog.text
    card = (folder / "README.md").read_text()
    assert f"the genome has not: {n_elsewhere} peaks, {n_elsewhere} less certain peaks." in card
    (strange := peaks.parent / "strange.bed").write_text("Z\t1\t5\n")
    with pytest.raises(InputError, match="strange.bed names Z.*none in common"):
        build(peaks, motif=motif, ambiguous=strange)


def test_fimos_table_gives_what_the_scan_gives(build, motif, peaks, corpora, tmp_path):
    scanned, _, _ = build(peaks, motif=motif)
    hits = find_motif(corpora["bpe-600"], read_motif(motif)[1], p_value=1e-3)
    table = pd.DataFrame(
        {
            "motif_id": "x", "motif_alt_id": "", "sequence_name": hits["chrom"], "start": hits["start"] + 1,
            "stop": hits["end"], "strand": hits["strand"], "score": hits["score"], "p-value": hits["p_value"],
            "q-value": "", "matched_sequence": "",
        }
    )
    table.to_csv(tmp_path / "fimo.tsv", sep="\t", index=False)
    with open(tmp_path / "fimo.tsv", "a") as file:
        file.write("\n# FIMO (Find Individual Motif Occurrences): Version 5.5.5\n# fimo --oc out motif genome\n")
    read, facts, _ = build(peaks, hits=tmp_path / "fimo.tsv")
    # Older parsers are off by the last bit.
    assert [row.pop("p_value") for row in read] == pytest.approx([row.pop("p_value") for row in scanned])
    assert read == scanned
    assert facts.details["occurrences"] == "FIMO's table"


def test_ambiguous_peaks_take_unbound_motifs_away_and_bound_ones_stay():
    def intervals(*spans):
        return pd.DataFrame({"chrom": "c", "start": [s for s, _ in spans], "end": [e for _, e in spans]})

    hits = intervals((10, 20), (30, 40), (50, 60)).assign(strand="+", p_value=1e-5)
    kept, dropped, without = labelled_hits(hits, intervals((19, 25)), intervals((10, 35)))
    assert list(zip(kept["start"], kept["label"], strict=True)) == [(10, 1), (50, 0)]
    assert dropped["unbound, but meets a less certain peak"] == 1
    assert without == []
    # Half-open: a peak that ends where the motif begins does not meet it.
    assert labelled_hits(hits, intervals((0, 10), (60, 70)), None)[0]["label"].sum() == 0


def test_the_best_hits_alone_can_be_used(build, motif, peaks):
    best, facts, _ = build(peaks, motif=motif, max_hits=100)
    everything, _, _ = build(peaks, motif=motif)
    assert facts.config == "bpe-600.p-0.001-best-100"
    assert len(best) <= 100
    limit = max(row["p_value"] for row in best)
    assert sum(row["p_value"] < limit for row in everything) <= len(best)


def test_a_motif_or_its_hits_must_be_named_and_occur(build, motif, peaks, write_bed):
    with pytest.raises(InputError, match="one of the two"):
        build(peaks)
    with pytest.raises(InputError, match="does not occur at p < 1e-12"):
        build(peaks, motif=motif, p_value=1e-12)
    with pytest.raises(InputError, match="p_value is 5; it lies between 0 and 0.01"):
        build(peaks, motif=motif, p_value=5)
    write_bed([("sim3", 5, 9)], "elsewhere.bed")
    header = ("sequence_name", "start", "stop", "strand", "p-value")
    fimo = write_bed([header, ("sim1", 5_001, 5_008, "+", 1e-5)], "fimo.tsv")
    with pytest.raises(InputError, match=r"elsewhere.bed has no peak on sim1"):
        build(fimo.parent / "elsewhere.bed", hits=fimo)
    with pytest.raises(InputError, match="does not occur at p < 1e-06"):
        build(peaks, hits=fimo, p_value=1e-6)


def test_by_locus_windows_that_overlap_stay_together(build, motif, peaks):
    rows, _, _ = build(peaks, motif=motif, split_by="locus")
    for first in rows:
        for second in rows:
            if first["chrom"] == second["chrom"] and abs(first["start"] - second["start"]) < 1_001:
                assert first["split"] == second["split"]
    assert np.unique([row["split"] for row in rows]).size == 3


def test_the_background_is_a_choice_that_the_configuration_and_the_card_name(build, motif, peaks):
    _, by_default, _ = build(peaks, motif=motif)
    _, uniform, folder = build(peaks, motif=motif, background="uniform")
    assert by_default.details["background_frequencies"] == [0.274552, 0.225448, 0.225448, 0.274552]
    assert uniform.details["background_frequencies"] == [0.25] * 4
    assert uniform.config == "bpe-600.p-0.001-background-uniform"
    assert uniform.n_given != by_default.n_given
    assert "on a background of A 0.25, C 0.25, G 0.25, T 0.25 (uniform)" in (folder / "README.md").read_text()


def test_a_background_that_does_not_exist_or_of_fimos_own_table_is_refused(build, motif, peaks):
    with pytest.raises(InputError, match="no background 'human'; there are fimo, uniform"):
        build(peaks, motif=motif, background="human")
    with pytest.raises(InputError, match="FIMO's table has p-values of its own background"):
        build(peaks, hits=motif, background="uniform")
