"""The kinds of input: how each is written, how the package reads it, and who knows the right answer."""

import contextlib
import copy
import gzip
import json
import os
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from grover_hf.baselines import report as _baseline_report  # noqa: F401 - its kinds of metrics.json
from grover_hf.corpus.corpus_facts import read_corpus_facts
from grover_hf.corpus.facts import choose_config, read_facts
from grover_hf.corpus.rows import load_rows
from grover_hf.corpus.soft_mask import SOFT_MASK_FILE
from grover_hf.corpus.tokenized_genome import ARRAYS, TokenizedGenome
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.genome.annotations import read_bed, read_intervals, read_table
from grover_hf.genome.bulk_rows import read_bulk_bed
from grover_hf.genome.letters import normalized
from grover_hf.genome.motifs import read_motif
from grover_hf.genome.start_sites import lift_over, read_start_sites
from grover_hf.metrics.report import read_metrics
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.bpe_training import train_bpe
from grover_hf.tokenization.export import load_encoder
from grover_hf.tokenization.merges import MergeTable
from grover_hf.variants.files import read_variants
from tests.fuzz import naive
from tests.fuzz.fuzzing import Expected, Kind, Malformed
from tests.fuzz.mutations import bgzip, damaged, maybe_damaged


class Within:
    """Equal to any record whose names and values all stand in the content of a file."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def __eq__(self, answer: object) -> bool:
        return _is_within(answer, self.content)

    __hash__ = None


def _is_within(answer: Any, content: Any) -> bool:
    if isinstance(answer, dict) and isinstance(content, dict):
        return all(name in content and _is_within(value, content[name]) for name, value in answer.items())
    if isinstance(answer, list | tuple) and isinstance(content, list):
        return len(answer) == len(content) and all(map(_is_within, answer, content))
    return bool(answer == content and isinstance(answer, bool) == isinstance(content, bool))


class Anything:
    """Equal to everything: what matters is that there is an answer."""

    def __eq__(self, answer: object) -> bool:
        return True

    __hash__ = None


# --- FASTA, with and without an index, plain and compressed


def write_fasta(rng: Random, folder: Path) -> Path:
    end = rng.choice([b"\n", b"\n", b"\n", b"\r\n"])
    names = rng.sample(["chr1", "chr2", "1", "scaffold_7", "lcl|x.1", "tür", "track", "chrUn_KI270302v1"], 4)
    sound, index = rng.choice([b"", b"", b"\xef\xbb\xbf", end]), []
    for name in names[: rng.randint(1, 4)]:
        width, size = rng.randint(1, 12), rng.choice([0, 1, rng.randint(1, 40), rng.randint(1, 40)])
        letters = "".join(rng.choices("ACGTacgtNnRy", [9, 9, 9, 9, 4, 4, 4, 4, 3, 1, 0.2, 0.2], k=size)).encode()
        sound += b">" + name.encode() + rng.choice([b"", b" of a test", b"\tx"]) + end
        index.append(f"{name}\t{size}\t{len(sound)}\t{width}\t{width + len(end)}\n")
        sound += b"".join(letters[i : i + width] + end for i in range(0, size, width))
        sound += rng.choice([b"", b"", b"", end * 2])
    if rng.random() < 0.3:
        sound = sound.rstrip(b"\r\n") + b"\n" * (sound.rstrip(b"\r\n").count(b">") < 1)
    data = maybe_damaged(rng, sound, 0.6)
    path = folder / "genome.fa"
    packed = rng.random() < 0.35
    if packed:
        data = gzip.compress(data, 1, mtime=0) if rng.random() < 0.5 else bgzip(data, rng.randint(1, 40))
        path = folder / "genome.fa.gz"
        data = maybe_damaged(rng, data, 0.4)
    path.write_bytes(data)
    if not packed and rng.random() < 0.5:
        beside = folder / "genome.fa.fai"
        beside.write_bytes(maybe_damaged(rng, "".join(index).encode(), 0.5))
        os.utime(beside, ns=(shift := path.stat().st_mtime_ns + rng.choice([-1, 1]) * 10**9, shift))
    return path


def read_fasta(folder: Path, path: Path) -> dict[str, list]:
    genome = ReferenceGenome(path)
    return {
        name: [genome.fetch(Interval(name, 0, size)), genome.codes(name).tolist()]
        for name, size in genome.sizes.items()
    }


def expect_fasta(folder: Path, path: Path) -> Expected:
    data, may_refuse = path.read_bytes(), False
    if path.suffix == ".gz":
        may_refuse = True
        if data[:2] == b"\x1f\x8b":
            data = naive.gzip(data)
        else:
            raise Malformed("named like gzip, and is none")
    elif data[:2] == b"\x1f\x8b":
        data = naive.gzip(data)
    records = naive.fasta(data)
    answer = {name: [bases, [("ACGT" + base).index(base) for base in bases]] for name, bases in records.items()}
    return Expected([answer], may_refuse)


# --- tables of intervals


def _interval_rows(rng: Random) -> list[list[str]]:
    rows = []
    for _ in range(rng.randint(1, 6)):
        start = rng.randint(0, 500)
        chrom = rng.choice(["chr1", "chr2", "1", "X", "track1", "browser"])
        end = start + rng.randint(1, 90)
        rows.append([chrom, str(start), str(end), rng.choice("abc"), "0", rng.choice("+-.*")])
    return rows


def write_bed(rng: Random, folder: Path) -> bool:
    end, n_columns = rng.choice(["\n", "\n", "\r\n", "\r"]), rng.choice([3, 4, 5, 6])
    lines = ["\t".join(row[:n_columns]) for row in _interval_rows(rng)]
    for line in ("# a comment", "track name=x", "browser position chr1:1-2", ""):
        if rng.random() < 0.2:
            lines.insert(rng.randint(0, len(lines)), line)
    data = end.join(lines).encode() + end.encode()
    data = rng.choice([b"", b"", b"", b"\xef\xbb\xbf"]) + maybe_damaged(rng, data)
    (folder / "rows.bed").write_bytes(gzip.compress(data, mtime=0) if rng.random() < 0.1 else data)
    return True


def _in_rows(table: Any) -> list[tuple]:
    return list(table[["chrom", "start", "end", "strand"]].itertuples(index=False, name=None))


def read_in_bulk(folder: Path, _: bool) -> list[tuple]:
    # Beside it a strand that is not known counts as "+".
    table = read_bulk_bed(folder / "rows.bed")
    return _in_rows(table.assign(strand=table["strand"].astype(object).replace(".", "+")))


def _inflated(path: Path) -> bytes:
    data = path.read_bytes()
    try:
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError) as error:
        raise Malformed("gzip") from error


def expect_bed(folder: Path, _: bool) -> Expected:
    rows, plain = naive.bed(_inflated(folder / "rows.bed"))
    return Expected([rows], may_refuse=not plain)


def write_table(rng: Random, folder: Path) -> tuple[Path, bool]:
    separator = rng.choice(["\t", ","])
    path = folder / f"rows.{rng.choice(['tsv', 'txt', 'TSV'] if separator == chr(9) else ['csv', 'CSV', 'txt'])}"
    header = [rng.choice(["chrom", "chr", "chromosome"]), "start", "end", "label", "score", "strand"]
    n_columns = rng.choice([3, 4, 6])
    rows = [header, *_interval_rows(rng)]
    lines = [separator.join(row[:n_columns]) for row in rows]
    if separator == "," and rng.random() < 0.5:
        lines = [separator.join(f'"{field}"' for field in row[:n_columns]) for row in rows]
    if rng.random() < 0.2:
        lines[0] = "#" + lines[0]
    if rng.random() < 0.2:
        lines.insert(0, "# made by nobody")
    sound = "\n".join(lines).encode() + b"\n"
    data = maybe_damaged(rng, sound)
    path.write_bytes(data)
    return path, data == sound


def expect_intervals(folder: Path, given: tuple[Path, bool]) -> Expected:
    path, sound = given
    answers = []
    for separator in "\t,":
        try:
            rows = naive.table(path.read_bytes(), separator)
            fields = []
            for row in rows:
                [chrom] = [row[name] for name in ("chrom", "chr", "chromosome", "seqname") if name in row]
                fields.append((chrom, row["start"], row["end"], row.get("strand", "")))
            answers.append(naive.intervals(fields)[0])
        except (Malformed, KeyError, ValueError):
            pass
    if not answers:
        raise Malformed("no table of intervals, with tabs or with commas")
    return Expected(answers, may_refuse=not sound)


def read_rows(folder: Path, given: tuple[Path, bool]) -> list[dict]:
    return read_table(given[0]).fillna("").to_dict("records")


def expect_rows(folder: Path, given: tuple[Path, bool]) -> Expected:
    answers = []
    for separator in "\t,":
        with contextlib.suppress(Malformed):
            answers.append(naive.table(given[0].read_bytes(), separator))
    if not answers:
        raise Malformed("no table, with tabs or with commas")
    return Expected(answers, may_refuse=not given[1])


# --- variants


def write_vcf(rng: Random, folder: Path) -> bool:
    n_samples = rng.choice([0, 0, 1, 2])
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    lines = ["##fileformat=VCFv4.2", '##INFO=<ID=AF,Number=A,Type=Float,Description="a, b; c">']
    lines.append("\t".join([*columns, *(["FORMAT", *(f"s{i}" for i in range(n_samples))] if n_samples else [])]))
    for _ in range(rng.randint(0, 6)):
        ref = "".join(rng.choices("ACGTN", k=rng.randint(1, 3)))
        alt = rng.choice(["A", "AC", "A,G", "*", "<DEL>", ".", "G]17:198982]", "C,*"])
        chrom, position = rng.choice(["chr1", "1", "HLA-A*01:01"]), str(rng.randint(0, 900))
        row = [chrom, position, ".", ref, alt, ".", "PASS", "AF=0.5"]
        lines.append("\t".join([*row, *(["GT", *["0|1"] * n_samples] if n_samples else [])]))
    data = maybe_damaged(rng, rng.choice(["\n", "\n", "\r\n"]).join(lines).encode() + b"\n")
    (folder / "some.vcf").write_bytes(gzip.compress(data, mtime=0) if rng.random() < 0.3 else data)
    return True


def read_vcf(folder: Path, _: bool) -> list[tuple]:
    records = read_variants(folder / "some.vcf").records
    return list(zip(records.chroms, records.positions.tolist(), records.refs, records.alts, strict=True))


def expect_vcf(folder: Path, _: bool) -> Expected:
    rows, plain = naive.vcf(_inflated(folder / "some.vcf"))
    return Expected([rows], may_refuse=not plain)


# --- start sites, chains, motifs


def write_sites(rng: Random, folder: Path) -> bool:
    lines = [
        f"NC_{rng.randint(1, 24):06d}.11\tTSS\t{rng.randint(1, 10**6)}\t{rng.choice('+-')}\t1\tG_{i}"
        for i in range(rng.randint(1, 5))
    ]
    sound = "\n".join(lines).encode() + b"\n"
    data = maybe_damaged(rng, sound)
    (folder / "sites.sga").write_bytes(data)
    return data == sound


def read_sites(folder: Path, sound: bool) -> list[tuple]:
    sites = read_start_sites(folder / "sites.sga")
    return list(sites[["chrom", "tss", "strand", "name"]].itertuples(index=False, name=None))


def expect_sites(folder: Path, sound: bool) -> Expected:
    data, answers = _inflated(folder / "sites.sga"), []
    try:
        answers.append(naive.sga(data))
    except Malformed:
        # It may still be BED of single bases.
        rows, _ = naive.bed(data)
        if any(end - start != 1 for _, start, end, _ in rows):
            raise
        answers.append([(chrom, start, strand, Anything()) for chrom, start, _, strand in rows])
    return Expected(answers, may_refuse=not sound)


CHAIN = (
    b"chain 900 chr1 1000 + 100 400 chr1 900 + 50 340 1\n100 10 0\n190\n\n"
    b"chain 100 chr2 500 + 0 50 chr3 80 - 10 60 2\n50\n\n"
)


def write_chain(rng: Random, folder: Path) -> bool:
    data = maybe_damaged(rng, CHAIN, 0.9)
    (folder / "a.chain").write_bytes(gzip.compress(data, 1, mtime=0) if rng.random() < 0.2 else data)
    return data == CHAIN


def read_chain(folder: Path, sound: bool) -> list[tuple]:
    import pandas as pd

    sites = pd.DataFrame({"chrom": ["chr1", "chr1", "chr2"], "tss": [150, 205, 7], "strand": "+", "name": "."})
    lifted, lost = lift_over(sites, folder / "a.chain")
    assert len(lifted) + sum(lost.values()) == len(sites)
    return lifted[["chrom", "tss", "strand"]].to_numpy().tolist()


def expect_chain(folder: Path, sound: bool) -> Expected:
    if sound:
        return Expected([[["chr1", 100, "+"], ["chr3", 62, "-"]]])
    return Expected([Anything()], may_refuse=True)


def write_motif(rng: Random, folder: Path) -> list | None:
    counts = [[rng.randint(1, 60) for _ in range(rng.randint(1, 1) and 5)] for _ in "ACGT"]
    rows = [f"{base} [ {' '.join(map(str, row))} ]" for base, row in zip("ACGT", counts, strict=True)]
    if rng.random() < 0.3:
        rows = [" ".join(map(str, row)) for row in counts]
    sound = "\n".join([">MA1 X", *rows]).encode() + b"\n"
    data = maybe_damaged(rng, sound)
    (folder / "motif.jaspar").write_bytes(data)
    return counts if data == sound else None


def read_counts(folder: Path, counts: list | None) -> list:
    found = read_motif(folder / "motif.jaspar")[1]
    assert found.shape[0] == 4
    assert (found >= 0).all()
    assert (found < float("inf")).all()
    assert found.sum(0).all()
    return found.tolist()


def expect_counts(folder: Path, counts: list | None) -> Expected:
    if counts is not None:
        return Expected([counts])
    text = naive.text(_inflated(folder / "motif.jaspar"))
    lines = [re.findall(r"[^\s\[\]]+", line) for line in text if line[0] != ">"]
    lines = [line[1:] if line[:1] and line[0] in list("ACGT") else line for line in lines]

    def number(field: str) -> float | None:
        try:
            return float(field)
        except ValueError:
            return None

    rows = [[number(field) for field in line] for line in lines]
    # Rows may stand in another order in the file.
    class Rows:
        def __eq__(self, answer: object) -> bool:
            return sorted(answer) == sorted(row for row in rows if None not in row)

        __hash__ = None

    return Expected([Rows()], may_refuse=True)


# --- sequences, byte pairs


def write_sequence(rng: Random, folder: Path) -> str:
    letters = "".join(rng.choices("ACGTacgtNRy", k=rng.randint(0, 30)))
    data = letters.encode() if rng.random() < 0.4 else damaged(rng, letters.encode())
    return data.decode("utf-8", "replace")


def expect_sequence(folder: Path, sequence: str) -> Expected:
    if not set(sequence) <= set("ACGTNRYSWKMBDHVacgtnryswkmbdhv") or not set(sequence) & set("ACGTacgt"):
        raise Malformed("no DNA")
    return Expected(["".join(letter.upper() for letter in sequence)])


@cache
def random_merges(number: int) -> MergeTable:
    """Return merges as no genome gives them: any two tokens that are there."""
    rng, known, merges = Random(number), [*"ACGT"], []
    while len(merges) < rng.choice([1, 5, 30, 60]):
        left, right = rng.choice(known[-12:] if rng.random() < 0.6 else known), rng.choice(known)
        if len(left + right) <= 16 and left + right not in known:
            known.append(left + right)
            merges.append((left, right))
    return MergeTable(tuple(merges))


@cache
def _both_encoders(number: int) -> tuple[GenomeEncoder, Tokenizer]:
    encoder = GenomeEncoder(random_merges(number))
    return encoder, encoder.merges.to_tokenizer().backend_tokenizer


def write_bases(rng: Random, folder: Path) -> tuple[int, str]:
    unit = "".join(rng.choices("ACGT", k=rng.randint(1, 6)))
    bases = unit * rng.randint(1, 12) if rng.random() < 0.4 else "".join(rng.choices("ACGT", k=rng.randint(1, 90)))
    return rng.randrange(60), bases


def read_bases(folder: Path, given: tuple[int, str]) -> list[int]:
    return _both_encoders(given[0])[0].encode(given[1]).tolist()


def expect_bases(folder: Path, given: tuple[int, str]) -> Expected:
    return Expected([_both_encoders(given[0])[1].encode(given[1], add_special_tokens=False).ids])


def write_words(rng: Random, folder: Path) -> tuple[str, int]:
    letters = rng.choice(["ACGT", "ACGT", "AT", "AAAC", "ACGTN"])
    return "".join(rng.choices(letters, k=rng.randint(2, 60))), rng.randint(1, 12)


def read_words(folder: Path, given: tuple[str, int]) -> list[tuple[str, str]]:
    return list(train_bpe(given[0], given[1]).merges)


def expect_words(folder: Path, given: tuple[str, int]) -> Expected:
    from tests.oracles import merges_by_definition

    words = [word for word in given[0].split("N") if word]
    if not words:
        raise Malformed("no base")
    return Expected([merges_by_definition(words, given[1])])


# --- vocabularies


def write_merges(rng: Random, folder: Path) -> MergeTable:
    table = random_merges(rng.randrange(60))
    path = folder / "merges.txt"
    table.write(path)
    if rng.random() < 0.2:
        path.write_text("#version: 0.2\n" + path.read_text().split("\n", 1)[1])
    path.write_bytes(maybe_damaged(rng, path.read_bytes(), 0.9))
    return table


def read_merges(folder: Path, table: MergeTable) -> list[tuple[str, str]]:
    return list(MergeTable.read(folder / "merges.txt").merges)


def expect_merges(folder: Path, table: MergeTable) -> Expected:
    data = (folder / "merges.txt").read_bytes()
    merges = naive.merges(data)
    if re.match(rb"#version: *\S*[\r\n]", data):
        return Expected([merges], may_refuse=not re.match(rb"#version: 0\.2[\r\n]", data))
    # With the facts in its first line, it is the table that they are of, or damaged.
    if merges != list(table.merges):
        raise Malformed("merges that are not those of the first line")
    return Expected([merges], may_refuse=True)


PROBES = ["ACGTTGCAACGGTTAACCGT", "acgtTTTTTTTTTTACACACACAC", "ACNNGT", "GATTACAGATTACA" * 3, "A", "xACGT", ""]


@cache
def _tokenizer_json(number: int) -> str:
    return GenomeEncoder(random_merges(number)).backend().to_str()


def _damaged_json(rng: Random, content: Any) -> Any:
    """Return JSON with one value changed, deep in it."""
    places = []

    def walk(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(content)
    # Settings are few, and tokens many.
    few = [place for place in places if isinstance(place[1], str) and not re.fullmatch("[ACGT]+", place[1])]
    node, key = rng.choice(few if rng.random() < 0.7 else places)
    match rng.randrange(3):
        case 0:
            del node[key]
        case 1:
            others = [None, True, 0, 1, 0.5, -1, 10**9, "A", "", [], {}, ["A", "C"], {"type": "BPE"}]
            node[key] = rng.choice(others)
        case _:
            other, from_key = rng.choice(few)
            node[key] = copy.deepcopy(other[from_key])
    return content


def write_tokenizer(rng: Random, folder: Path) -> bool:
    sound = _tokenizer_json(rng.randrange(60))
    text = sound
    if rng.random() < 0.6:
        text = json.dumps(_damaged_json(rng, json.loads(sound)))
    elif rng.random() < 0.7:
        text = damaged(rng, sound.encode()).decode("utf-8", "replace")
    (folder / "tokenizer.json").write_text(text)
    return text == sound


def read_tokenizer(folder: Path, sound: bool) -> list[list[int]]:
    encoder = load_encoder(folder)
    return [encoder.encode(probe).tolist() for probe in PROBES]


def expect_tokenizer(folder: Path, sound: bool) -> Expected:
    try:
        tokenizer = Tokenizer.from_str((folder / "tokenizer.json").read_text())
        tokenizer.encode_special_tokens = True
        ids = [tokenizer.encode(probe, add_special_tokens=False).ids for probe in PROBES]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # What panics in Rust is no Exception.
        raise Malformed(f"tokenizers: {error}") from None
    return Expected([ids], may_refuse=not sound)


# --- what the package itself wrote, and something changed


@cache
def _sound(make: Callable[[Path], object]) -> Path:
    """Return a folder that is made once a process."""
    import atexit
    import tempfile

    parent = tempfile.mkdtemp(prefix="fuzz-sound-")
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    folder = Path(parent) / "made"
    make(folder)
    return folder


def _make_corpus(folder: Path) -> None:
    fasta = folder.parent / "g.fa"
    rng = Random(0)
    bases = {name: "".join(rng.choices("ACGTN", [9, 9, 9, 9, 0.1], k=900)) for name in ("c1", "c2")}
    bases = {name: letters[:300].lower() + letters[300:] for name, letters in bases.items()}
    fasta.write_text("".join(f">{name}\n{letters}\n" for name, letters in bases.items()))
    TokenizedGenome.build(ReferenceGenome(fasta), GenomeEncoder(random_merges(3)), folder)


def write_corpus(rng: Random, folder: Path) -> str:
    shutil.copytree(_sound(_make_corpus), folder / "corpus")
    name = rng.choice([*ARRAYS, *ARRAYS, SOFT_MASK_FILE, "corpus.json", "corpus.json", "tokenizer/tokenizer.json"])
    path = folder / "corpus" / name
    path.write_bytes(maybe_damaged(rng, path.read_bytes(), 0.95))
    return name


def _all_tokens(corpus: TokenizedGenome) -> list:
    found = []
    for chrom, size in corpus.sizes.items():
        tokens = corpus.tokens_in(Interval(chrom, 0, size))
        found.append([tokens.input_ids.tolist(), tokens.starts.tolist(), corpus.codes(chrom).tolist()])
    return [*found, corpus.soft_masked(0, corpus.facts.n_tokens).tolist()]


def read_corpus(folder: Path, name: str) -> list:
    corpus = TokenizedGenome.open(folder / "corpus")
    # Before anybody looks whether it is whole, it may be wrong, and must not crash.
    tokens = _all_tokens(corpus)
    corpus.require_whole()
    return [repr(read_corpus_facts(folder / "corpus")), tokens]


@cache
def _right_corpus() -> list:
    corpus = TokenizedGenome.open(_sound(_make_corpus))
    return [repr(corpus.facts), _all_tokens(corpus)]


def expect_corpus(folder: Path, name: str) -> Expected:
    same = (folder / "corpus" / name).read_bytes() == (_sound(_make_corpus) / name).read_bytes()
    return Expected([_right_corpus()], may_refuse=not same)


def _make_dataset(folder: Path) -> None:
    from grover_hf._internals.files import sha256_of_files
    from grover_hf.corpus.facts import write_facts
    from tests.made_up import dataset_facts

    config = folder / "mine"
    config.mkdir(parents=True)
    files = []
    for split, n_rows in (("train", 30), ("test", 9)):
        rows = {"sequence": [f"ACG{'T' * i}" for i in range(n_rows)], "label": [i % 2 for i in range(n_rows)]}
        files.append(config / f"mine-{split}.parquet")
        pq.write_table(pa.table(rows), files[-1])
    facts = dataset_facts(config="mine", splits={"train": 30, "test": 9}, sha256=sha256_of_files(sorted(files)))
    write_facts(config, facts)


def write_dataset(rng: Random, folder: Path) -> bool:
    shutil.copytree(_sound(_make_dataset), folder / "data")
    path = folder / "data" / "mine" / rng.choice(["mine-train.parquet", "mine-test.parquet", "facts.json"])
    sound = path.read_bytes()
    path.write_bytes(maybe_damaged(rng, sound, 0.9))
    return path.read_bytes() == sound


def read_dataset(folder: Path, sound: bool) -> list:
    splits = load_rows(folder / "data", choose_config(folder / "data", None)[1])
    return [[rows["sequence"][:], rows["label"][:]] for rows in splits.values()]


def expect_dataset(folder: Path, sound: bool) -> Expected:
    folder = _sound(_make_dataset) / "mine"
    tables = [pq.read_table(folder / f"mine-{split}.parquet") for split in ("train", "test")]
    right = [[table["sequence"].to_pylist(), table["label"].to_pylist()] for table in tables]
    return Expected([right], may_refuse=not sound)


def write_record(rng: Random, folder: Path) -> tuple[str, bool]:
    from tests import made_up

    name, record = rng.choice([
        ("metrics.json", made_up.pretraining_report()),
        ("facts.json", made_up.dataset_facts(corpus=made_up.corpus_facts())),
    ])
    content = record.as_dict()
    sound = json.dumps(content)
    text = sound
    if rng.random() < 0.6:
        text = json.dumps(_damaged_json(rng, content))
    elif rng.random() < 0.6:
        text = damaged(rng, sound.encode()).decode("utf-8", "replace")
    path = folder / "x" / name
    path.parent.mkdir()
    path.write_text(text)
    return name, text == sound


def read_record(folder: Path, given: tuple[str, bool]) -> dict:
    if given[0] == "metrics.json":
        return read_metrics(folder / "x").as_dict()
    return read_facts(folder, "x").as_dict()


def expect_record(folder: Path, given: tuple[str, bool]) -> Expected:
    try:
        content = json.loads((folder / "x" / given[0]).read_text())
    except (ValueError, RecursionError) as error:
        raise Malformed(f"JSON: {error}") from error
    if not isinstance(content, dict):
        raise Malformed("no object")
    return Expected([Within(content)], may_refuse=not given[1])


def write_recipe(rng: Random, folder: Path) -> bool:
    from training.runs.recipe import RECIPES

    sound = (RECIPES / "pretrain" / "tiny_cpu.yaml").read_bytes()
    data = maybe_damaged(rng, sound, 0.95)
    (folder / "mine.yaml").write_bytes(data)
    return data == sound


def read_the_recipe(folder: Path, sound: bool) -> dict:
    import dataclasses

    from training.pretrain import PretrainRecipe
    from training.runs.recipe import read_recipe

    given = {"dataset": "d", "tokenizer": "t", "output": "o"}
    recipe = read_recipe(PretrainRecipe, str(folder / "mine.yaml"), "pretrain", given)
    defaults = {field.name: field.default for field in dataclasses.fields(PretrainRecipe)}
    values = dataclasses.asdict(recipe)
    return {name: value for name, value in values.items() if name not in given and value != defaults[name]}


def expect_recipe(folder: Path, sound: bool) -> Expected:
    import yaml

    try:
        content = yaml.safe_load((folder / "mine.yaml").read_bytes().decode())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Malformed(f"YAML: {error}") from error
    if content is not None and not isinstance(content, dict):
        raise Malformed("no names")

    class Read:
        def __eq__(self, answer: dict) -> bool:
            return all(
                value == content[name] or (isinstance(content[name], str) and float(content[name]) == value)
                for name, value in answer.items()
            )

        __hash__ = None

    return Expected([Read()], may_refuse=not sound)


KINDS = [
    Kind("FASTA", 300, write_fasta, read_fasta, expect_fasta),
    Kind("BED", 120, write_bed, lambda folder, _: _in_rows(read_bed(folder / "rows.bed")), expect_bed),
    Kind("BED in bulk", 120, write_bed, read_in_bulk, expect_bed),
    Kind("intervals", 70, write_table, lambda _, given: _in_rows(read_intervals(given[0])), expect_intervals),
    Kind("table", 50, write_table, read_rows, expect_rows),
    Kind("VCF", 60, write_vcf, read_vcf, expect_vcf),
    Kind("start sites", 40, write_sites, read_sites, expect_sites),
    Kind("chain", 20, write_chain, read_chain, expect_chain),
    Kind("motif", 40, write_motif, read_counts, expect_counts),
    Kind("sequence", 40, write_sequence, lambda _, given: normalized(given, "it"), expect_sequence),
    Kind("tokens", 60, write_bases, read_bases, expect_bases),
    Kind("merges learnt", 40, write_words, read_words, expect_words),
    Kind("merges file", 60, write_merges, read_merges, expect_merges),
    Kind("tokenizer file", 60, write_tokenizer, read_tokenizer, expect_tokenizer),
    Kind("tokenized genome", 60, write_corpus, read_corpus, expect_corpus),
    Kind("dataset", 3, write_dataset, read_dataset, expect_dataset),
    Kind("facts and scores", 60, write_record, read_record, expect_record),
    Kind("recipe", 20, write_recipe, read_the_recipe, expect_recipe),
]
