import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.promscan.builder import plan
from grover_hf.corpus.facts import read_facts
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome


@pytest.fixture
def build(corpora, write_bed, tmp_path):
    """Build PromScan of start sites 10 kb apart; return rows by split and facts."""
    corpus = corpora["bpe-600"]
    chrom, size = next(iter(corpus.sizes.items()))
    sites = [(chrom, tss, tss + 1, ".", 1, "+-"[tss // 11_000 % 2]) for tss in range(4_000, size, 11_000)]

    def make(**options):
        made = plan(corpus.path, write_bed(sites), **{"flank_bp": 5_000, **options})
        folder = prepare(made, tmp_path / "promscan", overwrite=True)
        return load_dataset(str(folder), made.config), read_facts(folder, made.config)

    return make


def test_each_region_gives_31_windows_of_1001_bp_300_apart_three_of_them_with_its_start_site(
    build, simulated_fasta, tmp_path, golden_card
):
    splits, facts = build()
    golden_card(tmp_path / "promscan", "promscan")
    regions = {}
    genome = ReferenceGenome(simulated_fasta)
    for split in splits.values():
        for row in split:
            regions.setdefault((row["chrom"], row["tss"]), []).append(row)
            assert row["end"] - row["start"] == 1_001
            assert row["label"] == (row["start"] <= row["tss"] < row["end"])
            spelled = genome.fetch(Interval(row["chrom"], row["token_start"], row["token_end"]))
            assert row["sequence"] == spelled
            assert row["token_start"] <= row["start"]
            assert row["token_end"] >= row["end"]
    assert len(regions) == facts.details["n_promoters"]
    for (_, tss), rows in regions.items():
        starts = sorted(row["start"] for row in rows)
        assert starts == list(range(tss - 5_000, tss - 5_000 + 31 * 300, 300))
        assert sum(row["label"] for row in rows) == 3


def test_by_promoter_no_base_is_in_two_splits(build):
    splits, facts = build(split_by="promoter")
    spans = {
        name: [(row["chrom"], row["start"], row["end"]) for row in split] for name, split in splits.items()
    }
    assert facts.config == "bpe-600.by-promoter"
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        for chrom, start, end in spans[second]:
            assert not any(c == chrom and s < end and start < e for c, s, e in spans[first])


def test_ten_kb_on_each_side_are_a_variant_and_no_flank_is_narrower_than_a_window(build):
    splits, facts = build(flank_bp=1_500)
    assert facts.config == "bpe-600.flank-1500"
    assert sum(map(len, splits.values())) == facts.details["n_promoters"] * 7
    with pytest.raises(InputError, match="flank_bp is 900"):
        build(flank_bp=900)
