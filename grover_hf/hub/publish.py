"""Push to the Hub: one publication is one commit, or none if the repository holds the same already."""

import contextlib
import fnmatch
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import validate_repo_id

from grover_hf._internals.records import read_json_object
from grover_hf.corpus.facts import dataset_facts
from grover_hf.errors import InputError
from grover_hf.hub.transport import transport_errors


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What a repository is to hold, checked and ready to be sent."""

    what: str
    """"model", "tokenizer", "dataset", "corpus" or "tracks"."""
    kind: str
    """The Hub's kind of repository: "model" or "dataset"."""
    repo: str
    """NAMESPACE/NAME."""
    title: str
    """Title of the commit."""
    files: dict[str, Path | bytes]
    """What to send, by path in the repository."""
    replaced: tuple[str, ...]
    """Patterns of paths that belong to us: what an earlier publication left under them is deleted."""

    def size(self, path: str) -> int:
        """Return the bytes of a file."""
        content = self.files[path]
        return len(content) if isinstance(content, bytes) else content.stat().st_size


class Published(NamedTuple):
    """What a push did."""

    url: str
    """Address of the repository."""
    commit: str | None
    """The new commit; None if the repository held the same already."""
    private: bool
    """Whether the repository is private."""
    deleted: list[str]
    """Files of earlier publications that are gone."""


def repository_name(repo: str) -> str:
    """Return NAMESPACE/NAME; a name alone gets `$GROVER_NAMESPACE`, else the user whose token is used.

    Raises:
        InputError: If it is not a name of a repository, or nobody is logged in.
    """
    namespace, slash, name = repo.rpartition("/")
    if not slash:
        namespace = os.environ.get("GROVER_NAMESPACE") or _user()
    try:
        validate_repo_id(f"{namespace}/{name}")
    except HFValidationError as error:
        raise InputError(f"{repo!r} is not a repository's name, NAMESPACE/NAME or NAME alone: {error}") from error
    return f"{namespace}/{name}"


def publish(publication: Publication, *, private: bool = False) -> Published:
    """Push a publication in one commit on the repository's head; the repository is made if need be.

    The token is that of `hf auth login` or `HF_TOKEN`. A push that fails leaves the repository at the
    commit where it was; the same call can simply be made again.

    Args:
        publication: From `grover_hf.hub.publications`.
        private: Make the repository private. One that is there and public is refused.

    Raises:
        InputError: If the Hub refuses, cannot be reached, or the repository holds what would be lost
            or would break it. The message says what to do.
    """
    repo, kind = publication.repo, publication.kind
    url, head, is_private = require_repository(repo, kind=kind, private=private)
    with explained(repo):
        api = _api()
        there = _files_there(api, publication, head)
        operations = _operations(publication, there)
        deleted = [one.path_in_repo for one in operations if isinstance(one, CommitOperationDelete)]
        if not operations:
            return Published(url, None, is_private, deleted)
        try:
            commit = api.create_commit(
                repo, operations, commit_message=publication.title, repo_type=kind, parent_commit=head
            )
        except ValueError as error:
            if isinstance(error, HfHubHTTPError):
                raise
            # What the Hub says of the card's metadata: it has the last word.
            raise InputError(f"{repo}: {error}") from error
    return Published(url, str(commit.oid), is_private, deleted)


def require_repository(repo: str, *, kind: str = "model", private: bool = False) -> tuple[str, str | None, bool]:
    """Return address and head of a repository, and whether it is private; it is made if it is not there.

    A new one is public unless `private` is wanted, or it is the rule of its organization.

    Raises:
        InputError: If the token may not do so, or the repository is public and `private` is wanted.
    """
    with explained(repo):
        # False would override the rule of an organization whose repositories are private.
        url = str(_api().create_repo(repo, repo_type=kind, private=private or None, exist_ok=True))
        info = _api().repo_info(repo, repo_type=kind)
    if private and not info.private:
        raise InputError(f"{repo} is there and is public: make it private on the Hub first, or do not ask for it.")
    return url, info.sha, bool(info.private)


def _api() -> HfApi:
    return HfApi(library_name="grover-hf", library_version=version("grover-hf"))


@contextlib.contextmanager
def explained(repo: str) -> Iterator[None]:
    """Turn what the Hub's client raises into an `InputError` that says what to do."""
    broken = transport_errors()
    known: tuple[type[BaseException], ...] = (HfHubHTTPError, RuntimeError, *broken)
    try:
        yield
    except known as error:
        cause: BaseException | None = error
        # An upload that fails is wrapped.
        while isinstance(cause, RuntimeError) and not isinstance(cause, HfHubHTTPError):
            cause = cause.__cause__
        response = getattr(cause, "response", None)
        if response is not None:
            status = response.status_code
            raise InputError(f"{repo}: {_remedy(status)} (The Hub's answer: {status}.)") from error
        if isinstance(cause, broken):
            raise InputError(
                f"{repo}: the Hub was not reached, or the connection broke ({type(cause).__name__}); {_UNSURE}"
            ) from error
        raise


