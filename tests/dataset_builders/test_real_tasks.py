"""The tasks on pieces of hg19: counts, and coordinates followed from base to token and back."""

import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.ctcf import builder as ctcf
from dataset_builders.prom300 import builder as prom300
from dataset_builders.promscan import builder as promscan
from grover_hf.baselines.report import BaselinePlan, score_baseline
from grover_hf.corpus.facts import read_facts
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.bpe_training import train_bpe

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def hg19(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hg19")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        genome = ReferenceGenome(real_data / "genome" / "hg19.sparse.fa.gz")
        encoder = GenomeEncoder(train_bpe(genome, 600))
        return genome, TokenizedGenome.build(genome, encoder, folder / "corpus")


@pytest.fixture
def epd(real_data):
    return {
        "promoters": real_data / "promoters" / "human_epdnew_fH7d2.hg38.bed.gz",
        "chain": real_data / "annotation" / "hg38ToHg19.over.chain.gz",
    }


def follow(rows, genome, corpus):
    """Base to sequence to token to base."""
    for row in rows:
        assert row["sequence"] == genome.fetch(Interval(row["chrom"], row["token_start"], row["token_end"]))
        found = corpus.tokens_in(Interval(row["chrom"], row["start"], row["end"]))
        assert row["input_ids"] == found.input_ids.tolist()
        spelled = [corpus.encoder.tokens[i] for i in row["input_ids"]]
        for token, start, end in zip(spelled, found.starts, found.ends, strict=True):
            assert genome.fetch(Interval(row["chrom"], int(start), int(end))) == token


def test_prom300(hg19, epd, tmp_path):
    genome, corpus = hg19
    folder = prepare(prom300.plan(corpus.path, **epd), tmp_path / "prom300")
    facts = read_facts(folder, "bpe-600")
    assert (facts.n_given, sum(facts.splits.values())) == (29_598, 2 * 401)
    assert 0.6 < facts.details["initiator_share"] < 0.8
    rows = [row for split in load_dataset(str(folder)).values() for row in split if not row["shuffled"]]
    follow(rows[::10], genome, corpus)
    # NOC2L of EPDnew, chr1:959255 in hg38, reads from 894,635 backwards in hg19.
    places = {(row["chrom"], row["start"], row["end"], row["strand"]) for row in rows}
    assert ("chr1", 894_635 - 50, 894_635 + 250, "-") in places
    prepare(prom300.plan(corpus.path, **epd, retokenized=True), folder)
    tokenizer = str(corpus.path / "tokenizer")
    for config, low, high in (("bpe-600", 0.85, 1), ("bpe-600.retokenized", 0, 0)):
        rule = BaselinePlan(dataset=folder, config=config, method="canonical-bpe", tokenizer=tokenizer)
        assert low <= score_baseline(rule, tmp_path / config)["metrics"]["mcc"] <= high


def test_promscan(hg19, epd, tmp_path):
    genome, corpus = hg19
    folder = prepare(promscan.plan(corpus.path, **epd, split_by="promoter"), tmp_path / "promscan")
    facts = read_facts(folder, "bpe-600.by-promoter")
    assert (facts.details["n_promoters"], sum(facts.splits.values())) == (398, 398 * 31)
    assert sum(facts.details["classes"]["start site"].values()) == 398 * 3
    follow(load_dataset(str(folder), split="test").select(range(0, 600, 60)), genome, corpus)


def test_ctcf(hg19, real_data, tmp_path):
    genome, corpus = hg19
    folder = real_data / "ctcf"
    made = ctcf.plan(
        corpus.path, folder / "ChIPseq.HepG2.CTCF.conservative.train.narrowPeak.gz",
        motif=folder / "MA0139.1.jaspar", ambiguous=folder / "ChIPseq.HepG2.CTCF.relaxed.narrowPeak.gz",
    )
    facts = read_facts(prepare(made, tmp_path / "ctcf"), "bpe-600")
    # The DREAM challenge held chromosomes 1, 8 and 21 out; chrM has no peak.
    assert facts.details["chromosomes_without_peaks"] == ["chr1", "chr21", "chrM"]
    bound, unbound = (sum(facts.details["classes"][name].values()) for name in ("bound", "unbound"))
    assert (bound, unbound) == (219, 1_960)
    follow(load_dataset(str(tmp_path / "ctcf"), split="validation").select(range(0, 150, 15)), genome, corpus)
    strong = [row for s in load_dataset(str(tmp_path / "ctcf")).values() for row in s if row["p_value"] < 1e-6]
    # What binds best is bound most: the motif finder finds CTCF.
    assert sum(row["label"] for row in strong) / len(strong) > 4 * bound / (bound + unbound)
