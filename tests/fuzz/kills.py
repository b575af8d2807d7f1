"""Kills commands at random moments, runs them again, and compares what is left with an undisturbed one's.

`python -m tests.fuzz.kills --kills 200`. Each command runs in a fork of a process that has imported all, so
that the moments fall into its work and not into its imports. SIGKILL and SIGTERM take turns at random; what is
run again may be killed again.
"""

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import pkgutil
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.hub_server import HubServer

TIME = re.compile(rb'"(training_seconds|seconds)": [0-9.e+-]+')
"""Numbers that tell how long something took."""
LONGEST = 300
"""Seconds after which a command hangs."""


@dataclass
class Command:
    """A command of ours, whose output is `out` in the working directory."""

    name: str
    arguments: list[str]
    run: Callable[[list[str]], None]
    seconds: float = 0.0
    """How long it takes undisturbed."""
    result: dict[str, str] = field(default_factory=dict)
    """What it leaves: digests by path."""


def in_fork(run: Callable[[list[str]], None], arguments: list[str], folder: Path, cache: Path) -> int:
    """Begin a command in a fork; return its process."""
    (folder / "said.txt").touch()
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        os.environ["GROVER_CACHE"] = str(cache)
        with open("said.txt", "ab", buffering=0) as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        run(arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def wait_for(process: int, seconds: float) -> int | None:
    """Return how a process ended, minus the signal that killed it; None if it runs on after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.002)


def tree(folder: Path) -> dict[str, str]:
    """Return the digests of all files of a working directory but for what the command said, by path."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "said.txt"]
    return {
        str(path.relative_to(folder)): hashlib.sha256(TIME.sub(rb'"\1": 0', path.read_bytes())).hexdigest()
        for path in files
    }


def prepare(base: Path) -> list[Command]:
    """Make the inputs, and return the commands on them."""
    import dataset_builders
    import grover_hf
    import training
    from grover_hf import cli
    from grover_hf.genome.synthetic import simulate_genome
    from tests.authors.stand_in import write_stand_in
    from training import finetune, pretrain

    for package in (grover_hf, dataset_builders, training):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)

    def grover(arguments: list[str]) -> None:
        sys.argv = ["grover", *arguments]
        cli.main()

    def once(folder: str, run: Callable[[list[str]], None], *arguments: str) -> None:
        place = base / "made"
        place.mkdir(exist_ok=True)
        process = in_fork(run, [*arguments, "--output", folder], place, base / "cache")
        assert wait_for(process, LONGEST) == 0, (place / "said.txt").read_text()[-3_000:]

    genome, made, rng = str(base / "g.fa"), base / "made", Random(0)
    simulate_genome(genome, 300_000, seed=3)
    once("merges.txt", grover, "train-bpe", genome, "--cycles", "60")
    once("paper.txt", grover, "train-bpe", genome, "--cycles", "600")
    once("tokenizer", grover, "export-tokenizer", str(made / "merges.txt"))
    once("corpus", grover, "tokenize", genome, "--tokenizer", str(made / "tokenizer"))
    once("windows", grover, "build", "genome-windows", "--corpus", str(made / "corpus"))
    places = sorted(rng.sample(range(4_000, 140_000, 700), 120))
    rows = "".join(f"sim1\t{at}\t{at + 200}\t{'ab'[i % 2]}\t0\t{'+-'[i % 2]}\n" for i, at in enumerate(places))
    (base / "mine.bed").write_text(rows)
    (base / "tracks.bed").write_text("sim1\t5000\t5600\nsim2\t9000\t9300\n")
    chromosome = "".join(line.strip() for line in Path(genome).read_text().split(">")[1].splitlines()[1:])
    variants = [
        f"sim1\t{at + 1}\t.\t{chromosome[at].upper()}\t{'ACGT'[i % 4] if i % 3 else '<DEL>'}\t.\t.\t.\n"
        for i, at in enumerate(places) if chromosome[at] in "acgtACGT"
    ]
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (base / "v.vcf").write_text(header + "".join(variants))
    (base / "sites.bed").write_text("".join(f"sim1\t{at}\t{at + 1}\tg{at}\t0\t+\n" for at in places))
    (base / "motif.jaspar").write_text(">M T\n" + "".join(f"{base_} [ {row} ]\n" for base_, row in zip(
        "ACGT", ("9 1 1 1 7", "1 9 1 1 1", "1 1 9 1 1", "1 1 1 9 1"), strict=True)))
    corpus, tokenizer = str(made / "corpus"), str(made / "tokenizer")
    table = ["--table", str(base / "mine.bed"), "--genome", genome, "--tokenizer", tokenizer]
    once("mine", grover, "build", "classification", *table)
    for method in ("gc", "majority"):
        once(f"scores/{method}", grover, "baselines", str(made / "mine"), "--method", method)
    pretraining = [
        "--config", "tiny_cpu", "--dataset", str(made / "windows"), "--tokenizer", tokenizer, "--max_steps", "6",
        "--save_steps", "2", "--eval_windows", "8", "--batch_size", "4",
    ]
    once("run", pretrain.main, *pretraining)
    finetuning = [
        "--config", "small_cpu", "--dataset", str(made / "mine"), "--model", str(made / "run" / "model"),
        "--epochs", "1", "--warmup_steps", "2", "--seeds", "[0, 1]",
    ]
    from grover_hf.tokenization.merges import MergeTable

    raw = write_stand_in(base / "raw", MergeTable.read(made / "paper.txt").merges)
    scores, merges = str(made / "scores"), str(made / "merges.txt")
    sites, peaks, motif = (str(base / name) for name in ("sites.bed", "mine.bed", "motif.jaspar"))
    lines = f"""
        train-bpe {genome} --cycles 60
        export-tokenizer {merges}
        tokenize {genome} --tokenizer {tokenizer}
        stability {genome} --resamples 2
        build genome-windows --corpus {corpus}
        build next-kmer --genome {genome} --tokenizer {tokenizer} --chromosomes sim1
        build prom300 --corpus {corpus} --promoters {sites}
        build promscan --corpus {corpus} --promoters {sites} --flank-bp 1500
        build ctcf --corpus {corpus} --peaks {peaks} --motif {motif} --p-value 0.01
        build classification {' '.join(table)}
        baselines {made / "mine"} --tokenizer kmer-3 --max-trees 100
        results {scores}
        evaluate {made / "run"} --windows 20
        convert-authors {raw}
        embed {base / "mine.bed"} --genome {genome} --model {made / "run" / "model"} --rows-a-part 30 --allow-empty
        probe {made / "mine"} --model {made / "run" / "model"} --draws 2
        tracks --genome {genome} --model {made / "run" / "model"} --regions {base / "tracks.bed"} --components 1
        quickstart --genome {genome} --cycles 60 --steps 2
    """
    embedded = ["embed", str(base / "mine.bed"), "--genome", genome, "--model", str(made / "run" / "model"),
                "--rows-a-part", "30", "--allow-empty"]
    in_shards = ["tokenize", genome, "--tokenizer", tokenizer, "--shard"]
    for number in range(2):
        once("parts", grover, *in_shards, f"{number}/2")
    verbs = [line.split() for line in lines.strip().splitlines()]
    names = [" ".join(words[: 2 if words[0] == "build" else 1]) for words in verbs]
    return [
        *(Command(name, [*words, "--output", "out"], grover) for name, words in zip(names, verbs, strict=True)),
        Command("embed h5ad", [*embedded, "--format", "h5ad", "--output", "out.h5ad"], grover),
        Command("embed shard", [*embedded, "--shard", "1/2", "--output", "out"], grover),
        Command("tokenize shard", [*in_shards, "0/2", "--output", "out"], grover),
        Command("score-variants", ["score-variants", str(base / "v.vcf"), "--genome", genome, "--model",
                                   str(made / "run" / "model"), "--output", "out.vcf.gz"], grover),
        Command("gather", ["gather", str(made / "parts.shards"), "--output", "out"], grover),
        Command("tokenize-regions", ["tokenize-regions", sites, "--genome", genome, "--tokenizer", tokenizer,
                                     "--output", "out.parquet"], grover),
        Command("vocabulary", ["vocabulary", merges, "--corpus", corpus, "--figure", "out.png"], grover),
        Command("compare", ["compare", f"{scores}/gc", f"{scores}/majority", "--output", "out.json"], grover),
        Command("publish", ["publish", "corpus", corpus, "--license", "mit", "--repo", "tester/{number}"], grover),
        Command("pretrain", [*pretraining, "--output", "out"], pretrain.main),
        Command("finetune", [*finetuning, "--output", "out"], finetune.main),
    ]


