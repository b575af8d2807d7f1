"""The Hub of the tests, as the unmodified clients see it."""

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    HfFileSystem,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub_server import HubServer

try:
    from huggingface_hub.utils import httpx

    TransportError = httpx.TransportError
except ImportError:
    # huggingface_hub below 1
    from requests import RequestException as TransportError

WEIGHTS = bytes(range(256)) * 40
api = HfApi()


def push(repo_id, files, *, title="push", **options):
    adds = [CommitOperationAdd(path, content) for path, content in files.items()]
    return api.create_commit(repo_id, adds, commit_message=title, **options).oid


@pytest.fixture
def repo(hub, repo_id):
    """A repo with a large file, a small one and one in a folder."""
    api.create_repo(repo_id)
    push(repo_id, {"model.safetensors": WEIGHTS, "config.json": b"{}", "a/b.txt": b"b"}, title="first")
    hub.log.clear()
    return repo_id


def asked(hub, method, path):
    """The statuses of the requests for a path."""
    return [status for one, where, status in hub.log if one == method and path in where]


def test_a_repo_is_created_once_described_and_deleted(hub, repo_id):
    api.create_repo(repo_id)
    api.create_repo(repo_id, exist_ok=True)
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo(repo_id)
    assert api.whoami()["name"] == "tester"
    assert [commit.title for commit in hub.commits(repo_id)] == ["initial commit"]
    assert api.repo_info(repo_id).sha == hub.commits(repo_id)[-1].oid
    api.delete_repo(repo_id)
    assert not hub.exists(repo_id)
    assert not api.repo_exists(repo_id)


def test_nobody_writes_in_anothers_namespace(hub):
    with pytest.raises(HfHubHTTPError, match="403"):
        api.create_repo("somebody/else")
    assert not hub.exists("somebody/else")


def test_models_and_datasets_of_one_name_are_two(hub, repo):
    api.create_repo(repo, repo_type="dataset")
    push(repo, {"train.parquet": WEIGHTS}, repo_type="dataset")
    assert hub.files(repo, "dataset")["train.parquet"] == WEIGHTS
    assert "train.parquet" not in hub.files(repo)


def test_a_commit_has_what_was_pushed_and_large_files_go_by_lfs(hub, repo):
    push(repo, {"more.bin": b"more", "small.txt": b"small"})
    assert asked(hub, "PUT", "/lfs/") == [200]
    first, pushed, last = hub.commits(repo)
    assert (first.title, pushed.title, last.title) == ("initial commit", "first", "push")
    assert last.parent == pushed.oid
    assert [path for path, file in last.files.items() if file.lfs] == ["model.safetensors", "more.bin"]
    old = {"model.safetensors": WEIGHTS, "config.json": b"{}", "a/b.txt": b"b"}
    assert hub.files(repo).items() > {**old, "more.bin": b"more", "small.txt": b"small"}.items()


def test_files_that_are_there_are_neither_sent_nor_committed_again(hub, repo):
    push(repo, {"model.safetensors": WEIGHTS, "config.json": b"{}"})
    assert len(hub.commits(repo)) == 2
    push(repo, {"copy.safetensors": WEIGHTS})
    assert len(hub.commits(repo)) == 3
    assert asked(hub, "PUT", "") == []


def test_a_commit_deletes_files_and_folders(hub, repo):
    gone = [CommitOperationDelete("config.json"), CommitOperationDelete("a/")]
    api.create_commit(repo, gone, commit_message="less")
    assert hub.files(repo).keys() == {".gitattributes", "model.safetensors"}
    with pytest.raises(EntryNotFoundError):
        api.create_commit(repo, [CommitOperationDelete("config.json")], commit_message="less")


def test_a_commit_on_a_parent_that_is_not_the_head_is_refused(hub, repo):
    head = api.repo_info(repo).sha
    push(repo, {"new.txt": b"1"}, parent_commit=head)
    with pytest.raises(HfHubHTTPError, match="412"):
        push(repo, {"new.txt": b"2"}, parent_commit=head)
    assert hub.files(repo)["new.txt"] == b"1"


