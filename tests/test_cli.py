import gzip
import importlib
import logging
import os
import re
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from grover_hf import cli
from grover_hf.cli.gather import JOINERS
from grover_hf.cli.printing import log_on_stdout
from grover_hf.tokenization.merges import MergeTable
from tests.internals.test_shards import run_all


@pytest.fixture
def grover(monkeypatch, capsys):
    """Run the command in this process; return (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["grover", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "grover_hf.cli", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, **options,
    )


def test_help_groups_the_verbs_and_imports_neither_torch_nor_numba():
    code = "import sys; sys.argv = ['grover', '--help']\nfrom grover_hf import cli\n"
    code += "try: cli.main()\nexcept SystemExit: pass\n"
    code += "print('LOADED', [m for m in ('torch', 'numba', 'transformers', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    for text in ("Start here", "Vocabularies", "Datasets", "train-bpe", "tokenize"):
        assert text in done.stdout


def test_help_names_every_verb_and_the_trainings(grover):
    code, out, _ = grover("--help")
    assert code == 0
    for verb in ("evaluate", "sweep", "stability", "convert-authors"):
        assert f" {verb} " in out
    for training in ("pretrain", "finetune"):
        assert f"accelerate launch -m training.{training}" in out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["tokenise"], "There is no verb 'tokenise'. Did you mean grover tokenize?"),
        (["genome-windows"], "Did you mean grover build genome-windows?"),
        (["build", "prom30"], "Did you mean grover build prom300?"),
        (["pretrain"], "accelerate launch -m training.pretrain"),
        (["finetune", "--config", "x"], "accelerate launch -m training.finetune"),
        (["embeddings", "x.bed"], "Did you mean grover embed?"),
        (["convert-published"], "It is grover convert-authors now."),
        (["xyzzy"], "grover --help lists them."),
    ],
)
def test_a_verb_that_does_not_exist_points_to_what_does(grover, words, text):
    code, out, err = grover(*words)
    # 2 is a wrong call, as with an option that does not exist.
    assert (code, out) == (2, "")
    assert err.startswith("error: There is no verb")
    assert text in err


@pytest.mark.parametrize("verb", ["evaluate", "sweep"])
def test_scripts_show_their_own_options_spelled_with_dashes(grover, verb):
    code, out, _ = grover(verb, "--help")
    assert code == 0
    assert out.startswith(f"usage: grover {verb} ")
    options = re.findall(r"(?<=--)[a-z][a-z_-]*", out)
    assert {"overwrite", "output"} <= set(options)
    assert not any("_" in option for option in options)
    assert grover(verb, "--no-such-option")[0] == 2


def test_scripts_end_with_an_error_on_stderr_and_code_1(grover, tmp_path):
    code, out, err = grover("evaluate", tmp_path)
    assert (code, out) == (1, "")
    assert err == f"error: {tmp_path} is neither a run (no recipe.yaml) nor a model (no config.json).\n"
    code, _, err = grover("sweep", "--config", "no_such_sweep")
    assert code == 1
    assert err.startswith("error: There is no recipe no_such_sweep")


def test_what_the_library_logs_is_printed_within_the_block_alone(capsys):
    logger = logging.getLogger("grover_hf.inputs.download")
    with log_on_stdout("grover_hf.inputs"):
        logger.info("within")
    logger.info("after")
    assert capsys.readouterr() == ("within\n", "")


def test_the_verbs_lead_from_fasta_to_a_dataset(grover, simulated_fasta, tmp_path):
    merges, tokenizer, corpus = tmp_path / "merges.txt", tmp_path / "tokenizer", tmp_path / "corpus"
    assert grover("train-bpe", simulated_fasta, "--cycles", 120, "--output", merges)[0] == 0
    assert len(MergeTable.read(merges)) == 120
    assert grover("export-tokenizer", merges, "--cycles", 100, "--output", tokenizer)[1].endswith(
        "bpe-100, 109 token ids\n"
    )
    assert grover("export-tokenizer", "--kmer", 4, "--output", tmp_path / "kmer")[0] == 0
    organism = ["--species", "Homo sapiens", "--assembly", "hg19", "--taxon", 9606]
    assert grover("tokenize", simulated_fasta, "--tokenizer", tokenizer, "--output", corpus, *organism)[0] == 0
    code, out, _ = grover(
        "vocabulary", tokenizer, "--corpus", corpus, "--figure", tmp_path / "v.png", "--kmers", 3, 4
    )
    assert code == 0
    assert grover("vocabulary", tokenizer, "more")[0] == 1
    assert "types that start with A or T" in out
    assert "97 %" in out
    assert (tmp_path / "v.png").exists()
    assert grover("build", "genome-windows", "--corpus", corpus, "--output", tmp_path / "w")[0] == 0
    assert (tmp_path / "w" / "bpe-100.by-block" / "facts.json").exists()
    assert "| organism | Homo sapiens (taxon 9606), hg19 |" in (tmp_path / "w" / "README.md").read_text()


def test_a_tokenizer_that_is_not_ours_is_not_replaced(grover, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    assert grover("export-tokenizer", "--kmer", 3, "--output", ours)[0] == 0
    assert grover("export-tokenizer", "--kmer", 4, "--output", ours)[0] == 1
    assert grover("export-tokenizer", "--kmer", 4, "--output", ours, "--overwrite")[0] == 0
    Tokenizer(WordLevel({"[UNK]": 0, "gene": 1}, unk_token="[UNK]")).save(str(tmp_path / "tokenizer.json"))
    theirs.mkdir()
    (tmp_path / "tokenizer.json").rename(theirs / "tokenizer.json")
    (theirs / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    before = (theirs / "tokenizer.json").read_bytes()
    code, _, err = grover("export-tokenizer", "--kmer", 4, "--output", theirs, "--overwrite")
    assert code == 1
    assert "theirs is not replaced: it is no tokenizer of ours" in err
    assert (theirs / "tokenizer.json").read_bytes() == before


def test_changed_ids_of_a_corpus_are_not_counted(grover, simulated_fasta, tmp_path):
    merges, tokenizer, corpus = (tmp_path / name for name in ("merges.txt", "tokenizer", "corpus"))
    assert grover("train-bpe", simulated_fasta, "--cycles", 20, "--output", merges)[0] == 0
    assert grover("export-tokenizer", merges, "--output", tokenizer)[0] == 0
    assert grover("tokenize", simulated_fasta, "--tokenizer", tokenizer, "--output", corpus)[0] == 0
    ids = np.memmap(corpus / "ids.uint16", "<u2", "r+")
    ids[100:200] = 5
    ids.flush()
    for verb in ("vocabulary", "verify-tokenizer"):
        code, _, err = grover(verb, merges, "--corpus", corpus)
        assert code == 1
        assert "its tokens are damaged or were changed" in err


def test_a_closed_stdout_and_a_terminal_of_ascii_are_no_error(write_fasta, tmp_path):
    path = write_fasta(">a ±\n" + "ACGTTGCA" * 40 + "\n")
    verb = f"{sys.executable} -m grover_hf.cli train-bpe {path} --cycles 3"
    done = subprocess.run(f"{verb} --output {tmp_path}/m.txt >&-", shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "m.txt").exists()
    done = subprocess.run(
        [*verb.split(), "--output", f"{tmp_path}/±.txt"], capture_output=True,
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    assert done.returncode == 0, done.stderr
    assert b"?" in done.stdout


def test_an_error_is_one_line_on_stderr_and_exit_code_1(grover, tmp_path):
    code, out, err = grover("train-bpe", tmp_path / "no.fa", "--output", tmp_path / "m.txt")
    assert (code, out) == (1, "")
    assert err == f"error: There is no file {tmp_path / 'no.fa'}.\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.fa", b"", "is empty"),
        ("n.fa", b">a\nNNNN\n", "no A, C, G or T"),
        ("ragged.fa", b">a\nACGT\nAC\nACGT\n", "its lines differ in length"),
        ("double.fa", b">a\nACGT\n>a\nACGT\n", "is there already, in line 1"),
        ("cut.fa.gz", gzip.compress(b">a\n" + b"ACGT\n" * 99, mtime=0)[:-9], "is not a whole gzip file"),
        ("rna.fa", b">a\nACGU\n", "record a, line 2: 'U' is not a nucleotide letter"),
        ("gaps.fa", b">a\nAC-T\n", "record a, line 2: '-'"),
    ],
)
def test_bad_fasta_leaves_nothing_behind(grover, tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    code, _, err = grover("train-bpe", path, "--output", tmp_path / "m.txt", "--cycles", 5)
    assert code == 1
    assert message in err
    assert name in err or "no A, C, G or T" in err
    assert "Traceback" not in err
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_debug_shows_the_traceback(grover, tmp_path):
    with pytest.raises(ValueError, match="There is no file"):
        grover("--debug", "train-bpe", tmp_path / "no.fa", "--output", tmp_path / "m.txt")


def test_an_output_that_is_there_is_kept(grover, simulated_fasta, tmp_path):
    output = tmp_path / "m.txt"
    output.write_text("mine")
    code, _, err = grover("train-bpe", simulated_fasta, "--output", output)
    assert code == 1
    assert "--overwrite" in err
    assert output.read_text() == "mine"


def test_unknown_chromosomes_are_named_with_those_there_are(grover, simulated_fasta, tmp_path):
    code, _, err = grover(
        "train-bpe", simulated_fasta, "--chromosomes", "chr1", "--output", tmp_path / "m.txt"
    )
    assert code == 1
    assert "'chr1'; it has sim1, sim2, sim3" in err


def test_a_full_disk_is_an_error_and_leaves_nothing(simulated_fasta, simulated_merges, tmp_path):
    simulated_merges.write(tmp_path / "m.txt")
    # A limit of file size stands for the full disk; Python gets EFBIG in place of ENOSPC.
    done = command(
        "tokenize", simulated_fasta, "--tokenizer", tmp_path / "m.txt", "--output", tmp_path / "corpus",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["m.txt"]


def test_ctrl_c_stops_with_130_and_without_a_traceback(tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-m", "grover_hf.cli", "quickstart", "--output", str(tmp_path / "q")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    assert run.stdout.readline().startswith("simulate a genome")
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.part"))


def test_shards_are_written_and_gathered_by_the_command(grover, simulated_fasta, tmp_path):
    out = tmp_path / "corpus"
    assert grover("export-tokenizer", "--kmer", 3, "--output", tmp_path / "tokenizer")[0] == 0
    words = ["tokenize", simulated_fasta, "--tokenizer", tmp_path / "tokenizer", "--output"]
    code, _, err = grover(*words, out, "--shard", "2/2")
    assert code == 1
    assert "--shard is '2/2'; it is I/N" in err
    for number in range(2):
        assert grover(*words, out, "--shard", f"{number}/2")[0] == 0
    assert "it is whole, and was left as it is" in grover(*words, out, "--shard", "0/2")[1]
    assert grover(*words, tmp_path / "whole")[0] == 0
    code, out_text, _ = grover("gather", f"{out}.shards", "--output", out)
    assert (code, out_text) == (0, f"{out}: 3 rows, of 2 shards\n")
    assert (out / "corpus.json").read_bytes() == (tmp_path / "whole" / "corpus.json").read_bytes()


def test_shards_of_a_kind_or_an_ending_that_cannot_be_are_named(grover, tmp_path):
    folder = run_all(tmp_path / "out.txt", 2)
    assert "has shards of 'lines'; this version joins" in grover("gather", folder, "--output", "x.txt")[2]
    folder = run_all(tmp_path / "regions.tsv", 2, kind="tokens of regions", suffix=".tsv")
    assert "x.bed must end in .tsv" in grover("gather", folder, "--output", "x.bed")[2]


@pytest.mark.parametrize("kind", JOINERS)
def test_each_kind_of_shards_has_its_joiner_beside_its_writer(kind):
    module = importlib.import_module(JOINERS[kind])
    assert kind == module.KIND
    assert module.join_shards
