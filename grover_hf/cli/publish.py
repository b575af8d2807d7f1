"""`grover publish`: models, tokenizers, datasets, tokenized genomes and tracks to the Hub."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from grover_hf._internals.own_packages import require_own_packages
from grover_hf.errors import InputError


class Kind(StrEnum):
    """What can be published."""

    MODEL = "model"
    TOKENIZER = "tokenizer"
    DATASET = "dataset"
    CORPUS = "corpus"
    TRACKS = "tracks"


def publish(
    kind: Annotated[Kind, typer.Argument(help="what it is; a corpus is a tokenized genome")],
    path: Annotated[Path, typer.Argument(help="its folder; of a model, that of its run")],
    repo: Annotated[str, typer.Option(help="NAMESPACE/NAME; NAME alone takes $GROVER_NAMESPACE, else your own")],
    license_: Annotated[
        str | None, typer.Option("--license", help="the Hub's identifier, such as apache-2.0, if no fact gives it")
    ] = None,
    license_name: Annotated[str | None, typer.Option(help="with --license other: its name")] = None,
    license_link: Annotated[str | None, typer.Option(help="with --license other: where its text is")] = None,
    private: Annotated[bool, typer.Option("--private", help="make the repository private")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check and list all, send nothing")] = False,
) -> None:
    """Push what was made here to the Hub, with its card: one commit, or none if nothing changed.

    The token is that of `hf auth login`, or HF_TOKEN.
    """
    require_own_packages()
    from grover_hf._internals.progress import bars_on_terminals_only
    from grover_hf.hub.publications import PUBLICATIONS, License
    from grover_hf.hub.publish import publish as push
    from grover_hf.hub.publish import repository_name

    if license_ is None and (license_name or license_link):
        raise InputError("--license-name and --license-link go with --license other.")
    given = None if license_ is None else License(license_, license_name, license_link)
    bars_on_terminals_only()
    publication = PUBLICATIONS[kind.value](path, repository_name(repo), given)
    if dry_run:
        for name in sorted(publication.files):
            print(f"{publication.size(name):>15,} bytes  {name}")
        print(f"{publication.repo}: {len(publication.files)} files would be there; nothing was sent")
        return
    try:
        published = push(publication, private=private)
    except KeyboardInterrupt:
        print("stopped; the repository is as it was, or has the whole commit", file=sys.stderr)
        raise typer.Exit(130) from None
    for name in published.deleted:
        print(f"deleted, of an earlier publication: {name}")
    seen_by = "private" if published.private else "public"
    if published.commit is None:
        print(f"{published.url} ({seen_by}): nothing has changed, so nothing was sent")
    else:
        print(f"{published.url} ({seen_by}): commit {published.commit[:12]}, {publication.title}")
