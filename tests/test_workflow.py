"""The workflow of many jobs: Snakemake on local cores, and the batch script with a scheduler that is made up."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from grover_hf import GenomeEncoder, MergeTable, ReferenceGenome, TokenizedGenome, cli
from grover_hf.tokenization.export import save_tokenizer
from tests.tiny_models import MERGES, random_dna

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / "workflow"
SNAKEMAKE = os.environ.get("SNAKEMAKE") or shutil.which("snakemake")
needs_snakemake = pytest.mark.skipif(
    not SNAKEMAKE, reason="snakemake is not installed, nor does the variable SNAKEMAKE name one"
)


@pytest.fixture
def project(tmp_path):
    """Three small genomes, one of them behind an accession, regions, and a tokenizer."""
    encoder = GenomeEncoder(MergeTable(MERGES))
    save_tokenizer(encoder, tmp_path / "tokenizer")
    for number, name in enumerate(("fly", "plant", "bacterium")):
        contigs = [f">{name}{i}\n{random_dna(2_000, seed=10 * number + i)}\n" for i in range(3)]
        (tmp_path / f"{name}.fa").write_text("".join(contigs))
    (tmp_path / "archive").mkdir()
    (tmp_path / "bacterium.fa").rename(tmp_path / "archive" / "GCF_1.fa")
    (tmp_path / "r.bed").write_text("".join(f"fly1\t{at}\t{at + 90}\n" for at in range(0, 1_500, 60)))
    config = {
        "grover": f"{sys.executable} -m grover_hf.cli", "tokenizer": "tokenizer",
        "genomes": {"fly": "fly.fa", "plant": "plant.fa", "bacterium": "GCF_1"},
        "download": "cp archive/{params.accession}.fa {output}",
        "commands": [
            {"output": "results/tokens.tsv", "shards": 3, "inputs": ["r.bed"],
             "command": "tokenize-regions r.bed --genome fly.fa --tokenizer tokenizer"},
            {"output": "whole/plant", "shards": 2, "command": "tokenize plant.fa --tokenizer tokenizer"},
        ],
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path, encoder


def snakemake(project, *targets):
    cache = project / "cache"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(project), "XDG_CACHE_HOME": str(cache)}
    words = [SNAKEMAKE, "--snakefile", WORKFLOW / "Snakefile", "--directory", project, "--cores", "2",
             *targets, "--configfile", project / "config.yaml"]
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, env=environment, timeout=600)


@needs_snakemake
def test_genomes_become_corpora_and_commands_are_cut_and_gathered(project):
    folder, encoder = project
    done = snakemake(folder)
    assert done.returncode == 0, done.stderr[-3_000:]
    for name, fasta in (("fly", "fly.fa"), ("plant", "plant.fa"), ("bacterium", "archive/GCF_1.fa")):
        whole = TokenizedGenome.build(ReferenceGenome(folder / fasta), encoder, folder / "check" / name)
        TokenizedGenome.open(folder / "corpora" / name).require_whole()
        assert TokenizedGenome.open(folder / "corpora" / name).facts.sha256 == whole.facts.sha256
    assert (folder / "whole" / "plant" / "corpus.json").read_bytes() == (
        folder / "corpora" / "plant" / "corpus.json").read_bytes()
    lines = (folder / "results" / "tokens.tsv").read_text().splitlines()
    assert len(lines) == 26
    assert "Nothing to be done" in snakemake(folder).stderr
    (folder / "plant.fa").write_text(f">plant0\n{random_dna(700, seed=99)}\n")
    changed = snakemake(folder, "corpora/plant/corpus.json")
    assert changed.returncode == 0, changed.stderr[-3_000:]
    assert TokenizedGenome.open(folder / "corpora" / "plant").sizes == {"plant0": 700}
    # One shard lost, as by a kill: it alone is made again.
    shards = folder / "results" / "tokens.tsv.shards"
    (shards / "part-1-of-3.manifest.json").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in shards.glob("*.manifest.json")}
    again = snakemake(folder)
    assert again.returncode == 0, again.stderr[-3_000:]
    after = {path.name: path.stat().st_mtime_ns for path in shards.glob("*.manifest.json")}
    assert {name: after[name] for name in before} == before
    assert (folder / "results" / "tokens.tsv").read_text().splitlines() == lines


def test_the_commands_of_the_snakefile_have_their_verbs_and_options():
    lines = re.findall(r'"\{GROVER\} (.+)"$', (WORKFLOW / "Snakefile").read_text(), re.MULTILINE)
    assert len(lines) == 3
    example = yaml.safe_load((WORKFLOW / "config.yaml").read_text())
    lines += [f"{one['command']} --output x --shard 0/2" for one in example["commands"]]
    for line in lines:
        verb, *words = line.split()
        if verb == "{params.command}":
            continue
        known = {option for parameter in get_command(cli.app).commands[verb].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def batch(tmp_path, *command, wait_for=None, **environment):
    """Run the batch script with a `scontrol` that notes what it is asked; return (exit code, what was noted)."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin" / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked.txt\n')
    (tmp_path / "bin" / "scontrol").chmod(0o755)
    path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SLURM_JOB_ID": "42"}
    process = subprocess.Popen(["bash", WORKFLOW / "slurm.sbatch", *command], env=path | environment, cwd=tmp_path)
    if wait_for:
        end = time.monotonic() + 30
        while not (tmp_path / wait_for).exists() and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
    code = process.wait(60)
    asked = tmp_path / "asked.txt"
    return code, asked.read_text() if asked.exists() else ""


PREEMPTED = "trap 'sleep 0.3; exit 75' TERM; touch ready; while :; do sleep 0.1; done"


def test_a_job_that_sigterm_stopped_with_75_is_put_into_the_queue_again(tmp_path):
    assert batch(tmp_path, "bash", "-c", PREEMPTED, wait_for="ready") == (75, "requeue 42\n")


@pytest.mark.parametrize("code", [0, 1, 143])
def test_other_ends_are_ends(tmp_path, code):
    assert batch(tmp_path, "bash", "-c", f"exit {code}") == (code, "")


def test_the_jobs_of_an_array_have_their_shards(tmp_path):
    array = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "7"}
    assert batch(tmp_path, "bash", "-c", 'echo "$@" > said.txt', "grover", "embed", "my.bed", **array) == (0, "")
    assert (tmp_path / "said.txt").read_text() == "embed my.bed --shard 3/7\n"
