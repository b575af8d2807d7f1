"""Against a server of our own: nothing leaves this machine."""

import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import typer
from typer.testing import CliRunner

from grover_hf.cli import start
from grover_hf.errors import InputError
from grover_hf.inputs import SOURCES, File, Source, fetch

CONTENT = b">chrA\n" + b"ACGTTGCA" * 50_000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `content` at any address; what it does wrong, and what it was asked, are attributes."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.content_type = CONTENT, '"one"', "application/gzip"
        self.knows_ranges, self.says_length, self.status, self.cut_after = True, True, None, None
        self.starts_late_by, self.ranges = 0, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/genome.fa"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers["Range"]
        server.ranges.append(asked)
        if server.status:
            return self.send_error(server.status)
        start, size, status = 0, len(server.content), 200
        if asked and server.knows_ranges:
            start, status = int(asked.removeprefix("bytes=").removesuffix("-")) + server.starts_late_by, 206
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            # As Apache does.
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(status)
        self.send_header("ETag", server.etag)
        self.send_header("Content-Type", server.content_type)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if server.says_length:
            self.send_header("Content-Length", str(size - start))
        self.end_headers()
        self.wfile.write(server.content[start : server.cut_after])
        return None

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def logged(caplog):
    """What is downloaded, and on which terms, is logged as information."""
    caplog.set_level("INFO", logger="grover_hf.inputs")


@pytest.fixture
def get(server, tmp_path):
    """Fetch the server's file and return its bytes."""

    def run(overwrite=False, **file):
        (path,) = fetch("it", tmp_path / "in", overwrite=overwrite, sources=table(server, **file))
        assert path == tmp_path / "in" / "genome.fa"
        assert [found.name for found in path.parent.iterdir()] == ["genome.fa"]
        return path.read_bytes()

    return run


def table(server, **file):
    source = Source("a genome", "tokenize", "free for all", "nobody", "the page")
    return {"it": replace(source, files=(File(server.url, "genome.fa", **file),))}


def stop_half_way(server, get, n_bytes=150_000):
    server.cut_after = n_bytes
    with pytest.raises(InputError, match=f"ended after {n_bytes:,} of 400,006 bytes"):
        get()
    server.cut_after = None


def test_a_whole_download_logs_terms_and_the_digest_that_came(get, server, tmp_path, caplog):
    assert get() == CONTENT
    out = caplog.text
    for text in (
        "a genome", "for: tokenize", "licence: free for all", "cite: nobody", "page: the page", server.url,
        f"no digest is known for it; the SHA-256 of what came is {hashlib.sha256(CONTENT).hexdigest()}",
    ):
        assert text in out
    assert server.ranges == [None]


@pytest.mark.parametrize("digest", [f"md5:{MD5}", f"sha256:{hashlib.sha256(CONTENT).hexdigest().upper()}"])
def test_a_known_digest_is_checked_and_said(get, caplog, digest):
    assert get(digest=digest, n_bytes=len(CONTENT)) == CONTENT
    assert "as it should be" in caplog.text


def test_a_stopped_transfer_goes_on_where_it_was(get, server, tmp_path):
    stop_half_way(server, get)
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["genome.fa.part", "genome.fa.part.json"]
    assert (tmp_path / "in" / "genome.fa.part").read_bytes() == CONTENT[:150_000]
    assert get(digest=f"md5:{MD5}") == CONTENT
    assert server.ranges == [None, "bytes=150000-"]


def test_a_server_without_ranges_is_asked_for_the_whole(get, server):
    stop_half_way(server, get)
    server.knows_ranges = False
    assert get() == CONTENT
    assert server.ranges == [None, "bytes=150000-"]


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_part_of_another_version_is_thrown_away(get, server, knows_ranges):
    stop_half_way(server, get)
    server.content, server.etag, server.knows_ranges = CONTENT.lower(), '"two"', knows_ranges
    assert get() == CONTENT.lower()


def test_an_answer_that_starts_elsewhere_is_not_appended(get, server):
    stop_half_way(server, get)
    server.starts_late_by = 8
    assert get() == CONTENT
    assert server.ranges == [None, "bytes=150000-", None]


def test_a_part_of_a_file_that_grew_is_thrown_away(get, server):
    stop_half_way(server, get)
    server.content = CONTENT.lower() + b"more"
    assert get() == server.content


def test_a_part_that_nobody_described_is_thrown_away(get, server, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "genome.fa.part").write_bytes(b"what is this")
    assert get() == CONTENT
    assert server.ranges == [None]


@pytest.mark.parametrize("size_now", [len(CONTENT), 100])
def test_a_part_that_is_whole_is_kept_if_the_size_is_still_that(get, server, tmp_path, size_now):
    stop_half_way(server, get)
    (tmp_path / "in" / "genome.fa.part").write_bytes(CONTENT)
    server.content = CONTENT[:size_now]
    assert get() == CONTENT[:size_now]
    assert server.ranges[1] == f"bytes={len(CONTENT)}-"
    assert len(server.ranges) == (2 if size_now == len(CONTENT) else 3)


def test_a_length_that_is_not_said_does_no_harm(get, server):
    server.says_length = False
    assert get(n_bytes=len(CONTENT), digest=f"md5:{MD5}") == CONTENT


