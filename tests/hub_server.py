"""A Hub to test against: an HTTP server on 127.0.0.1 that speaks the Hub's API to the unmodified clients.

`huggingface_hub`, `transformers` and `datasets` are steered to it by `HubServer.environment`, set before
they are imported. It keeps repos on disk, checks every LFS object that it receives, and fails on demand. The
Xet protocol is not spoken.

    hub.fail(507, path="/commit/", n=2)      # the second commit from now
    hub.cut("response", path="/commit/")     # the commit is made, its answer gets lost
"""

import base64
import hashlib
import json
import pickle
import re
import sys
import threading
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path, PurePosixPath
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Self
from urllib.parse import parse_qs, unquote

USER = "tester"
# What .gitattributes of a new repo gives to LFS.
LFS_SUFFIXES = tuple(
    "7z arrow bin bz2 ckpt ftz gz h5 joblib mlmodel model msgpack npy npz onnx ot parquet pb pickle pkl pt pth rar"  # noqa: SIM905
    " safetensors tar tflite tgz wasm xz zip zst".split()
)

_REPO = r"(?P<repo_id>\w[\w.-]*/\w[\w.-]*)"
_API = rf"/api/(?P<repo_type>model|dataset)s/{_REPO}"
_GIT = rf"/(?P<prefix>datasets/)?{_REPO}"
_AT = r"(?P<revision>[^/]+)"
# To the handler's methods; what else is named in the path are their arguments.
ROUTES = {
    r"GET /api/whoami-v2": "whoami",
    r"POST /api/validate-yaml": "validate_yaml",
    r"POST /api/repos/create": "create",
    r"DELETE /api/repos/delete": "delete",
    rf"GET {_API}(/revision/{_AT})?": "info",
    rf"GET {_API}/refs": "refs",
    rf"GET {_API}/commits/{_AT}": "commits",
    rf"GET {_API}/tree/{_AT}(/(?P<folder>.+))?": "tree",
    rf"POST {_API}/paths-info/{_AT}": "paths_info",
    rf"(POST|DELETE) {_API}/(?P<kind>branch|tag)/(?P<name>[^/]+)": "change_ref",
    rf"POST {_API}/preupload/{_AT}": "preupload",
    rf"POST {_API}/commit/{_AT}": "commit",
    rf"POST {_GIT}\.git/info/lfs/objects/batch": "lfs_batch",
    rf"(GET|HEAD) {_GIT}/resolve/{_AT}/(?P<path>.+)": "resolve",
    r"PUT /lfs/(?P<oid>\w+)": "receive",
    r"(GET|HEAD) /lfs/(?P<oid>\w+)": "content",
}

# A commit's files are all that it has, by path; a file's oid is git's SHA-1 of its content.
File = namedtuple("File", "sha256 size oid lfs")
Commit = namedtuple("Commit", "oid parent title message date files")


class Refusal(Exception):  # noqa: N818 - it is an answer
    """Status, message and the Hub's name for it, by which clients tell 404s apart."""


@dataclass
class Repo:
    """Commits by their oid, and oids by "heads/<branch>" or "tags/<tag>"."""

    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def history(self, revision: str) -> list[Commit]:
        """The commits up to a branch, a tag or a commit; the newest first."""
        oid = self.refs.get(f"heads/{revision}") or self.refs.get(f"tags/{revision}") or revision
        if oid not in self.commits:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        commit = self.commits[oid]
        return [commit, *(self.history(commit.parent) if commit.parent else [])]

    def add(self, branch: str, files: dict[str, File], title: str, message: str = "") -> Commit:
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        fields = (self.refs.get(f"heads/{branch}"), title, message, date, files)
        commit = Commit(hashlib.sha1(json.dumps(fields).encode()).hexdigest(), *fields)
        self.commits[commit.oid], self.refs[f"heads/{branch}"] = commit, commit.oid
        return commit


@dataclass
class _Fault:
    kind: str
    value: Any
    n: int = 1
    times: int = 1
    method: str = ".*"
    path: str = ""
    seen: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def strikes(self, method: str, path: str) -> bool:
        matches = re.fullmatch(self.method, method) and re.search(self.path, path)
        self.seen += bool(matches)
        return bool(matches) and self.n <= self.seen < self.n + self.times


