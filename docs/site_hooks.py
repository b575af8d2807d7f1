"""What mkdocs adds to the pages: what is kept elsewhere in the repository, or read from the code.

* `benchmarks/README.md` with its tables and figures, and `CHANGELOG.md`, are pages as they stand.
* `[[commands]]`, `[[trainings]]` and `[[rooms]]` in a page become the help of every verb and the map of modules.
* A built site that loads anything from elsewhere is an error.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("grover_hf", "dataset_builders", "training", "model_card")
OWN_PARSERS = {
    "grover evaluate": ("grover_hf.cli", "evaluate"),
    "grover probe": ("grover_hf.cli", "probe"),
    "grover sweep": ("grover_hf.cli", "sweep"),
    "grover interpret context": ("grover_hf.cli", "interpret", "context"),
    "accelerate launch -m training.pretrain": ("training.pretrain",),
    "accelerate launch -m training.finetune": ("training.finetune",),
}
"""Commands whose options are the fields of a plan or a recipe."""

_TAG = re.compile(r"<(script|link|img|iframe|source|video|audio)\b[^>]*>", re.IGNORECASE)
_FROM_ELSEWHERE = re.compile(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", re.IGNORECASE)
_STYLE_FROM_ELSEWHERE = re.compile(r"""(?:url\(|@import)\s*["']?\s*(?:https?:)?//""", re.IGNORECASE)
_NAMES_A_PAGE = re.compile(r"""rel\s*=\s*["']?(?:canonical|next|prev|edit)""", re.IGNORECASE)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are kept elsewhere in the repository."""
    from mkdocs.structure.files import File

    shown = [path for path in (ROOT / "benchmarks").rglob("*") if path.suffix in (".md", ".csv", ".png", ".bed")]
    for path in sorted(shown):
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    files.append(File.generated(config, "changelog.md", abs_src_path=str(ROOT / "CHANGELOG.md")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in what is read from the code."""
    for mark, fill in (("[[commands]]", commands), ("[[trainings]]", trainings), ("[[rooms]]", rooms)):
        if mark in markdown:
            markdown = markdown.replace(mark, fill())
    return markdown


def on_post_build(config: Any) -> None:
    """Refuse a site that loads anything from elsewhere."""
    from mkdocs.exceptions import PluginError

    if loads := sorted(loads_from_elsewhere(Path(config["site_dir"]))):
        raise PluginError("The site must work offline; these come from elsewhere:\n" + "\n".join(loads))


def commands() -> str:
    """Return the help of every verb of `grover`, as Markdown."""
    import typer
    from typer.cli import get_docs_for_click
    from typer.main import get_command

    from grover_hf.cli import app

    command = get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="grover"), name="grover")
    # The lists of verbs are cut short there, and each verb has its heading anyway.
    text = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+", "", text)
    return text.removeprefix("# `grover`\n")


def trainings() -> str:
    """Return the help of trainings, evaluation and sweep, as Markdown."""
    parts = []
    for command, words in OWN_PARSERS.items():
        done = subprocess.run(
            [sys.executable, "-m", *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=True,
        )
        parts.append(f"## `{command}`\n\n```text\n{done.stdout.strip()}\n```\n")
    return "\n".join(parts)


def rooms() -> str:
    """Return the tree of the packages, each module with the first sentence of its docstring."""
    lines = [line for package in PACKAGES for line in _tree(ROOT / package, 0)]
    width = max(len(name) for name, _ in lines) + 2
    return "```text\n" + "\n".join(f"{name:{width}}{what}".rstrip() for name, what in lines) + "\n```"


def _tree(folder: Path, depth: int) -> Iterator[tuple[str, str]]:
    indent = "  " * depth
    yield f"{indent}{folder.name}/", _first_sentence(folder / "__init__.py")
    for path in sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        if path.is_dir() and (path / "__init__.py").exists():
            yield from _tree(path, depth + 1)
        elif path.suffix == ".py" and not path.name.startswith("__"):
            yield f"{indent}  {path.name}", _first_sentence(path)


def _first_sentence(path: Path) -> str:
    paragraph = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return re.split(r"(?<!Fig)\.(?:\s|$)", " ".join(paragraph.split()), maxsplit=1)[0]


def loads_from_elsewhere(site: Path) -> Iterator[str]:
    """Yield the tags and styles of a built site that load something from another host."""
    for path in site.rglob("*.html"):
        for tag in _TAG.finditer(path.read_text(encoding="utf-8")):
            if _FROM_ELSEWHERE.search(tag[0]) and not _NAMES_A_PAGE.search(tag[0]):
                yield f"{path.relative_to(site)}: {tag[0]}"
    for path in site.rglob("*.css"):
        if found := _STYLE_FROM_ELSEWHERE.search(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: {found[0]}"
