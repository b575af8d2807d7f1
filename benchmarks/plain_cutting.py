"""What share of tokens plain cutting gets wrong: regions tokenized alone, beside the genome's own tokens.

python benchmarks/plain_cutting.py GENOME TOKENIZER [--regions 5000] [--bp 300]

A token that lies in a region whole, in the tokenized genome, is right in the region tokenized alone if that has
the same token at the same place.
"""

import argparse

import numpy as np

from grover_hf import Interval, ReferenceGenome, TokenizedGenome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("genome")
    parser.add_argument("tokenizer")
    parser.add_argument("--regions", type=int, default=5_000)
    parser.add_argument("--bp", type=int, default=300)
    arguments = parser.parse_args()
    genome = ReferenceGenome(arguments.genome)
    corpus = TokenizedGenome.cached(arguments.genome, arguments.tokenizer)
    rng = np.random.default_rng(0)
    long = corpus.segments[corpus.segments[:, 2] - corpus.segments[:, 1] > arguments.bp]
    rooms = long[:, 2] - long[:, 1] - arguments.bp
    wrong, n_tokens, distances, n_regions = 0, 0, [], 0
    for number in rng.choice(len(long), arguments.regions, p=rooms / rooms.sum()):
        chrom, first, end, _ = long[number].tolist()
        start = int(rng.integers(first, end - arguments.bp + 1))
        interval = Interval(corpus.chromosomes[chrom], start, start + arguments.bp)
        true = corpus.tokens_in(interval, inside=True)
        alone = corpus.encoder.encode_with_offsets(genome.fetch(interval))
        there = dict(zip((alone.starts + start).tolist(), alone.input_ids.tolist(), strict=True))
        places = zip(true.starts.tolist(), true.input_ids.tolist(), strict=True)
        is_wrong = np.array([there.get(place) != token for place, token in places])
        wrong += int(is_wrong.sum())
        n_tokens += len(is_wrong)
        n_regions += bool(is_wrong.any())
        far = np.minimum(true.ends[is_wrong] - start, interval.end - true.starts[is_wrong])
        distances += far.tolist()
    print(
        f"{arguments.regions:,} regions of {arguments.bp} bp: {wrong / n_tokens:.2%} of {n_tokens:,} tokens that "
        f"lie in them whole are wrong, in {n_regions / arguments.regions:.0%} of the regions; far ends lie "
        f"{np.percentile(distances, 50):.0f} bp from its nearer end (median; 95 %: "
        f"{np.percentile(distances, 95):.0f}, all: {max(distances):.0f})"
    )


if __name__ == "__main__":
    main()