class HubServer:
    """The server, what tests ask it and what they tell it to do.

    Faults strike the `n`-th request from now (and the `times - 1` after it) whose method fullmatches the
    expression `method` and whose path contains the expression `path`; the query is no part of the path.
    `log` has (method, path, status) of every request; status 0 where it was cut.

    Args:
        folder: Where repos are kept; a later server on the same folder has them all.
        token: The only token that is right.
        namespaces: Where its owner may write.
        validate: (repo_type, text of README.md) -> errors of its metadata. Can be set later.
    """

    def __init__(
        self, folder: Path, *, token: str = "hf_test_of_no_worth", namespaces: tuple[str, ...] = (USER, "grover"),
        validate: Callable[[str, str], list[str]] = lambda repo_type, readme: [],
    ):
        self.token, self.namespaces, self.validate = token, namespaces, validate
        self.blobs, self.kept = folder / "blobs", folder / "repos.pickle"
        self.blobs.mkdir(parents=True, exist_ok=True)
        self.repos = pickle.loads(self.kept.read_bytes()) if self.kept.exists() else {}
        self.log: list[tuple[str, str, int]] = []
        self.lock = threading.RLock()
        self.faults, self.tokens_refused = [], False
        self.url, self.port, self.running = "", 0, None

    def start(self) -> Self:
        """Serve; after a stop, on the same port."""
        self.running = _Server(("127.0.0.1", self.port), _Handler)
        self.running.hub, self.port = self, self.running.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.running.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self.running:
            self.running.shutdown()
            self.running.server_close()
            self.kept.write_bytes(pickle.dumps(self.repos))
            self.running = None

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """What steers clients here; as to a proxy also with what they want of other hosts, which is refused."""
        yes = ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK")
        return {
            "HF_ENDPOINT": self.url, "HF_TOKEN": self.token, **dict.fromkeys(yes, "1"),
            "HF_UPDATE_DOWNLOAD_COUNTS": "0", "DISABLE_SAFETENSORS_CONVERSION": "true",
            "http_proxy": self.url, "https_proxy": self.url, "no_proxy": "127.0.0.1,localhost",
        }

    @property
    def outside(self) -> list[str]:
        """What was wanted of other hosts."""
        return [path for _, path, _ in self.log if not path.startswith("/")]

    def exists(self, repo_id: str, repo_type: str = "model") -> bool:
        return (repo_type, repo_id) in self.repos

    def commits(self, repo_id: str, repo_type: str = "model", revision: str = "main") -> list[Commit]:
        """The oldest first; that one is the Hub's own, of .gitattributes."""
        return self.repos[repo_type, repo_id].history(revision)[::-1]

    def files(self, repo_id: str, repo_type: str = "model", revision: str = "main") -> dict[str, bytes]:
        head = self.commits(repo_id, repo_type, revision)[-1]
        return {path: (self.blobs / file.sha256).read_bytes() for path, file in head.files.items()}

    def create(self, repo_id: str, repo_type: str = "model", *, private: bool = False) -> None:
        """Create a repo, without a client."""
        self.repos[repo_type, repo_id] = Repo(private)
        attributes = "".join(f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES)
        self.commit(repo_id, {".gitattributes": attributes.encode()}, repo_type, title="initial commit")

    def commit(self, repo_id: str, files: dict[str, bytes], repo_type: str = "model", title: str = "Not yours"):
        """Commit to main, as somebody else would."""
        with self.lock:
            repo = self.repos[repo_type, repo_id]
            old = repo.history("main")[0].files if repo.commits else {}
            new = {path: self.keep(data, lfs=is_lfs(path, len(data))) for path, data in files.items()}
            return repo.add("main", {**old, **new}, title)

    def keep(self, content: bytes, *, lfs: bool) -> File:
        sha256 = hashlib.sha256(content).hexdigest()
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        (self.blobs / sha256).write_bytes(content)
        return File(sha256, len(content), oid, lfs)

    def fail(self, status: int = 500, **when: Any) -> None:
        """Answer with this status, and do nothing."""
        self.faults.append(_Fault("fail", status, **when))

    def cut(self, where: str = "request", **when: Any) -> None:
        """Close the connection in the middle of the "request", which is then not done, or of the "response"."""
        assert where in ("request", "response"), where
        self.faults.append(_Fault(where, None, **when))

    def slow(self, seconds: float, **when: Any) -> None:
        """Answer late."""
        self.faults.append(_Fault("slow", seconds, **when))

    def move_branch(self, repo_id: str, repo_type: str = "model") -> None:
        """Let somebody else commit just before the next commit: its parent is the head no more."""
        commit = (repo_id, {"moved.txt": b"moved\n"}, repo_type)
        self.faults.append(_Fault("move", commit, path=f"^/api/{repo_type}s/{repo_id}/commit/"))

    def refuse_tokens(self) -> None:
        """From now on no token is right."""
        self.tokens_refused = True

    def reset_faults(self) -> None:
        """Be sound again; who waits for a slow answer gets it now."""
        for fault in self.faults:
            fault.over.set()
        self.faults, self.tokens_refused = [], False