def test_a_wrong_digest_keeps_nothing(get, tmp_path):
    with pytest.raises(InputError, match=f"genome.fa was not written.* expected md5:0123 but got {MD5}"):
        get(digest="md5:0123")
    assert not list((tmp_path / "in").iterdir())


@pytest.mark.parametrize("says_length", [True, False])
def test_a_wrong_size_keeps_nothing(get, server, tmp_path, says_length):
    server.says_length = says_length
    with pytest.raises(InputError, match="it has 400,006 bytes, not 7.*download it yourself to .*genome.fa"):
        get(n_bytes=7)
    assert not list((tmp_path / "in").iterdir())


def test_errors_of_the_network_name_the_address_and_the_remedy(get, server, tmp_path):
    server.status = 404
    with pytest.raises(InputError, match=f"{server.url} did not .*: HTTP Error 404.*not been tried.*yourself"):
        get()
    server.status, server.content_type = None, "text/html; charset=utf-8"
    with pytest.raises(InputError, match="a web page came instead"):
        get()
    nowhere = {"it": replace(SOURCES["hg19"], files=(File("http://127.0.0.1:9/genome.fa", "genome.fa"),))}
    with pytest.raises(InputError, match="http://127.0.0.1:9/genome.fa did not .* refused.*take.* files on disk"):
        fetch("it", tmp_path / "in", sources=nowhere)
    assert not list((tmp_path / "in").iterdir())


def test_a_failure_after_the_start_keeps_the_part(get, server):
    stop_half_way(server, get)
    server.status = 503
    with pytest.raises(InputError, match="503"):
        get()
    server.status = None
    assert get() == CONTENT
    assert server.ranges[-1] == "bytes=150000-"


def test_a_file_that_is_there_is_left_unless_overwritten(get, server, tmp_path, caplog):
    path = tmp_path / "in" / "genome.fa"
    path.parent.mkdir()
    path.write_bytes(b">mine")
    assert get() == b">mine"
    assert "was there already, left as it is" in caplog.text
    with pytest.raises(InputError, match=f"its md5 is .*, not {MD5}. Say --overwrite"):
        get(digest=f"md5:{MD5}")
    server.status = 404
    with pytest.raises(InputError, match="404"):
        get(overwrite=True)
    assert path.read_bytes() == b">mine"
    assert server.ranges == [None]
    server.status = None
    assert get(overwrite=True, digest=f"md5:{MD5}") == CONTENT
    assert get(digest=f"md5:{MD5}") == CONTENT
    assert len(server.ranges) == 2


def test_several_files_go_into_folders_and_only_missing_ones_are_fetched(server, tmp_path):
    files = tuple(File(server.url, f"{task}/train.fna") for task in ("a", "b"))
    sources = {"it": replace(SOURCES["nt"], files=files)}
    first = fetch("it", tmp_path, sources=sources)
    assert first == [tmp_path / "a" / "train.fna", tmp_path / "b" / "train.fna"]
    first[1].unlink()
    assert fetch("it", tmp_path, sources=sources) == first
    assert len(server.ranges) == 3


@pytest.mark.parametrize("name", ["ctcf", "gue"])
def test_what_has_no_address_is_said_to_be_by_hand(name, tmp_path, caplog):
    with pytest.raises(InputError, match=f"{name} is downloaded by hand from {SOURCES[name].page}: "):
        fetch(name, tmp_path)
    assert f"licence: {SOURCES[name].licence}" in caplog.text


def test_the_verb_prints_the_terms(tmp_path):
    by_hand = next(name for name, source in SOURCES.items() if not source.files)
    app = typer.Typer()
    app.command()(start.fetch)
    done = CliRunner().invoke(app, [by_hand, "--output", str(tmp_path)])
    assert done.stdout.startswith(f"{by_hand}: {SOURCES[by_hand].description}\n")
    assert f"licence: {SOURCES[by_hand].licence}" in done.stdout


def test_the_verb_passes_on_what_it_is_given(tmp_path):
    app = typer.Typer()
    app.command()(start.fetch)
    done = CliRunner().invoke(app, ["hg18", "--output", str(tmp_path)])
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == (
        "There is no input 'hg18'; there are hg19, epd, ctcf, jaspar, chain, gue, nt, traitgym."
    )


def test_a_stop_by_hand_ends_the_verb_with_130(tmp_path, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("grover_hf.inputs.fetch", stop)
    with pytest.raises(typer.Exit) as end:
        start.fetch("hg19", tmp_path)
    assert end.value.exit_code == 130


def test_every_source_of_the_table_is_complete():
    for name, source in SOURCES.items():
        for text in (source.description, source.used_by, source.licence, source.citation):
            assert text, name
        assert source.page.startswith("https://")
        assert bool(source.files) != bool(source.by_hand)
        names = [file.name for file in source.files]
        assert len(set(names)) == len(names)
        for file in source.files:
            assert file.url.startswith("https://")
            assert file.digest is None or file.digest.startswith(("md5:", "sha256:"))


def test_the_tasks_of_the_nucleotide_transformer_are_those_that_are_built():
    from dataset_builders.nucleotide_transformer.builder import LABELS

    assert {file.name.partition("/")[0] for file in SOURCES["nt"].files} == set(LABELS)
