"""A plant, a fly and a bacterium, all made up, go from FASTA to a published model by the README's lines."""

import re
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download
from transformers import AutoModelForMaskedLM, AutoTokenizer

from grover_hf import cli
from grover_hf.corpus.facts import choose_config
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome.synthetic import simulate_genome
from tests.hub_server import USER
from training import pretrain

GAP = "N" * 4_000


def plant(contigs):
    """Much N, soft-masked, with plastid and mitochondria; names with a description behind them."""
    one, two, three = (GAP + bases[:30_000] + 3 * GAP + bases[30_000:] + GAP for bases in contigs)
    return {
        "Chr1 CHROMOSOME dumped from ADB": one, "Chr2 CHROMOSOME dumped from ADB": two, "Chr3": three,
        "ChrM": contigs[0][:9_000].upper(), "ChrC": contigs[1][:7_000].upper(),
    }


def fly(contigs):
    """X is among the human names, and what else there is is not."""
    one, two, three = contigs
    return {
        "2L type=golden_path_region; loc=2L:1..9": one[:50_000], "2R": one[50_000:], "3L": two, "X": three,
        "mitochondrion_genome": one[:6_000], "211000022278279": two[:1_500],
    }


def bacterium(contigs):
    """One circular contig without N or lower case."""
    bases = "".join(contigs).upper().replace("N", "A")
    return {"NC_000913.3 Escherichia coli str. K-12 substr. MG1655, complete genome": bases}


SPECIES = {
    "plant": (plant, ["--chromosomes", "Chr*,!ChrC,!ChrM"], ["Chr1", "Chr2", "Chr3"], "Arabidopsis ficta", 3702),
    "fly": (fly, ["--chromosomes", "2?,3?,X"], ["2L", "2R", "3L", "X"], "Drosophila ficta", 7227),
    "bacterium": (bacterium, [], ["NC_000913.3"], "Escherichia ficta", 562),
}


@pytest.fixture
def grover(monkeypatch, capsys):
    """Run the command in this process; return what it printed."""

    def run(*arguments, fails=False):
        monkeypatch.setattr(sys, "argv", ["grover", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        assert bool(end.value.code) == fails, printed.err
        return printed.err if fails else printed.out

    return run


@pytest.fixture(params=SPECIES)
def species(request, tmp_path, monkeypatch):
    """In a folder with the genome `my.fa`: options of chromosomes, those that they choose, species and taxon."""
    make, *facts = SPECIES[request.param]
    monkeypatch.chdir(tmp_path)
    text = simulate_genome(tmp_path / "simulated.fa", 200_000, seed=3).read_text()
    contigs = ["".join(record.split("\n")[1:]) for record in text.split(">")[1:]]
    lines = (line for name, bases in make(contigs).items() for line in (f">{name}", *re.findall(".{1,60}", bases)))
    Path("my.fa").write_text("\n".join(lines) + "\n")
    return facts


def test_a_genome_of_any_species_becomes_a_published_model(species, grover, hub, repo_id):
    chosen, names, organism, taxon = species
    grover("train-bpe", "my.fa", *chosen, "--cycles", 60, "--output", "merges.txt")
    grover("export-tokenizer", "merges.txt", "--output", "tokenizer")
    grover(
        "tokenize", "my.fa", *chosen, "--tokenizer", "tokenizer", "--output", "corpus", "--species", organism,
        "--taxon", taxon,
    )
    corpus = TokenizedGenome.open("corpus")
    assert corpus.chromosomes == names
    grover("build", "genome-windows", "--corpus", "corpus", "--output", "windows")
    _, facts = choose_config("windows", None)
    assert min(facts.splits.values()) >= 8
    pretrain.main([
        "--config", "tiny_cpu", "--dataset", "windows", "--tokenizer", "tokenizer", "--output", "runs/my",
        "--max-steps", "2", "--batch-size", "4", "--per-device-batch-size", "4", "--eval-windows", "4",
    ])
    assert "neighbour counts" in grover("evaluate", "runs/my", "--windows", 8)
    repo = f"{USER}/{repo_id.rpartition('/')[2]}"
    assert "commit" in grover("publish", "model", "runs/my", "--license", "mit", "--repo", repo)

    card = Path(hf_hub_download(repo, "README.md")).read_text()
    assert f"my.fa, {organism} (taxon {taxon}) (SHA-256" in card
    assert "handler.py" in HfApi().list_repo_files(repo)
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(repo), AutoTokenizer.from_pretrained(repo)
    assert model.config.vocab_size == len(tokenizer) == len(corpus.encoder.tokens)


def test_what_is_for_human_names_says_what_there_is_and_what_to_write(species, grover):
    _, names, _, _ = species
    said = grover("train-bpe", "my.fa", "--chromosomes", "primary", "--output", "merges.txt", fails=True)
    assert "the chromosomes 1-22, X, Y" in said
    assert all(f"{name} (" in said for name in names)
    assert ("leave --chromosomes out" if len(names) == 1 else "Name those that you mean") in said
    for pattern in re.findall(r"a pattern, such as '(.*?)'", said):
        assert pattern == "Chr*"
    build = ("build", "next-kmer", "--genome", "my.fa", "--tokenizer", "kmer-4", "--output", "next")
    said = grover(*build, fails=True)
    assert f"my.fa has no chr21, which the paper takes; it has {names[0]}" in said
    grover(*build, "--chromosomes", ",".join(names))


def test_what_wants_several_chromosomes_or_their_human_names_is_refused_and_the_rest_goes(species, grover):
    _, names, _, _ = species
    rows = [(names[0], at, at + 200, "ab"[at % 200 == 0]) for at in range(16_000, 40_000, 300)]
    Path("my.bed").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    table = ("build", "classification", "--table", "my.bed", "--genome", "my.fa", "--tokenizer", "kmer-4")
    said = grover(*table, "--split-by", "chromosome", "--output", "mine", fails=True)
    assert f"The rows lie on {names[0]}: too few chromosomes" in said
    grover(*table, "--split-by", "locus", "--output", "mine")
    Path("my.bed").write_text("chr1\t1\t90\ta\nchr1\t200\t290\tb\n")
    said = grover(*table, "--output", "other", fails=True)
    assert "my.bed names chr1; my.fa has " in said
