"""The tables of an annotated genome hold what counting base by base and token by token gives."""

import doctest
import gzip
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grover_hf import GenomeEncoder, Interval, ReferenceGenome, TokenizedGenome, cli
from grover_hf.corpus.bins import genome_bins
from grover_hf.errors import InputError
from grover_hf.genome import bulk_rows
from grover_hf.inference.embeddings.folder import EmbeddingFacts, write_facts
from grover_hf.interpretation.annotation import segments, sources, token_shares
from grover_hf.interpretation.annotation.annotate import AnnotationPlan, write_annotation
from grover_hf.interpretation.annotation.sources import Sources, Track
from grover_hf.tokenization.special_tokens import N_SPECIAL

DIRECTION = {0: None, 1: 1, 2: -1}
N_TRACK = 400


@pytest.fixture(scope="module")
def genome(tmp_path_factory, simulated_fasta):
    """Chromosomes of the simulated genome, one with N and lower case, and one of three bases."""
    folder = tmp_path_factory.mktemp("genome")
    whole = ReferenceGenome(simulated_fasta)
    text = whole.fetch(Interval(whole.chromosomes[0], 0, 40_000)).replace("N", "A")
    one = text[:9_000] + "N" * 1_500 + text[9_000:11_000].lower() + text[11_000:20_000] + "n" * 20
    path = folder / "genome.fa"
    path.write_text(f">a\n{one}\n>b\nACG\n>c\n{text[20_000:]}\n")
    return path


@pytest.fixture(scope="module")
def corpus(genome, simulated_merges):
    encoder = GenomeEncoder(simulated_merges)
    return TokenizedGenome.build(ReferenceGenome(genome), encoder, genome.parent / "corpus")


@pytest.fixture(scope="module")
def tracks(genome, corpus):
    """Two BED files with random intervals, one stranded and one with states, and their rows."""
    rng = np.random.default_rng(0)
    rows = {"strands": [], "states": []}
    for name, some in rows.items():
        for _ in range(N_TRACK):
            chrom = str(rng.choice(["a", "c", "c"]))
            start = int(rng.integers(0, corpus.sizes[chrom] - 1))
            end = min(corpus.sizes[chrom], start + int(rng.integers(1, 60)))
            strand = str(rng.choice(["+", "-", "."], p=[0.5, 0.4, 0.1]))
            some.append((chrom, start, end, f"E{rng.integers(9, 12)}", strand))
        columns = 6 if name == "strands" else 4
        lines = ["\t".join(map(str, (*row[:4], 0, row[4])[:columns])) for row in some]
        (genome.parent / f"{name}.bed").write_text("\n".join(lines) + "\n")
    return rows


def painted(corpus, rows):
    """Return the bits of the strands over each base, by chromosome."""
    bases = {chrom: np.zeros(size, np.uint8) for chrom, size in corpus.sizes.items()}
    for chrom, start, end, strand in rows:
        bases[chrom][start:end] |= segments.STRAND_BITS[strand]
    return bases


@pytest.fixture(scope="module")
def bases(corpus, tracks):
    """The annotations base by base, by name."""
    by_name = {"strands": painted(corpus, [(*row[:3], row[4]) for row in tracks["strands"]])}
    for state in ("E9", "E10", "E11"):
        rows = [(*row[:3], ".") for row in tracks["states"] if row[3] == state]
        by_name[f"state {state}"] = painted(corpus, rows)
    by_name["soft-masked"] = painted(corpus, [("a", 10_500, 12_500, "."), ("a", 21_500, 21_520, ".")])
    return by_name


@pytest.fixture(scope="module")
def plan(genome, corpus, tracks):
    folder = genome.parent
    of_files = Sources(
        tracks=[
            Track.parse(f"{folder}/strands.bed"), Track.parse(f"state={folder}/states.bed", by_name=True),
        ],
        soft_masked=genome,
    )
    return AnnotationPlan(corpus=corpus.path, sources=of_files, bins=True)


def changed(plan, **changes):
    return AnnotationPlan(**{**vars(plan), **changes})


def with_tracks(plan, *texts, by_name=False, **others):
    tracks = [Track.parse(str(text), by_name=by_name) for text in texts]
    return changed(plan, sources=Sources(tracks=tracks, **others), bins=False)