def is_lfs(path: str, size: int) -> bool:
    return size > 10_000_000 or path.rsplit(".", 1)[-1] in LFS_SUFFIXES


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None):
    return status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})}


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # as of a client that went away
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    # In HTTP/1.0, the base's: no connection outlives a stop, or is shared with forked processes.
    wbufsize = -1
    disable_nagle_algorithm = True

    def answer(self):
        self.hub, self.head = self.server.hub, None
        path, _, query = self.path.partition("?")
        self.query = parse_qs(query)
        with self.hub.lock:
            faults = {fault.kind: fault for fault in self.hub.faults if fault.strikes(self.command, path)}
        if slow := faults.get("slow"):
            slow.over.wait(slow.value)
        length, cut = int(self.headers.get("Content-Length", 0)), "request" in faults
        self.body = self.rfile.read(length // 2 if cut else length)
        status, body, headers = (0, b"", {}) if cut else self.reply(path, faults)
        self.hub.log.append((self.command, path, status))
        if cut:
            return
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if "response" in faults else body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_CONNECT = answer  # noqa: N815

    def log_message(self, *_):
        """Nothing on the terminal: tests read `HubServer.log`."""

    def reply(self, path, faults):
        try:
            with self.hub.lock:
                if fail := faults.get("fail"):
                    raise Refusal(fail.value, "This Hub was told to fail.")
                if move := faults.get("move"):
                    self.hub.commit(*move.value)
                return self.dispatch(path)
        except Refusal as refusal:
            status, message, code = (*refusal.args, "")[:3]
            # With Retry-After newer clients wait 1 s between all their tries, not longer and longer.
            line = " ".join(message.split()).encode("ascii", "replace").decode()
            headers = {"X-Error-Code": code, "X-Error-Message": line, "Retry-After": "0"}
            if code == "EntryNotFound" and self.head:
                headers["X-Repo-Commit"] = self.head.oid
            return _json({"error": message}, status, headers)

    def dispatch(self, path):
        for pattern, name in ROUTES.items():
            if match := re.fullmatch(pattern, f"{self.command} {path}"):
                groups = {key: unquote(text or "") for key, text in match.groupdict().items()}
                if "repo_id" in groups:
                    repo_type = groups.pop("repo_type", None) or ("dataset" if groups.pop("prefix") else "model")
                    reads = self.command in ("GET", "HEAD") or name == "paths_info"
                    self.open(groups.pop("repo_id"), repo_type, write=not reads)
                if "revision" in groups:
                    self.revision = groups.pop("revision") or "main"
                    self.head = self.repo.history(self.revision)[0]
                return getattr(self, name)(**groups)
        named = re.match(r"/api/(models|datasets)/|/.*/resolve/", path)
        raise Refusal(404, f"This Hub has no {self.command} {path}", "RepoNotFound" if named else "")

    def has_token(self, *, to_write_in=None):
        given = self.headers.get("Authorization")
        right = given == f"Bearer {self.hub.token}" and not self.hub.tokens_refused
        if (given or to_write_in) and not right:
            raise Refusal(401, "Invalid credentials in Authorization header")
        if to_write_in and to_write_in not in self.hub.namespaces:
            raise Refusal(403, f"You don't have the rights to write under the namespace {to_write_in}")
        return right

    def open(self, repo_id, repo_type, *, write):
        known, repo = self.has_token(), self.hub.repos.get((repo_type, repo_id))
        if not repo or (repo.private and not known):
            # Who has no token is not told what exists.
            raise Refusal(404 if known else 401, "Repository not found", "RepoNotFound")
        if write:
            self.has_token(to_write_in=repo_id.split("/")[0])
        self.repo, self.repo_id, self.repo_type = repo, repo_id, repo_type
        self.repo_url = f"{self.hub.url}/{'datasets/' * (repo_type == 'dataset')}{repo_id}"

    def whoami(self):
        self.has_token(to_write_in=USER)
        orgs = [{"name": name, "roleInOrg": "write"} for name in self.hub.namespaces if name != USER]
        return _json({"type": "user", "name": USER, "fullname": USER, "orgs": orgs})

    def validate_yaml(self):
        asked = json.loads(self.body)
        errors = [{"message": error} for error in self.hub.validate(asked["repoType"], asked["content"])]
        return _json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def create(self):
        asked = json.loads(self.body)
        namespace, repo_type = asked.get("organization") or USER, asked.get("type") or "model"
        self.has_token(to_write_in=namespace)
        repo_id = f"{namespace}/{asked['name']}"
        if not (known := self.hub.exists(repo_id, repo_type)):
            private = asked.get("private") or asked.get("visibility") == "private"
            self.hub.create(repo_id, repo_type, private=bool(private))
        self.open(repo_id, repo_type, write=True)
        answer = {"url": self.repo_url, "name": repo_id}
        return _json({**answer, "error": "This repo is there already"}, 409) if known else _json(answer)

    def delete(self):
        asked = json.loads(self.body)
        repo_id = f"{asked.get('organization') or USER}/{asked['name']}"
        self.open(repo_id, asked.get("type") or "model", write=True)
        del self.hub.repos[self.repo_type, self.repo_id]
        return _json({})

    def info(self):
        files = [row for row in self.rows() if row["type"] == "file"]
        sha, date, private = self.head.oid, self.head.date, self.repo.private
        info = {
            "_id": sha[:24], "id": self.repo_id, "sha": sha, "lastModified": date, "private": private,
            "siblings": [{**row, "rfilename": row["path"], "blobId": row["oid"]} for row in files],
            "gated": False, "disabled": False, "downloads": 0, "likes": 0, "tags": [],
        }
        if card := self.head.files.get("README.md"):
            text = (self.hub.blobs / card.sha256).read_text().split("\n---")[0]
            info |= dict(re.findall(r"^(pipeline_tag|library_name): *(\S+) *$", text, re.MULTILINE))
        return _json(info)

    def rows(self):
        rows = {}
        for path, file in self.head.files.items():
            for folder in [str(parent) for parent in PurePosixPath(path).parents][:-1]:
                rows[folder] = {"type": "directory", "path": folder, "size": 0, "oid": self.head.oid}
            rows[path] = {"type": "file", "path": path, "size": file.size, "oid": file.oid}
            if file.lfs:
                # Of the two names for the digest, info has the second, the others have the first.
                digest = {"oid": file.sha256, "sha256": file.sha256}
                rows[path]["lfs"] = {**digest, "size": file.size, "pointerSize": 130}
        return list(rows.values())

    def tree(self, folder):
        within = f"{folder.rstrip('/')}/" if folder else ""
        rows = [row for row in self.rows() if row["path"].startswith(within)]
        if within and not rows:
            raise Refusal(404, f"{folder} does not exist on {self.revision}", "EntryNotFound")
        deep = self.query.get("recursive", [""])[0].lower() in ("true", "1")
        return _json([row for row in rows if deep or "/" not in row["path"].removeprefix(within)])

    def paths_info(self):
        asked = parse_qs(self.body.decode())["paths"]
        return _json([row for row in self.rows() if row["path"] in asked])

    def commits(self):
        more = {"authors": [{"user": USER}]}
        return _json([{**one._asdict(), "id": one.oid, **more} for one in self.repo.history(self.revision)])

    def refs(self):
        branches, tags = (
            [{"name": ref.removeprefix(kind), "ref": f"refs/{ref}", "targetCommit": oid}
             for ref, oid in self.repo.refs.items() if ref.startswith(kind)]
            for kind in ("heads/", "tags/")
        )
        return _json({"branches": branches, "tags": tags, "converts": []})

    def change_ref(self, kind, name):
        """A new branch is named in the path; a new tag in the body, and the path has what it is put on."""
        asked = json.loads(self.body or b"{}")
        start, name = (name, asked["tag"]) if "tag" in asked else (asked.get("startingPoint", "main"), name)
        ref = f"heads/{name}" if kind == "branch" else f"tags/{name}"
        if self.command == "POST" and ref in self.repo.refs:
            raise Refusal(409, f"Reference already exists: {name}")
        if self.command == "POST":
            self.repo.refs[ref] = self.repo.history(start)[0].oid
        elif not self.repo.refs.pop(ref, None):
            raise Refusal(404, f"There is no {kind} {name}", "RevisionNotFound")
        return _json({})

    def preupload(self):
        rows = []
        for file in json.loads(self.body)["files"]:
            mode = "lfs" if is_lfs(file["path"], file["size"]) else "regular"
            old = self.head.files.get(file["path"])
            oid = {"oid": old.sha256 if old.lfs else old.oid} if old else {}
            rows.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, **oid})
        return _json({"files": rows})

    def lfs_batch(self):
        objects = json.loads(self.body)["objects"]
        for one in objects:
            if not (self.hub.blobs / one["oid"]).exists():
                # As on the Hub, another host keeps large files: clients bring it no token.
                href = f"http://localhost:{self.hub.port}/lfs/{one['oid']}?size={one['size']}"
                one["actions"] = {"upload": {"href": href}}
        return _json({"transfer": "basic", "objects": objects})

    def receive(self, oid):
        if hashlib.sha256(self.body).hexdigest() != oid or str(len(self.body)) != self.query["size"][0]:
            raise Refusal(400, "The content has not the SHA-256 and the size that were announced")
        self.hub.keep(self.body, lfs=True)
        return 200, b"", {"ETag": f'"{oid}"'}

    def commit(self):
        header, *operations = [json.loads(line) for line in self.body.splitlines()]
        if f"heads/{self.revision}" not in self.repo.refs:
            raise Refusal(404, f"Invalid rev id: {self.revision}", "RevisionNotFound")
        if header["value"].get("parentCommit") not in (None, self.head.oid):
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        files = dict(self.head.files)
        for operation in operations:
            self.apply(operation["key"], operation["value"], files)
        card = files.get("README.md")
        if errors := card and self.hub.validate(self.repo_type, (self.hub.blobs / card.sha256).read_text()):
            raise Refusal(400, "; ".join(errors))
        made = self.repo.add(self.revision, files, header["value"]["summary"], header["value"]["description"])
        return _json({"success": True, "commitOid": made.oid, "commitUrl": f"{self.repo_url}/commit/{made.oid}"})

    def apply(self, key, value, files):
        path = value["path"]
        if key == "file":
            files[path] = self.hub.keep(base64.b64decode(value["content"]), lfs=False)
        elif key == "lfsFile":
            blob = self.hub.blobs / value["oid"]
            if not blob.exists() or blob.stat().st_size != value["size"]:
                raise Refusal(400, f"An LFS pointer points to an object that does not exist: {path}")
            files[path] = self.hub.keep(blob.read_bytes(), lfs=True)
        else:
            within = {one for one in files if one.startswith(f"{path.rstrip('/')}/")}
            gone = within if key == "deletedFolder" else files.keys() & {path}
            if not gone:
                raise Refusal(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            for one in gone:
                del files[one]

    def resolve(self, path):
        file, headers = self.head.files.get(path), {"X-Repo-Commit": self.head.oid}
        if not file:
            raise Refusal(404, "Entry not found", "EntryNotFound")
        if not file.lfs:
            return self.content(file.sha256, ETag=f'"{file.oid}"', **headers)
        # To another host: clients would follow a redirection within this one, and lose these headers.
        headers |= {"X-Linked-ETag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
        return 302, b"", {"Location": f"http://localhost:{self.hub.port}/lfs/{file.sha256}", **headers}

    def content(self, oid, **headers):
        content = (self.hub.blobs / oid).read_bytes()
        headers = {"ETag": f'"{oid}"', "Accept-Ranges": "bytes", **headers}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            return 200, content, headers
        first, last = wanted.groups()
        start = int(first) if first else max(0, len(content) - int(last))
        stop = min(len(content), int(last) + 1) if first and last else len(content)
        if start >= stop:
            return 416, b"", {"Content-Range": f"bytes */{len(content)}"}
        return 206, content[start:stop], {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