_AGAIN = "the repository is unchanged: do the same again."
_UNSURE = "the repository is as it was, or has the whole commit: do the same again."


def _remedy(status: int) -> str:
    if status == 401:
        return "the Hub does not know you, or not this repository: log in with `hf auth login`, or set HF_TOKEN."
    if status == 403:
        return "your token may not write there: take one with write access, or another namespace."
    if status == 404:
        return "there is no such repository, or it is private and your token may not see it."
    if status in (409, 412):
        return f"somebody else pushed to it meanwhile; {_AGAIN}"
    if status == 429:
        return f"the Hub wants fewer requests; wait some minutes: {_AGAIN}"
    if status >= 500:
        return f"the Hub has a problem of its own; {_AGAIN}"
    return "the Hub refused what was sent; `grover --debug publish ...` shows its words."


def _user() -> str:
    if get_token() is None:
        raise InputError("Nobody is logged in: give --repo NAMESPACE/NAME, or log in with `hf auth login`.")
    with explained("the namespace"):
        return str(HfApi().whoami()["name"])


def _files_there(api: HfApi, publication: Publication, revision: str | None) -> dict[str, Any]:
    if revision is None:
        return {}
    tree = api.list_repo_tree(
        publication.repo, recursive=True, revision=revision, repo_type=publication.kind
    )
    there = {file.path: file for file in tree if hasattr(file, "blob_id")}
    if publication.what == "dataset":
        _refuse_to_break_a_dataset(api, publication, set(there), revision)
    _refuse_another_kind(publication, set(there))
    return there


def _refuse_another_kind(publication: Publication, there: set[str]) -> None:
    """Refuse to put a tokenizer over a model's, or a tokenized genome and a dataset into one repository."""
    holds = {
        "model": any(path.endswith((".safetensors", ".bin")) for path in there),
        "corpus": "corpus.json" in there,
        "tracks": "_tracks.json" in there,
        "dataset": any(path.endswith("/facts.json") for path in there),
    }
    others = {
        "tokenizer": ["model"], "model": [], "dataset": ["corpus", "tracks"], "corpus": ["dataset", "tracks"],
        "tracks": ["dataset", "corpus"],
    }
    for other in others[publication.what]:
        if holds[other]:
            raise InputError(
                f"{publication.repo} holds a {other}, which a {publication.what} would break; name another "
                "repository."
            )


def _refuse_to_break_a_dataset(api: HfApi, publication: Publication, there: set[str], revision: str) -> None:
    script = f"{publication.repo.rpartition('/')[2]}.py"
    if script in there:
        raise InputError(
            f"{publication.repo} holds {script}: load_dataset takes it for a loading script and refuses the "
            "whole repository. Remove it on the Hub first."
        )
    configs_there = {path.rpartition("/")[0] for path in there if path.endswith("/facts.json")}
    configs = {
        path.rpartition("/")[0]: local for path, local in publication.files.items()
        if path.endswith("/facts.json") and isinstance(local, Path)
    }
    for config in sorted(configs_there & set(configs)):
        path = f"{config}/facts.json"
        on_disk = api.hf_hub_download(publication.repo, path, repo_type="dataset", revision=revision)
        theirs = _dataset_name(Path(on_disk), f"{publication.repo}: {path}")
        ours = _dataset_name(configs[config], str(configs[config]))
        if theirs != ours:
            raise InputError(f"{publication.repo} holds the dataset {theirs}, not {ours}; name another one.")
    if lacking := sorted(configs_there - set(configs)):
        raise InputError(
            f"{publication.repo} has the configurations {', '.join(lacking)}, which your folder lacks: its card "
            f"would lose them. Bring them in first, `hf download {publication.repo} --repo-type dataset "
            "--local-dir DIR`, and build yours into that folder."
        )


def _dataset_name(facts: Path, place: str) -> str:
    return dataset_facts(read_json_object(facts), place).dataset


def _operations(
    publication: Publication, there: dict[str, Any]
) -> list[CommitOperationAdd | CommitOperationDelete]:
    changed = [
        CommitOperationAdd(path, content if isinstance(content, bytes) else str(content))
        for path, content in publication.files.items()
        if path not in there or not _same(content, there[path])
    ]
    stale = [
        CommitOperationDelete(path) for path in there
        if path not in publication.files and any(_is_of(path, pattern) for pattern in publication.replaced)
    ]
    return [*changed, *stale]


def _is_of(path: str, pattern: str) -> bool:
    # A star does not stand for folders.
    return path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)


def _same(content: Path | bytes, file: Any) -> bool:
    """Return whether the Hub's file has this content: by SHA-256 if it is in LFS, else by git's own digest."""
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if size != file.size:
        return False
    digest = hashlib.sha256() if file.lfs else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    if isinstance(content, bytes):
        digest.update(content)
    else:
        with open(content, "rb") as opened:
            while piece := opened.read(1 << 22):
                digest.update(piece)
    return bool(digest.hexdigest() == (file.lfs.sha256 if file.lfs else file.blob_id))