def test_tokens_have_the_share_of_their_occurrences_that_overlap(plan, corpus, bases, tmp_path, monkeypatch):
    monkeypatch.setattr(token_shares, "_TOKENS_AT_ONCE", 97)
    write_annotation(plan, tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "tokens.parquet")
    n = np.zeros(len(corpus.encoder.tokens))
    counts = {name: {kind: np.zeros(n.size) for kind in ("", " +", " -")} for name in bases}
    for chrom, size in corpus.sizes.items():
        tokens = corpus.tokens_in(Interval(chrom, 0, size))
        for token, start, end in zip(tokens.input_ids, tokens.starts, tokens.ends, strict=True):
            n[token] += 1
            for name, of_name in bases.items():
                bits = np.bitwise_or.reduce(of_name[chrom][start:end])
                for kind, fits in (("", bits > 0), (" +", bits == 1), (" -", bits == 2)):
                    counts[name][kind][token] += fits
    assert table.column_names == [
        "id", "token", "n", "strands", "strands +", "strands -", "state E9", "state E10", "state E11",
        "soft-masked",
    ]
    assert table["id"].to_pylist() == list(range(N_SPECIAL, n.size))
    assert table["token"].to_pylist() == list(corpus.encoder.tokens[N_SPECIAL:])
    assert table["n"].to_pylist() == n[N_SPECIAL:].tolist()
    assert (n[N_SPECIAL:] == 0).any()
    for name, kinds in counts.items():
        for kind, some in kinds.items():
            if name == "strands" or not kind:
                shares = [a / b if b else None for a, b in zip(some[N_SPECIAL:], n[N_SPECIAL:], strict=True)]
                assert table[name + kind].to_pylist() == pytest.approx(shares)
                assert table.schema.field(name + kind).type == pa.float64()


def require_right_windows(table, bases):
    for name, of_name in bases.items():
        inside = [
            of_name[chrom][start:end] for chrom, start, end in
            zip(*(table[column].to_pylist() for column in ("chrom", "start", "end")), strict=True)
        ]
        np.testing.assert_allclose(table[name].to_numpy(), [(one > 0).mean() for one in inside], rtol=1e-6)
        assert table.schema.field(name).type == pa.float32()
    strand = table["strands strand"]
    expected = [DIRECTION.get(int(np.bitwise_or.reduce(of_name)), 0) for of_name in [
        bases["strands"][chrom][start:end] for chrom, start, end in
        zip(*(table[column].to_pylist() for column in ("chrom", "start", "end")), strict=True)
    ]]
    assert strand.to_pylist() == expected
    assert strand.type == pa.int8()


def test_bins_are_those_of_embeddings_with_shares_of_bases_and_directions(plan, corpus, bases, tmp_path):
    written = write_annotation(plan, tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "regions.parquet")
    bins = genome_bins(corpus)
    columns = ["chrom", "start", "end"]
    assert table.select(columns).to_pylist() == bins[columns].to_dict("records")
    assert written.n_windows == len(bins) > 10
    require_right_windows(table, bases)


def test_regions_keep_their_order_and_may_overlap(plan, corpus, bases, tmp_path):
    rng = np.random.default_rng(1)
    starts = rng.integers(0, 19_900, 200)
    rows = [
        (str(rng.choice(["a", "c"])), start, int(start + rng.integers(1, 90)), f"r{number}")
        for number, start in enumerate(starts.tolist())
    ]
    rows.append(("b", 0, 3, "whole"))
    (tmp_path / "r.bed").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    write_annotation(changed(plan, bins=False, regions=tmp_path / "r.bed"), tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "regions.parquet")
    found = zip(*(table[name].to_pylist() for name in ("chrom", "start", "end", "name")), strict=True)
    assert list(found) == rows
    require_right_windows(table, bases)
    directions = table["strands strand"].to_pylist()
    assert {None, -1, 0, 1} == set(directions)


def embeddings(folder, corpus, **changes):
    fields = {
        "model": "m", "model_revision": None, "model_sha256": None, "vocabulary_sha256": "v",
        "genome_sha256": corpus.facts.genome.sha256, "source": "regions", "regions_sha256": None,
        "chromosomes": None,
        "n_regions": 3, "dimensions": 1, "layer": -1, "pooling": "cls", "dtype": "float32", "rows_a_part": 2,
        "version": "0", "finished": True,
    }
    folder.mkdir()
    for number, rows in enumerate([[("c", 5, 9), ("a", 0, 50)], [("c", 0, 4)]]):
        chroms, starts, ends = zip(*rows, strict=True)
        table = {"chrom": chroms, "start": starts, "end": ends, "name": [""] * len(rows)}
        pq.write_table(pa.table(table | {"embedding": [[0.0]] * len(rows)}), folder / f"part-{number:05}.parquet")
    write_facts(folder, EmbeddingFacts(**{**fields, **changes}))
    return folder


