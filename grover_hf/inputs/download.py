"""Downloads that go on where they stopped, and appear under their name when whole and checked.

pooch checks the digest and puts the file in its place; the transfer is ours, because pooch
cannot resume one.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pooch

from grover_hf._internals.files import atomic_write
from grover_hf._internals.progress import progress_bar
from grover_hf.errors import InputError
from grover_hf.inputs.sources import SOURCES, File, Source

logger = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 17
_TIMEOUT_S = 60.0


def fetch(
    name: str, folder: str | Path, *, overwrite: bool = False, sources: Mapping[str, Source] = SOURCES
) -> list[Path]:
    """Download a public input; log what it is, its terms, and what came.

    A stopped download leaves `NAME.part` and `NAME.part.json`, from which the same call goes on.

    Args:
        name: One of `sources`.
        folder: Where the files go; made if it is not there.
        overwrite: Whether to download files again that are there.
        sources: The table of inputs.

    Returns:
        The files, in the order of the table.

    Raises:
        InputError: If the name is not known, the source is to be downloaded by hand, an address
            does not give the file, or what came has not the size or the digest of the table.
    """
    if name not in sources:
        raise InputError(f"There is no input {name!r}; there are {', '.join(sources)}.")
    source = sources[name]
    logger.info(
        f"{name}: {source.description}\nfor: {source.used_by}\nlicence: {source.licence}\n"
        f"cite: {source.citation}\npage: {source.page}"
    )
    if not source.files:
        raise InputError(
            f"{name} is downloaded by hand from {source.page}: {source.by_hand} Every verb takes files on disk."
        )
    # At its level "info" pooch tells users to edit code.
    pooch.get_logger().setLevel("WARNING")
    return [_fetch_file(file, Path(folder) / file.name, source, overwrite=overwrite) for file in source.files]


def _fetch_file(file: File, path: Path, source: Source, *, overwrite: bool) -> Path:
    algorithm, _, wanted = (file.digest or "sha256:").partition(":")
    there = path.exists() and not overwrite
    if not there:
        _download(file, path, source)
    got = pooch.file_hash(str(path), alg=algorithm)
    if wanted and got != wanted.lower():
        raise InputError(
            f"{path} is there, but its {algorithm} is {got}, not {wanted}. Say --overwrite to fetch it again, "
            "or name another --output."
        )
    state = "was there already, left as it is" if there else f"came from {file.url}"
    if wanted:
        digest = f"its {algorithm} is {got}, as it should be"
    else:
        digest = f"no digest is known for it; the SHA-256 of what {'is there' if there else 'came'} is {got}"
    logger.info(f"{path}: {state}; {path.stat().st_size:,} bytes; {digest}")
    return path


def _download(file: File, path: Path, source: Source) -> None:
    with atomic_write(path) as part:
        try:
            pooch.retrieve(
                file.url, known_hash=file.digest, fname=part.name, path=part.parent,
                downloader=_Resuming(file, path, source.tried),
            )
        except InputError:
            raise
        except ValueError as error:
            # The digest is not that of the table; pooch names both and has removed what came.
            text = str(error).replace(part.name, path.name)
            raise InputError(f"{path} was not written. {text} Its address is {file.url}.") from error


@dataclass(frozen=True)
class _Resuming:
    """A downloader for pooch that goes on from `NAME.part`, next to the file to come."""

    file: File
    path: Path
    tried: str | None

    def __call__(self, _url: str, output_file: str, _pooch: object) -> None:
        part = self.path.with_name(f"{self.path.name}.part")
        state = part.with_name(f"{part.name}.json")
        self._transfer(part, state)
        self._require_size(part.stat().st_size, part, state)
        part.replace(output_file)
        state.unlink()

    def _transfer(self, part: Path, state: Path) -> None:
        """Bring `part` to its full size; `state` says of which version of the file it is."""
        before: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            before = json.loads(state.read_text())
        start = part.stat().st_size if before and part.exists() else 0
        with self._answer(start) as answer:
            first, n_bytes = _extent(answer)
            self._require_size(n_bytes, part, state)
            version = {
                "url": self.file.url, "etag": answer.headers["ETag"],
                "last_modified": answer.headers["Last-Modified"], "n_bytes": n_bytes,
            }
            beyond_the_end = answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            if beyond_the_end and start == n_bytes == before.get("n_bytes"):
                return  # All of it came before.
            goes_on = answer.status == HTTPStatus.PARTIAL_CONTENT and version == before and first == start
            if answer.status == HTTPStatus.OK or goes_on:
                if not goes_on:
                    part.unlink(missing_ok=True)
                    with atomic_write(state) as state_part:
                        state_part.write_text(json.dumps(version))
                self._append(answer, part, n_bytes)
                return
        if not start:
            raise self._error(f"status {answer.status}")
        # The file has changed since, so the answer to a range is of no use.
        part.unlink()
        self._transfer(part, state)

    def _require_size(self, n_bytes: int | None, part: Path, state: Path) -> None:
        wanted = self.file.n_bytes
        if n_bytes is not None and wanted is not None and n_bytes != wanted:
            part.unlink(missing_ok=True)
            state.unlink(missing_ok=True)
            raise self._error(f"it has {n_bytes:,} bytes, not {wanted:,}")

    def _answer(self, start: int) -> Any:
        headers = {"User-Agent": "grover-hf", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        answer = self._ask(partial(urlopen, Request(self.file.url, headers=headers), timeout=_TIMEOUT_S))
        # Portals, and questions of consent, come as pages with status 200.
        if answer.status == HTTPStatus.OK and answer.headers.get_content_type() == "text/html":
            answer.close()
            raise self._error("a web page came instead")
        return answer

    def _append(self, answer: Any, part: Path, n_bytes: int | None) -> None:
        with part.open("ab") as out, progress_bar(total=n_bytes, what=part.stem, unit="B", scale=True) as bar:
            bar.update(out.tell())
            while block := self._ask(partial(answer.read, _BLOCK_BYTES)):
                out.write(block)
                bar.update(len(block))
            if n_bytes is not None and out.tell() < n_bytes:
                raise self._error(f"it ended after {out.tell():,} of {n_bytes:,} bytes")

    def _ask(self, call: Callable[[], Any]) -> Any:
        """Return what the network gives, or raise `InputError`; errors of the disk are not meant."""
        try:
            return call()
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError) and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return error
            raise self._error(str(error) or type(error).__name__) from error

    def _error(self, got: str) -> InputError:
        never = "" if self.tried else " The address had not been tried when it was written down."
        return InputError(
            f"{self.file.url} did not give the file: {got}.{never} Try again (a transfer goes on where it "
            f"stopped), or download it yourself to {self.path}; every verb takes files on disk."
        )


def _extent(answer: Any) -> tuple[int | None, int | None]:
    """Return the first byte that an answer holds, and the size of the whole file; None if unknown."""
    if answer.status == HTTPStatus.OK:
        length = answer.headers["Content-Length"] or ""
        return 0, int(length) if length.isdigit() else None
    matched = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", answer.headers["Content-Range"] or "")
    first, n_bytes = matched.groups() if matched else (None, None)
    return int(first) if first else None, int(n_bytes) if n_bytes and n_bytes != "*" else None
