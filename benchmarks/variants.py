"""Scores of variants: what tells a planted motif's bases, which variants have a score, and how fast they are.

python benchmarks/variants.py planted [--seeds 3]
    A tiny model for each seed, trained on 4 Mbp of simulated sequence in which a motif stands every 400 bp, on the
    forward strand. Variants of its fixed bases against those of its free ones and of the sequence around, AUROC
    with the bootstrap interval over sites.
python benchmarks/variants.py shares --genome FASTA --chromosome chr20 --model MODEL [--variants 2000]
    Which share of random single-base variants has each score; how likely each sum finds the true base, and whether
    a base gets the probability with which it occurs.
python benchmarks/variants.py speed --genome FASTA --chromosome chr20 --model MODEL [--variants 300]
    Beside the same scores one by one: every alternative masked by itself, in its own pass. `dense`: all variants
    of a stretch; `sparse`: at random places.
python benchmarks/variants.py grid --genome FASTA --chromosome chr20 --model MODEL
    How far scores depend on how many tokens are masked at once: correlation with one mask at a time.
python benchmarks/variants.py judge --scores scored.parquet [--label label]
    A benchmark of variants with labels, such as TraitGym's, scored by `grover score-variants`: of each score the
    mean precision (area under precision and recall) within each chromosome, weighted by its variants, with the
    bootstrap interval over chromosomes; variants without the score count as the least.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from measure import alternated, machine, ratio
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from grover_hf import DnaModel, ReferenceGenome, train_bpe
from grover_hf.corpus.haplotypes import retokenized
from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.genome.synthetic import simulate_genome
from grover_hf.inference.base_marginals import MARGINALS, MaskGrid, VocabularyLetters, masked_token_probabilities
from grover_hf.inference.genome_models import encoder_of
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.export import save_tokenizer
from grover_hf.variants.alleles import Placed
from grover_hf.variants.marginal_scores import MarginalScorer
from grover_hf.variants.predictors import ModelPredictor, Predictor, tables_of_genome

MOTIF = "TGACNTCATTGCNCAAGTNA"
"""N is any base: free."""
_EVERY = 400
_RESAMPLES = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["planted", "shares", "speed", "grid", "judge"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--genome", type=Path)
    parser.add_argument("--chromosome")
    parser.add_argument("--model")
    parser.add_argument("--variants", type=int)
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--label", default="label")
    arguments = parser.parse_args()
    print(machine("torch", "transformers"))
    if arguments.what == "planted":
        print("| seed | scored by | sum | defined | AUROC, free bases (95 %) | the sequence around |")
        print("|---|---|---|---|---|---|")
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as folder:
                for row in planted(Path(folder), seed):
                    print("| " + " | ".join(map(str, row)) + " |", flush=True)
        return
    if arguments.what == "judge":
        judge(pd.read_parquet(arguments.scores), arguments.label)
        return
    dna = DnaModel.opened(arguments.model, None)
    genome = ReferenceGenome(arguments.genome)
    if arguments.what == "shares":
        shares(dna, genome, arguments.chromosome, arguments.variants or 2_000)
    elif arguments.what == "grid":
        compare_grids(dna, genome, arguments.chromosome)
    else:
        speed(dna, genome, arguments.chromosome, arguments.variants or 300)


def planted(
    folder: Path, seed: int, *, mbp: float = 4.0, steps: int | None = None, n_sites: int = 150
) -> list[tuple]:
    """Train on planted motifs; return rows of the table."""
    genome_file, sites = plant(folder, seed, int(mbp * 1e6))
    genome = ReferenceGenome(genome_file)
    encoder = GenomeEncoder(train_bpe(genome, 300))
    save_tokenizer(encoder, folder / "tokenizer")
    cli = [sys.executable, "-m", "grover_hf.cli"]
    run([*cli, "tokenize", genome_file, "--tokenizer", folder / "tokenizer", "--output", folder / "corpus"])
    run([*cli, "build", "genome-windows", "--corpus", folder / "corpus", "--output", folder / "windows"])
    more = [] if steps is None else ["--max_steps", steps]
    run([
        sys.executable, "-m", "training.pretrain", "--config", "tiny_cpu", "--dataset", folder / "windows",
        "--tokenizer", folder / "tokenizer", "--output", folder / "run", "--seed", seed, *more,
    ])
    dna = DnaModel.opened(str(folder / "run" / "model"), None)
    predictors: dict[str, Predictor] = {"model": ModelPredictor(dna, MaskGrid.for_model(dna))}
    tables = tables_of_genome(genome_file, folder / "tokenizer")
    predictors |= dict(zip(("token frequency", "neighbour counts"), tables, strict=True))
    strand = StrandTokens.of(genome, "sim3", encoder)
    placed, of_site, is_fixed, in_motif = planted_variants(strand, sites["sim3"][:n_sites], seed)
    rows = []
    for name, predictor in predictors.items():
        for which, scores in MarginalScorer(encoder).scores(predictor, strand, placed).items():
            defined = np.isfinite(scores)
            inside, around = (
                auroc(-scores, is_fixed, of_site, defined & kept)
                for kept in (in_motif, is_fixed | ~in_motif)
            )
            rows.append((seed, name, which, f"{defined.mean():.0%}", inside, around))
    return rows


def plant(folder: Path, seed: int, n_bp: int) -> tuple[Path, dict[str, list[int]]]:
    """Write a simulated genome with motifs; return it and where they begin, by chromosome."""
    base = ReferenceGenome(simulate_genome(folder / "base.fa", n_bp, seed=seed))
    rng = np.random.default_rng(seed)
    sites: dict[str, list[int]] = {}
    with open(folder / "planted.fa", "w") as out:
        for chrom in base.chromosomes:
            letters = np.array(list("ACGTN"))[base.codes(chrom)]
            sites[chrom] = []
            for begin in range(1_000, letters.size - 1_000, _EVERY):
                at = begin + int(rng.integers(0, _EVERY // 2))
                if (letters[at - 5 : at + len(MOTIF) + 5] == "N").any():
                    continue
                drawn = rng.choice(list("ACGT"), len(MOTIF))
                fixed = np.array(list(MOTIF))
                letters[at : at + len(MOTIF)] = np.where(fixed == "N", drawn, fixed)
                sites[chrom].append(at)
            out.write(f">{chrom}\n{''.join(letters.tolist())}\n")
    return folder / "planted.fa", sites


def planted_variants(
    strand: StrandTokens, sites: list[int], seed: int
) -> tuple[Placed, NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return variants of motifs and of bases around; the site of each, which break the motif, which lie in it."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, site in enumerate(sites):
        places = [(site + k, letter != "N", True) for k, letter in enumerate(MOTIF)]
        places += [(site + int(k), False, False) for k in rng.integers(40, 150, 6)]
        for at, fixed, inside in places:
            code = int(strand.codes[at])
            if code < 4:
                rows += [(at, "ACGT"[code], alt, number, fixed, inside) for alt in "ACGT" if alt != "ACGT"[code]]
    starts, refs, alts, numbers, fixed, inside = zip(*rows, strict=True)
    return Placed(np.array(starts), list(refs), list(alts)), np.array(numbers), np.array(fixed), np.array(inside)


def auroc(
    scores: NDArray[np.float64], truth: NDArray[np.bool_], groups: NDArray[np.int64], kept: NDArray[np.bool_]
) -> str:
    """Return the AUROC of some rows with its interval over resampled sites."""
    rng = np.random.default_rng(0)
    scores, truth, groups = scores[kept], truth[kept], groups[kept]
    of_group = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    found = []
    for _ in range(_RESAMPLES):
        rows = np.concatenate([of_group[k] for k in rng.integers(0, len(of_group), len(of_group))])
        found.append(roc_auc_score(truth[rows], scores[rows]))
    low, high = np.percentile(found, [2.5, 97.5])
    return f"{roc_auc_score(truth, scores):.3f} ({low:.3f} to {high:.3f})"


def shares(dna: DnaModel, genome: ReferenceGenome, chrom: str, n: int) -> None:
    """Print the share of random single-base variants that have each score."""
    encoder = encoder_of(dna, "the model")
    predictor = ModelPredictor(dna, MaskGrid.for_model(dna))
    strand = StrandTokens.of(genome, chrom, encoder)
    placed = random_variants(strand, n)
    print("| score | defined |\n|---|---|")
    for name, scores in MarginalScorer(encoder).scores(predictor, strand, placed).items():
        print(f"| {name} | {np.isfinite(scores).mean():.1%} |", flush=True)
    n_same, lengths = 0, []
    for start, alt in zip(placed.starts.tolist(), placed.alts, strict=True):
        changed = retokenized(strand, encoder, start, 1, np.array(["ACGT".index(alt)], np.uint8))
        if changed is None:
            continue
        old = strand.input_ids[changed.first : changed.last]
        n_same += np.array_equal(strand.token_lengths[old], strand.token_lengths[changed.input_ids])
        lengths.append(int(strand.token_lengths[old].sum()))
    print(f"| token borders stay | {n_same / n:.1%} |\n| pll_per_base | {len(lengths) / n:.1%} |")
    most = np.percentile(lengths, 95)
    print(f"\nbases of the tokens that change: 95th percentile {most:.0f}, most {max(lengths)}")
    calibration(dna, strand, encoder)


def calibration(dna: DnaModel, strand: StrandTokens, encoder: GenomeEncoder, n_tokens: int = 5_000) -> None:
    """Print how likely each sum finds the bases of a stretch, and the mean probability of A, C, G and T."""
    first = (strand.input_ids.size - n_tokens) // 2
    letters, grid = VocabularyLetters(encoder), MaskGrid.for_model(dna)
    tokens = np.arange(first, first + n_tokens)
    found = [letters.marginals(strand, masked) for masked in masked_token_probabilities(dna, strand, tokens, grid)]
    p = np.concatenate([one.probabilities for one in found])
    true = strand.codes[np.concatenate([one.positions for one in found])]
    shares = np.bincount(true, minlength=4) / len(true)
    print(f"\n| {len(true):,} bases | bits a base | mean p(A), p(C), p(G), p(T) |\n|---|---|---|")
    print(f"| how often they occur | {-(shares * np.log2(shares)).sum():.2f} | {of_bases(shares)} |")
    for number, name in enumerate(MARGINALS):
        bits = -np.log2(p[np.arange(len(true)), number, true]).mean()
        print(f"| {name} | {bits:.2f} | {of_bases(p[:, number].mean(0))} |", flush=True)


def compare_grids(dna: DnaModel, genome: ReferenceGenome, chrom: str, n_tokens: int = 200) -> None:
    """Print how scores correlate with those of one mask at a time, and what they take."""
    encoder = encoder_of(dna, "the model")
    strand = StrandTokens.of(genome, chrom, encoder)
    first = strand.input_ids.size // 3
    bases = np.arange(*strand.starts[[first, first + n_tokens]].tolist())
    placed, scorer = all_variants(strand, bases), MarginalScorer(encoder)
    most = dna.reader.rules.window_tokens
    print("| masked tokens are apart | window | s | correlation of all, left, both |\n|---|---|---|---|")
    alone = None
    for window, apart in ((most, most), (most, 32), (most, 16), (most, 8), (most, 4), (128, 16)):
        begin = time.perf_counter()
        grid = MaskGrid.for_model(dna, window_tokens=window, apart=apart)
        found = scorer.scores(ModelPredictor(dna, grid), strand, placed)
        seconds = time.perf_counter() - begin
        alone = alone or found
        known = {name: np.isfinite(found[name]) for name in MARGINALS}
        r = [np.corrcoef(found[name][known[name]], alone[name][known[name]])[0, 1] for name in MARGINALS]
        print(f"| {apart} | {window} | {seconds:.1f} | {', '.join(f'{one:.4f}' for one in r)} |", flush=True)


def of_bases(numbers: NDArray[np.float64]) -> str:
    """Return four numbers as a cell of a table."""
    return ", ".join(f"{number:.3f}" for number in numbers)


def speed(dna: DnaModel, genome: ReferenceGenome, chrom: str, n: int) -> None:
    """Print variants a second, of ours and one by one."""
    torch.set_num_threads(1)
    encoder = encoder_of(dna, "the model")
    strand = StrandTokens.of(genome, chrom, encoder)
    rng = np.random.default_rng(0)
    middle = strand.starts.astype(np.int64)[rng.integers(1_000, strand.input_ids.size - 1_000)]
    dense = all_variants(strand, np.arange(middle, middle + n // 3))
    print("| variants | ours, variants/s | one by one | ours / it |\n|---|---|---|---|")
    for name, placed in (("dense", dense), ("sparse", random_variants(strand, n))):
        grid = MaskGrid.for_model(dna)
        scorer = MarginalScorer(encoder)
        found = {}

        def ours(placed=placed, scorer=scorer, grid=grid, found=found):
            found["ours"] = scorer.scores(ModelPredictor(dna, grid), strand, placed)["all"]

        def single(placed=placed, found=found, grid=grid):
            found["single"] = one_by_one(dna, strand, placed, encoder, grid)

        seconds = alternated({"ours": ours, "one by one": single}, 2)
        # One by one, nothing else is masked in a pass.
        assert np.corrcoef(found["ours"], found["single"])[0, 1] > 0.99
        n_here = len(placed.starts)
        each = [n_here / float(np.median(of_one)) for of_one in seconds.values()]
        print(f"| {name}, {n_here} | {each[0]:.1f} | {each[1]:.1f} | "
              f"{ratio(seconds['one by one'], seconds['ours']):.1f} |", flush=True)


def judge(table: pd.DataFrame, label: str) -> None:
    """Print how well each score tells the labels apart."""
    names = table.columns[table.columns.get_loc("variant_kind") + 1 :]
    positive = table[label].astype(bool).mean()
    print(f"| score | defined | precision by chromosome (95 %); {positive:.3f} by chance |\n|---|---|---|")
    for name in names:
        precision, low, high = precision_by_chromosome(table, name, label)
        print(f"| {name} | {table[name].notna().mean():.0%} | {precision:.3f} ({low:.3f} to {high:.3f}) |")


def precision_by_chromosome(table: pd.DataFrame, name: str, label: str) -> tuple[float, float, float]:
    """Return the weighted mean precision of a score and its interval."""
    scores = table[name].astype(float).fillna(table[name].min() - 1)
    rows = [
        (average_precision_score(table[label][part].astype(bool), scores[part]), len(part))
        for part in table.groupby("chrom").groups.values()
        if table[label][part].astype(bool).any()
    ]
    precisions, sizes = np.array(rows, float).T
    drawn = np.random.default_rng(0).integers(0, len(rows), (_RESAMPLES, len(rows)))
    means = (precisions * sizes)[drawn].sum(1) / sizes[drawn].sum(1)
    return float((precisions * sizes).sum() / sizes.sum()), *np.percentile(means, [2.5, 97.5]).tolist()


def one_by_one(
    dna: DnaModel, strand: StrandTokens, placed: Placed, encoder: GenomeEncoder, grid: MaskGrid
) -> NDArray[np.float64]:
    """Return the same score, from one pass for each variant with its token alone masked."""
    letters, alone = VocabularyLetters(encoder), MaskGrid(grid.window_tokens, grid.window_tokens)
    scores = []
    for start, ref, alt in zip(placed.starts.tolist(), placed.refs, placed.alts, strict=True):
        token = strand.token_over(np.array([start]))
        [masked] = masked_token_probabilities(dna, strand, token, alone)
        marginals = letters.marginals(strand, masked)
        p = marginals.probabilities[marginals.positions.tolist().index(start), 0]
        scores.append(np.log(p["ACGT".index(alt)]) - np.log(p["ACGT".index(ref)]))
    return np.array(scores)


def random_variants(strand: StrandTokens, n: int) -> Placed:
    """Return single-base variants at random bases, a random alternative each."""
    rng = np.random.default_rng(1)
    lengths = strand.segments[:, 1] - strand.segments[:, 0]
    segments = rng.choice(len(lengths), n, p=lengths / lengths.sum())
    starts = np.sort(strand.segments[segments, 0] + (rng.random(n) * lengths[segments]).astype(np.int64))
    alts = (strand.codes[starts] + rng.integers(1, 4, n)) % 4
    return Placed(starts, [*"".join("ACGT"[c] for c in strand.codes[starts])], [*"".join("ACGT"[c] for c in alts)])


def all_variants(strand: StrandTokens, bases: NDArray[np.int64]) -> Placed:
    """Return the three variants of each base."""
    rows = [(at, "ACGT"[strand.codes[at]], alt) for at in bases.tolist() for alt in "ACGT"
            if "ACGT"[strand.codes[at]] != alt]
    starts, refs, alts = zip(*rows, strict=True)
    return Placed(np.array(starts), list(refs), list(alts))


def run(words: list[object]) -> None:
    """Run a command; what it says is shown if it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    main()