def result_of(folder: Path, hub: HubServer, repo: str) -> dict[str, str]:
    """Return all that a command left: in its folder, and on the Hub."""
    on_hub = hub.files(repo, "dataset") if hub.exists(repo, "dataset") else {}
    # Its card says how it is loaded, by its name.
    here = {path: data.replace(repo.encode(), b"REPO") for path, data in on_hub.items()}
    return tree(folder) | {f"hub:{path}": hashlib.sha256(data).hexdigest() for path, data in here.items()}


def try_kills(
    commands: Sequence[Command], n_kills: int, base: Path, hub: HubServer, seed: int, say: Callable[[str], object]
) -> list[str]:
    """Kill commands so often, and return what was wrong afterwards; prints the totals."""
    rng, failures, counts, number = Random(seed), [], Counter(), 0
    while counts["SIGKILL"] + counts["SIGTERM"] < n_kills:
        number += 1
        command = rng.choice(commands)
        folder, cache = base / f"trial-{number}" / "work", base / f"trial-{number}" / "cache"
        folder.mkdir(parents=True)
        repo = f"tester/{number}"
        arguments, moments = command.arguments, []
        if command.name == "publish":
            arguments = [word.format(number=number) for word in arguments]
        for attempt in range(12):
            process, ended = in_fork(command.run, arguments, folder, cache), None
            if attempt < rng.choice([1, 1, 2, 3]):
                moment = rng.uniform(0, 1.1 * command.seconds)
                ended = wait_for(process, moment)
                if ended is None:
                    killer = rng.choice([signal.SIGKILL, signal.SIGTERM])
                    os.kill(process, killer)
                    moments.append(f"{killer.name} after {moment:.2f} s")
                    counts[killer.name] += 1
            ended = wait_for(process, LONGEST) if ended is None else ended
            if ended is None:
                os.kill(process, signal.SIGKILL)
                ended = wait_for(process, 9)
                failures.append(f"{command.name} ({', '.join(moments)}) hangs: {folder}")
                break
            said = (folder / "said.txt").read_text()
            if ended == 0 or (ended == 1 and "there already" in said.rpartition("error:")[2]
                              and "--resume" not in said.rpartition("error:")[2]):
                break
            if "--resume true" in said and command.name in ("pretrain", "finetune"):
                arguments = [*command.arguments, "--resume", "true"]
            (folder / "said.txt").write_text("")
        left = result_of(folder, hub, repo)
        right = command.result
        if left != right:
            odd = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
            failures.append(
                f"{command.name} ({', '.join(moments)}), ended with {ended}, differs in {odd[:6]}: {folder}; "
                f"{(folder / 'said.txt').read_text()[-300:]!r}"
            )
        else:
            counts[f"as undisturbed: {command.name}"] += bool(moments)
            shutil.rmtree(folder.parent)
    for name, count in sorted(counts.items()):
        say(f"{count:>5} {name}")
    say(f"{len(failures)} of {number} outputs differ from an undisturbed command's, or hang")
    return failures