def test_regions_of_embeddings_are_annotated_row_by_row(plan, corpus, bases, tmp_path):
    folder = embeddings(tmp_path / "cls", corpus)
    write_annotation(changed(plan, bins=False, regions=folder), tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "regions.parquet")
    assert table.select(["chrom", "start"]).to_pylist() == [
        {"chrom": "c", "start": 5}, {"chrom": "a", "start": 0}, {"chrom": "c", "start": 0}
    ]
    require_right_windows(table, bases)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"finished": False}, "not finished"), ({"genome_sha256": "ab" * 32}, "embeddings of another genome")],
)
def test_embeddings_that_do_not_fit_are_refused(plan, corpus, tmp_path, changes, message):
    folder = embeddings(tmp_path / "cls", corpus, **changes)
    with pytest.raises(InputError, match=message):
        write_annotation(changed(plan, bins=False, regions=folder), tmp_path / "out")


def test_the_tables_say_what_they_are_of(plan, corpus, tmp_path):
    write_annotation(plan, tmp_path / "out")
    for name in ("tokens", "regions"):
        metadata = pq.read_schema(tmp_path / "out" / f"{name}.parquet").metadata
        assert metadata[b"grover.vocabulary_sha256"].decode() == corpus.vocabulary_sha256
        assert metadata[b"grover.corpus_sha256"].decode() == corpus.facts.sha256
        tracks = json.loads(metadata[b"grover.tracks"])
        assert [track["file"] for track in tracks] == ["strands.bed", "states.bed", "genome.fa"]
        assert all(len(track["sha256"]) == 64 for track in tracks)
    assert json.loads((tmp_path / "out" / "annotation.json").read_text())["windows"] == "bins of 510 tokens"


def test_only_what_the_command_made_is_replaced_and_no_windows_leave_no_old_ones(plan, tmp_path):
    output = tmp_path / "out"
    write_annotation(plan, output)
    with pytest.raises(InputError, match="is there already"):
        write_annotation(plan, output)
    assert write_annotation(changed(plan, bins=False), output, overwrite=True).n_windows is None
    assert sorted(path.name for path in output.iterdir()) == ["annotation.json", "tokens.parquet"]
    (output / "mine.txt").write_text("")
    with pytest.raises(InputError, match="has mine.txt, which this command did not make"):
        write_annotation(plan, output, overwrite=True)