def test_an_lfs_object_that_is_not_what_was_announced_is_refused(hub, repo, tmp_path):
    path = tmp_path / "new.safetensors"
    path.write_bytes(WEIGHTS + b"1")
    add = CommitOperationAdd("new.safetensors", path)
    assert add.upload_info.sha256
    path.write_bytes(WEIGHTS + b"2")
    with pytest.raises((HfHubHTTPError, RuntimeError)):
        api.create_commit(repo, [add], commit_message="tampered")
    assert asked(hub, "PUT", "/lfs/") == [400]
    assert len(hub.commits(repo)) == 2


def test_a_commit_of_an_lfs_object_that_is_not_there_is_refused(hub, repo, monkeypatch):
    add = CommitOperationAdd("new.safetensors", b"never sent")
    api.preupload_lfs_files(repo, [add], free_memory=False)
    (hub.blobs / add.upload_info.sha256.hex()).unlink()
    with pytest.raises(HfHubHTTPError, match="does not exist: new.safetensors"):
        api.create_commit(repo, [add], commit_message="pointer")
    assert len(hub.commits(repo)) == 2


def test_downloads_are_what_was_pushed_at_every_revision(hub, repo):
    old = api.repo_info(repo).sha
    api.create_tag(repo, tag="v1")
    push(repo, {"config.json": b'{"new": 1}'})
    for revision, content in ((None, b'{"new": 1}'), (old, b"{}"), ("v1", b"{}")):
        assert Path(hf_hub_download(repo, "config.json", revision=revision)).read_bytes() == content
        assert Path(hf_hub_download(repo, "model.safetensors", revision=revision)).read_bytes() == WEIGHTS
    folder = Path(snapshot_download(repo, revision=old))
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == hub.files(repo, revision=old)


def test_branches_and_tags_come_and_go(hub, repo):
    api.create_branch(repo, branch="dev")
    api.create_tag(repo, tag="v1")
    push(repo, {"config.json": b"dev"}, revision="dev")
    assert hub.files(repo)["config.json"] == b"{}"
    refs = api.list_repo_refs(repo)
    assert {branch.name: branch.target_commit for branch in refs.branches} == {
        "main": api.repo_info(repo).sha, "dev": api.repo_info(repo, revision="dev").sha,
    }
    assert [tag.name for tag in refs.tags] == ["v1"]
    titles = [commit.title for commit in api.list_repo_commits(repo, revision="dev")]
    assert titles == ["push", "first", "initial commit"]
    api.delete_branch(repo, branch="dev")
    api.delete_tag(repo, tag="v1")
    for gone in ("dev", "v1"):
        with pytest.raises(RevisionNotFoundError):
            api.repo_info(repo, revision=gone)


def test_files_are_listed_with_sizes_and_digests(hub, repo):
    rows = {row.path: row for row in api.list_repo_tree(repo, recursive=True)}
    assert rows.keys() == {".gitattributes", "model.safetensors", "config.json", "a", "a/b.txt"}
    assert {row.path for row in api.list_repo_tree(repo)} == rows.keys() - {"a/b.txt"}
    assert [row.path for row in api.list_repo_tree(repo, "a")] == ["a/b.txt"]
    assert rows["model.safetensors"].lfs.size == len(WEIGHTS)
    assert rows["config.json"].lfs is None
    # git hash-object of "{}"
    assert rows["config.json"].blob_id == "9e26dfeeb6e641a33dae4961196235bdb965b21b"
    assert [row.path for row in api.get_paths_info(repo, ["a", "config.json", "none"])] == ["config.json", "a"]
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(repo, "none"))


def test_what_is_missing_is_told_apart(hub, repo):
    assert not api.file_exists(repo, "none.txt")
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(repo, "none.txt")
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download(repo, "config.json", revision="v9")
    for name in (f"{repo}-none", "none"):
        with pytest.raises(RepositoryNotFoundError):
            hf_hub_download(name, "config.json")


def test_a_private_repo_is_there_for_its_owner_only(hub, repo_id):
    api.create_repo(repo_id, private=True)
    push(repo_id, {"model.safetensors": WEIGHTS})
    assert api.repo_info(repo_id).private
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download(repo_id, "model.safetensors", token=False)
    with pytest.raises(HfHubHTTPError, match="401"):
        api.repo_info(repo_id, token="hf_wrong")
    assert Path(hf_hub_download(repo_id, "model.safetensors")).read_bytes() == WEIGHTS