def measured(commands: Sequence[Command], base: Path, hub: HubServer) -> None:
    """Run each command undisturbed, twice, and note what it leaves and how long it takes.

    Raises:
        AssertionError: If one fails, or leaves other bytes the second time.
    """
    for command in commands:
        results = []
        for time_ in range(2):
            folder = base / "straight" / command.name.replace(" ", "-") / str(time_) / "work"
            folder.mkdir(parents=True)
            repo = f"tester/{command.name.replace(' ', '-')}-{time_}"
            began = time.monotonic()
            words = [word.format(number=repo.partition("/")[2]) for word in command.arguments]
            words = words if command.name == "publish" else command.arguments
            process = in_fork(command.run, words, folder, folder.parent / "cache")
            ended = wait_for(process, LONGEST)
            command.seconds = time.monotonic() - began
            assert ended == 0, f"{command.name} ended with {ended}: {(folder / 'said.txt').read_text()[-2_000:]}"
            results.append(result_of(folder, hub, repo))
        odd = [name for name in results[0] if results[0][name] != results[1].get(name)]
        assert results[0] == results[1], f"{command.name}: {odd} differ between two undisturbed runs in {folder}"
        command.result = results[0]


def kill(n_kills: int, *, seed: int, base: Path, only: str | None = None) -> list[str]:
    """Try so many kills in an empty folder; return what was wrong."""
    with HubServer(base / "hub") as hub:
        os.environ.update(hub.environment, HF_HOME=str(base / "huggingface"), TOKENIZERS_PARALLELISM="false")
        commands = [command for command in prepare(base) if only in (None, command.name)]
        measured(commands, base, hub)
        print(json.dumps({command.name: round(command.seconds, 2) for command in commands}))
        return try_kills(commands, n_kills, base, hub, seed, print)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="this command alone")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in; what is wrong stays there")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    place = given.keep or Path(tempfile.mkdtemp(prefix="kills-"))
    place.mkdir(exist_ok=True)
    wrong = kill(given.kills, seed=given.seed, base=place.resolve(), only=given.only)
    print(*wrong, sep="\n")
    if not wrong:
        shutil.rmtree(place)
    sys.exit(bool(wrong))