def test_the_command_writes_tables_and_prints_a_line_for_each(plan, genome, tmp_path, monkeypatch, capsys):
    stranded, states = (genome.parent / f"{name}.bed" for name in ("strands", "states"))
    words = ["interpret", "annotate", str(stranded), "--corpus", str(plan.corpus), "--output", f"{tmp_path}/out"]
    words += ["--track", f"one={stranded}", "--track", str(stranded), "--by-name", str(states)]
    monkeypatch.setattr(sys, "argv", ["grover", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    printed = capsys.readouterr().out
    assert f"{N_TRACK} windows, 5 annotations" in printed
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("│")] == [
        "one", "strands", "E9", "E10", "E11"
    ]
    regions = pq.read_table(tmp_path / "out" / "regions.parquet")
    assert regions["one"].to_pylist() == [1.0] * N_TRACK


def test_an_order_of_rows_and_doubled_rows_do_not_matter(plan, tracks, genome, tmp_path):
    lines = (genome.parent / "strands.bed").read_text().splitlines()
    again = tmp_path / "again.bed.gz"
    again.write_bytes(gzip.compress("\n".join(sorted(lines + lines[:50])).encode()))
    expected, found = (
        write_annotation(with_tracks(plan, f"x={path}"), tmp_path / name)
        for name, path in (("one", genome.parent / "strands.bed"), ("two", again))
    )
    assert expected == found
    one, two = (pq.read_table(tmp_path / name / "tokens.parquet") for name in ("one", "two"))
    assert one.equals(two)


def test_what_is_not_on_the_genome_is_counted_and_left_out(plan, tmp_path, caplog):
    (tmp_path / "t.bed").write_text("a\t0\t10\nzz\t0\t9\nb\t1\t50\nb\t7\t9\nA\t1\t2\n")
    written = write_annotation(with_tracks(plan, tmp_path / "t.bed"), tmp_path / "out")
    assert written.annotations[0].n_bases == 10 + 2
    assert "has 5 intervals" in caplog.text
    assert "2 are on chromosomes that it does not have (A, zz)" in caplog.text or "(zz, A)" in caplog.text
    assert "1 lie behind the end of their chromosome" in caplog.text
    assert "1 reach over it and are cut there" in caplog.text
    assert "Did you mean a for A?" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chrA\t0\t9\n", "names chrA; .* has a, b, c: none in common. Did you mean a for chrA?"),
        ("b\t3\t9\n", "has no interval that lies in .* same assembly"),
        ("", "has no line with an interval"),
        ("a\t0\tx\n", "line 1: end is 'x', not an integer"),
        ("a\t9\t3\n", "line 1: a:9-3 is not an interval"),
    ],
)
def test_a_track_that_cannot_be_used_is_named(plan, tmp_path, text, message):
    (tmp_path / "t.bed").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        write_annotation(with_tracks(plan, f"x={tmp_path}/t.bed"), tmp_path / "out")
    assert str(tmp_path / "t.bed") in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("n_names", "n_columns", "message"),
    [(3, 3, "without a name in column 4"), (201, 4, "has 201 names in column 4")],
)
def test_names_that_cannot_be_annotations_are_refused(plan, tmp_path, n_names, n_columns, message):
    rows = [("a", str(i), str(i + 1), f"n{i}")[:n_columns] for i in range(n_names)]
    (tmp_path / "t.bed").write_text("".join("\t".join(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=message):
        write_annotation(with_tracks(plan, tmp_path / "t.bed", by_name=True), tmp_path / "out")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("x", "x"), "both give the annotation 'x'"), (("n",), "needs a column 'n'"),
        (("start",), "needs a column 'start'"), (("x", "x +"), "needs a column 'x [+]'"),
        (("x strand", "x"), "needs a column 'x strand'"),
    ],
)
def test_two_columns_of_one_name_are_refused(plan, genome, tmp_path, names, message):
    texts = [f"{name}={genome.parent / 'strands.bed'}" for name in names]
    with pytest.raises(InputError, match=message):
        write_annotation(with_tracks(plan, *texts), tmp_path / "out")


def test_lower_case_must_be_that_of_the_corpus(plan, corpus, genome, tmp_path):
    for text, message in ((genome.read_text().replace("ACG", "ACC"), "is not the genome of"),
                          (genome.read_text().upper().replace(">A", ">a").replace(">B", ">b").replace(">C", ">c"),
                           "has no lower case")):
        (tmp_path / "other.fa").write_text(text)
        with pytest.raises(InputError, match=message):
            write_annotation(with_tracks(plan, soft_masked=tmp_path / "other.fa"), tmp_path / "out")


def test_a_plan_must_name_something_to_annotate_with_and_one_kind_of_windows(plan, tmp_path):
    with pytest.raises(InputError, match="nothing to annotate with"):
        write_annotation(changed(plan, sources=Sources()), tmp_path / "out")
    with pytest.raises(InputError, match="not both"):
        write_annotation(changed(plan, regions=tmp_path / "r.bed"), tmp_path / "out")
    with pytest.raises(InputError, match="--chromosomes is for --bins"):
        write_annotation(changed(plan, bins=False, chromosomes=["a"]), tmp_path / "out")


def test_bins_may_be_of_some_chromosomes(plan, tmp_path):
    write_annotation(changed(plan, chromosomes=["a"]), tmp_path / "out")
    assert set(pq.read_table(tmp_path / "out" / "regions.parquet")["chrom"].to_pylist()) == {"a"}


def test_a_track_is_named_by_the_user_or_its_file(tmp_path):
    (tmp_path / "a=b.bed.gz").write_text("")
    named = [Track.parse(text).name for text in ("CpG island=x.bed", "dir/x.y.bed.gz", f"{tmp_path}/a=b.bed.gz")]
    assert named == ["CpG island", "x.y", "a=b"]
    assert Track.parse("x.bed", by_name=True).name == ""
    with pytest.raises(InputError, match="names no track"):
        Track.parse("x=")


@pytest.mark.parametrize("module", [bulk_rows, segments, sources])
def test_the_examples_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(sys.modules[module.__name__])
    assert (failed, tried > 0) == (0, True)