def test_who_has_no_token_reads_and_does_not_write(hub, repo):
    assert api.repo_info(repo, token=False).sha
    with pytest.raises(HfHubHTTPError, match="401"):
        push(repo, {"new.txt": b"1"}, token=False)
    assert len(hub.commits(repo)) == 2


def test_a_part_of_a_large_file_is_read_alone(hub, repo):
    with HfFileSystem(skip_instance_cache=True).open(f"{repo}/model.safetensors", block_size=16) as file:
        file.seek(1_000)
        assert file.read(10) == WEIGHTS[1_000:1_010]
        file.seek(-6, 2)
        assert file.read() == WEIGHTS[-6:]
    assert set(asked(hub, "GET", "/lfs/")) == {206}


def test_a_card_that_the_rules_forbid_is_not_committed(hub, repo, monkeypatch):
    def rules(repo_type, text):
        return [] if "license:" in text else [f"no licence: néant:\n{repo_type}"]

    monkeypatch.setattr(hub, "validate", rules)
    with pytest.raises(ValueError, match="néant:\nmodel"):
        push(repo, {"README.md": b"---\ntags: [dna]\n---\n"})
    assert len(hub.commits(repo)) == 2
    # The client has asked before it commits; who does not ask is refused too.
    lines = ({"key": "header", "value": {"summary": "no card", "description": ""}},
             {"key": "file", "value": {"path": "README.md", "content": ""}})
    bare = urllib.request.Request(
        f"{hub.url}/api/models/{repo}/commit/main", "\n".join(map(json.dumps, lines)).encode(),
        {"Authorization": f"Bearer {hub.token}"},
    )
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(bare)
    assert len(hub.commits(repo)) == 2
    push(repo, {"README.md": b"---\nlicense: mit\npipeline_tag: fill-mask\n---\n"})
    assert api.repo_info(repo).pipeline_tag == "fill-mask"


def test_a_failing_request_is_not_done_and_the_next_one_is(hub, repo):
    hub.fail(500, path="/commit/", n=2)
    push(repo, {"a.txt": b"1"})
    with pytest.raises(HfHubHTTPError, match="500"):
        push(repo, {"b.txt": b"2"})
    push(repo, {"c.txt": b"3"})
    assert hub.files(repo).keys() >= {"a.txt", "c.txt"}
    assert "b.txt" not in hub.files(repo)


def test_a_fault_lasts_as_long_as_told(hub, repo):
    hub.fail(507, method="PUT", times=2)
    for _ in range(2):
        with pytest.raises((HfHubHTTPError, RuntimeError)):
            push(repo, {"new.safetensors": b"new"})
    push(repo, {"new.safetensors": b"new"})
    assert asked(hub, "PUT", "") == [507, 507, 200]


def test_clients_try_an_upload_again_by_themselves_after_a_500(hub, repo):
    hub.fail(500, method="PUT")
    push(repo, {"new.safetensors": b"once"})
    assert asked(hub, "PUT", "") == [500, 200]


def test_an_upload_that_is_cut_is_not_kept(hub, repo):
    hub.cut("request", method="PUT")
    push(repo, {"new.safetensors": WEIGHTS * 2})
    assert asked(hub, "PUT", "") == [0, 200]
    assert hub.files(repo)["new.safetensors"] == WEIGHTS * 2


def test_a_commit_cut_in_the_request_is_not_made(hub, repo):
    hub.cut("request", path="/commit/")
    with pytest.raises(TransportError):
        push(repo, {"new.txt": b"new"})
    assert "new.txt" not in hub.files(repo)


def test_a_commit_cut_in_the_answer_is_made(hub, repo):
    hub.cut("response", path="/commit/")
    with pytest.raises((TransportError, json.JSONDecodeError)):
        push(repo, {"new.txt": b"new"})
    assert hub.files(repo)["new.txt"] == b"new"


def test_a_download_that_is_cut_ends_early_and_leaves_nothing_wrong(hub, repo):
    hub.cut("response", method="GET", path="/lfs/", times=2)
    with pytest.raises(http.client.IncompleteRead):
        urllib.request.urlopen(f"{hub.url}/{repo}/resolve/main/model.safetensors").read()
    # The newer clients try again by themselves.
    with contextlib.suppress(TransportError):
        hf_hub_download(repo, "model.safetensors")
    assert Path(hf_hub_download(repo, "model.safetensors")).read_bytes() == WEIGHTS
    assert asked(hub, "GET", "/lfs/")[:3] == [200, 200, 200]


def test_a_slow_answer_outlasts_the_patience_of_a_client(hub, repo):
    hub.slow(30)
    start = time.monotonic()
    with pytest.raises(TransportError):
        api.repo_info(repo, timeout=0.2)
    assert time.monotonic() - start < 5


def test_no_token_is_right_any_more(hub, repo):
    hub.refuse_tokens()
    with pytest.raises(HfHubHTTPError, match="401"):
        api.repo_info(repo)
    with pytest.raises(HfHubHTTPError, match="401"):
        push(repo, {"new.txt": b"1"})
    hub.reset_faults()
    assert api.whoami()["name"] == "tester"
    assert len(hub.commits(repo)) == 2


def test_somebody_else_commits_between_reading_the_head_and_committing(hub, repo):
    before = hub.files(repo)
    hub.move_branch(repo)
    with pytest.raises(HfHubHTTPError, match="412"):
        push(repo, {"new.txt": b"1"}, parent_commit=api.repo_info(repo).sha)
    assert hub.files(repo) == {**before, "moved.txt": b"moved\n"}
    push(repo, {"new.txt": b"1"}, parent_commit=api.repo_info(repo).sha)
    assert hub.files(repo).keys() >= {"moved.txt", "new.txt"}


def test_a_hub_that_went_away_comes_back_with_its_repos(hub, repo):
    hub.stop()
    with pytest.raises(TransportError):
        api.repo_info(repo)
    hub.start()
    assert api.repo_info(repo).sha == hub.commits(repo)[-1].oid


def test_a_later_server_on_the_folder_has_the_repos(tmp_path):
    with HubServer(tmp_path) as first:
        first.create("grover/kept")
        first.commit("grover/kept", {"model.safetensors": WEIGHTS})
    with HubServer(tmp_path) as later:
        files = HfApi(endpoint=later.url, token=later.token).list_repo_files("grover/kept")
        assert sorted(files) == [".gitattributes", "model.safetensors"]
        assert later.files("grover/kept")["model.safetensors"] == WEIGHTS


DOWNLOAD = """
import json
from huggingface_hub import hf_hub_download
print("the last line counts")
print(json.dumps(open(hf_hub_download("REPO", "config.json")).read()))
"""


def test_a_fresh_process_loads_and_again_with_the_hub_away(hub, repo, in_fresh_process, tmp_path):
    script = tmp_path / "download.py"
    script.write_text(DOWNLOAD.replace("REPO", repo))
    assert in_fresh_process(script) == "{}"
    hub.stop()
    assert in_fresh_process(script.read_text(), offline=True) == "{}"
    with pytest.raises(AssertionError, match="LocalEntryNotFoundError"):
        in_fresh_process(script, offline=True, home="empty-home")


def test_what_is_wanted_of_other_hosts_is_refused_here(hub):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen("http://example.org/data")
    with pytest.raises(OSError, match="404"):
        urllib.request.urlopen("https://example.org/data")
    assert hub.outside == ["http://example.org/data", "example.org:443"]


def test_datasets_are_loaded_and_streamed_and_nothing_is_wanted_of_the_internet(hub, repo_id):
    from datasets import load_dataset

    api.create_repo(repo_id, repo_type="dataset")
    push(repo_id, {"train.csv": b"sequence,label\nACGT,1\n"}, repo_type="dataset")
    assert load_dataset(repo_id, split="train").to_list() == [{"sequence": "ACGT", "label": 1}]
    assert list(load_dataset(repo_id, split="train", streaming=True)) == [{"sequence": "ACGT", "label": 1}]
    # The viewer of datasets, which newer clients ask, is the Hub's too: as their proxy it has nothing to say.
    assert all("datasets-server.127.0.0.1" in address for address in hub.outside)
