import ast
import http.server
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import urllib.parse
from types import SimpleNamespace

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from grover_hf.errors import InputError
from grover_hf.inference import endpoint as endpoint_handler
from grover_hf.inference import endpoint_source as handler_source
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.endpoint import EndpointHandler
from tests.tiny_models import random_dna, save, tiny_classifier, tiny_masked_model, tiny_tokenizer

LONG = random_dna(300)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A masked language model and a classifier."""
    folder = tmp_path_factory.mktemp("models")
    return SimpleNamespace(
        masked=save(folder / "masked", tiny_masked_model()), classes=save(folder / "classes", tiny_classifier())
    )


@pytest.fixture(scope="module")
def masked(folders):
    return EndpointHandler(str(folders.masked), max_bases=1_000, max_sequences=100)


@pytest.fixture(scope="module")
def classes(folders):
    return EndpointHandler(str(folders.classes))


@pytest.fixture(scope="module")
def dna(folders):
    return DnaModel.from_pretrained(folders.masked, device="cpu")


@pytest.fixture(scope="module")
def serve():
    """Serve a handler as huggingface-inference-toolkit does; return the address."""
    servers = []

    def start(handler) -> str:
        class Requests(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                in_url = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
                if in_url and "parameters" not in body:
                    body["parameters"] = in_url
                try:
                    status, answer = 200, handler(body)
                except Exception as error:
                    status, answer = 400, {"error": str(error)}
                content = json.dumps(answer, allow_nan=False).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *message):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Requests))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_client_fills_masks(serve, masked, dna):
    answers = InferenceClient(serve(masked)).fill_mask("ACGT[MASK]ACG", top_k=2)
    [expected] = dna.fill_mask(["ACGT[MASK]ACG"], top_k=2)
    assert [(answer.token, answer.token_str, answer.sequence) for answer in answers] == [
        (one["token"], one["token_str"], one["sequence"]) for one in expected
    ]
    assert [answer.score for answer in answers] == pytest.approx([one["score"] for one in expected], abs=1e-5)
    assert len(InferenceClient(serve(masked)).fill_mask("ACGT[MASK]ACG", targets=["TT"])) == 1


def test_the_client_gets_embeddings_of_one_sequence_and_of_several(serve, masked, dna):
    client = InferenceClient(serve(masked))
    np.testing.assert_allclose(client.feature_extraction(LONG), dna.embed([LONG])[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        client.feature_extraction([LONG, "ACGT"]), dna.embed([LONG, "ACGT"]), rtol=0, atol=1e-5
    )


def test_the_client_asks_for_another_pooling_in_the_address(serve, masked, dna):
    client = InferenceClient(f"{serve(masked)}/?task=feature-extraction&pooling=cls&layer=-2")
    expected = dna.embed([LONG], pooling="cls", layer=-2)[0]
    np.testing.assert_allclose(client.feature_extraction(LONG), expected, rtol=0, atol=1e-5)


def test_the_client_gets_classes(serve, classes, folders):
    client = InferenceClient(serve(classes))
    answers = client.text_classification(LONG)
    [expected] = DnaModel.from_pretrained(folders.classes, device="cpu").classify([LONG])
    assert [answer.label for answer in answers] == [one["label"] for one in expected]
    assert [answer.score for answer in answers] == pytest.approx([one["score"] for one in expected], abs=1e-5)
    assert sum(answer.score for answer in answers) == pytest.approx(1)
    assert len(client.text_classification(LONG, top_k=1)) == 1


def test_the_client_sees_what_was_wrong(serve, masked):
    client = InferenceClient(serve(masked))
    with pytest.raises(HfHubHTTPError) as caught:
        client.fill_mask("ACGU[MASK]")
    assert caught.value.response.status_code == 400
    message = "sequences[0] has 'U' at position 3: that is RNA; write T for U."
    assert caught.value.response.json() == {"error": message}
    with pytest.raises(HfHubHTTPError) as caught:
        client.feature_extraction(LONG, truncate=True)
    assert "feature-extraction knows no truncate; it takes pooling, layer." in caught.value.response.text


def test_the_answer_has_the_form_of_the_request(masked, classes):
    assert isinstance(masked({"inputs": "A[MASK]"})[0], dict)
    assert isinstance(masked({"inputs": "A[MASK]C[MASK]"})[0], list)
    assert [len(answers) for answers in masked({"inputs": ["A[MASK]", "C[MASK]"]})] == [5, 5]
    assert len(masked({"inputs": "ACG"})) == 32
    assert [len(vector) for vector in masked({"inputs": ["ACG"]})] == [32]
    assert classes({"inputs": "ACG"}) == classes({"inputs": ["ACG"]})
    assert len(classes({"inputs": "ACG", "task": "feature-extraction"})) == 32


def test_vectors_of_tokens_come_with_base_offsets(masked, dna):
    answer = masked({"inputs": "acgNtt", "parameters": {"task": "feature-extraction", "pooling": "token"}})
    [expected] = dna.embed_tokens(["acgNtt"])
    assert answer["starts"] == expected.starts.tolist()
    assert answer["ends"] == expected.ends.tolist()
    assert answer["input_ids"] == expected.input_ids.tolist()
    assert answer["embeddings"] == expected.vectors.tolist()
    assert json.loads(json.dumps(answer)) == answer


def test_a_request_without_a_task_means_what_can_be_meant(masked):
    vectors = masked({"inputs": "ACG"})
    assert masked({"inputs": "ACG", "parameters": {}, "task": None}) == vectors
    assert masked({"inputs": "ACG", "parameters": {"layer": "-1", "pooling": "mean"}}) == vectors
    assert masked({"inputs": "ACG", "layer": -1}) == vectors
    with pytest.raises(InputError, match=r"sequences\[0\] has no \[MASK\] to fill"):
        masked({"inputs": "ACG", "parameters": {"top_k": 3}})
    with pytest.raises(InputError, match=r"sequences\[1\] has no \[MASK\] to fill"):
        masked({"inputs": ["A[MASK]", "ACG"]})


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "has no inputs"),
        (7, "has no inputs"),
        ([{"inputs": "ACGT"}], "has no inputs"),
        (None, "has no inputs"),
        ({"inputs": ["A"] * 101}, "are 101 sequences; one request takes up to 100"),
        ({"inputs": "ACGT", "task": ["fill-mask"]}, r"no task \['fill-mask'\]; there are"),
        ({"inputs": "ACGT", "task": {"a": 1}}, "no task {'a': 1}; there are"),
        ({"inputs": {"text": "ACGT"}}, "a sequence or a list of them"),
        ({"inputs": 7}, "a sequence or a list of them"),
        ({"inputs": []}, "one sequence or more"),
        ({"inputs": ["ACGT", 7]}, r"sequences\[1\] is not a str of bases but int"),
        ({"inputs": ""}, "is empty"),
        ({"inputs": ">x\nACGT"}, "without a FASTA header"),
        ({"inputs": "ACGT", "parameters": ["top_k"]}, "parameters are an object"),
        ({"inputs": "A" * 1_001}, "1,001 letters; one request takes up to 1,000"),
        ({"inputs": ["A" * 600, "C" * 600]}, "1,200 letters"),
        ({"inputs": "ACGT", "task": "translation"}, "no task 'translation'; there are fill-mask, feature-ext"),
        ({"inputs": "ACGT", "task": "text-classification"}, "BertForMaskedLM has no classes"),
        ({"inputs": "A[MASK]", "parameters": {"k": 2}}, "fill-mask knows no k; it takes top_k, targets"),
        ({"inputs": "A[MASK]", "parameters": {"top_k": 2.5}}, "top_k is 2.5; it is a whole number"),
        ({"inputs": "A[MASK]", "parameters": {"top_k": True}}, "top_k is True; it is a whole number"),
        ({"inputs": "A[MASK]", "parameters": {"top_k": "many"}}, "top_k is 'many'; it is a whole number"),
        ({"inputs": "A[MASK]", "parameters": {"top_k": 0}}, "top_k is 0; it goes from 1"),
        ({"inputs": "A[MASK]", "parameters": {"targets": "T"}}, "targets is a list of tokens"),
        ({"inputs": "A[MASK]", "parameters": {"targets": [5]}}, "targets is a list of tokens"),
        ({"inputs": "ACGT", "parameters": {"pooling": "max"}}, "no pooling 'max'"),
        ({"inputs": "ACGT", "parameters": {"pooling": ["mean"]}}, r"no pooling \['mean'\]"),
        ({"inputs": "ACGT", "parameters": {"layer": 9}}, "layer is 9; this model has 0 to 2"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused(masked, request_, message):
    with pytest.raises(InputError, match=message):
        masked(request_)


def test_a_classifier_refuses_what_only_masked_models_do(classes):
    with pytest.raises(InputError, match="is not a masked language model"):
        classes({"inputs": "A[MASK]", "task": "fill-mask"})
    with pytest.raises(InputError, match="top_k is 0"):
        classes({"inputs": "ACGT", "parameters": {"top_k": 0}})


def test_a_model_without_a_head_embeds(tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.mask_token = None
    headless = EndpointHandler(str(save(tmp_path, tiny_masked_model().bert, tokenizer)))
    assert len(headless({"inputs": "ACGT"})) == 32
    with pytest.raises(InputError, match="BertModel with its tokenizer is not a masked language model"):
        headless({"inputs": "ACGT", "task": "fill-mask"})


@pytest.mark.parametrize("pooling", ["mean", "token", None])
def test_an_answer_that_is_too_large_is_refused(masked, monkeypatch, pooling):
    monkeypatch.setattr(endpoint_handler, "_MAX_ANSWER_CHARACTERS", 1_000)
    masked_often, two = {"inputs": "ACGTACGT[MASK]" * 20}, {"inputs": ["ACGT"] * 2, "pooling": pooling}
    request = masked_often if pooling is None else two
    with pytest.raises(InputError, match="The answer would have about .* up to 1,000: ask for fewer"):
        masked(request)


REQUESTS = [
    {"inputs": "ACGT[MASK]TTGG", "parameters": {"top_k": 3}},
    {"inputs": f"{LONG}[MASK]{LONG}", "parameters": {"targets": ["TT", "G"]}},
    {"inputs": "acgNNttRg"},
    {"inputs": [LONG, "ACGT"], "parameters": {"pooling": "cls", "layer": 1}},
    {"inputs": LONG.lower(), "parameters": {"pooling": "token"}},
    {"inputs": "ACGU"},
    {"inputs": "ACGT", "parameters": {"trunc": True}},
]

ALONE = """\
import importlib.util, json, sys

sys.modules["grover_hf"] = None  # so that no part of it can be imported
spec = importlib.util.spec_from_file_location("handler", sys.argv[1] + "/handler.py")
module = sys.modules["handler"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
answers = []
for folder, request in json.load(sys.stdin):
    try:
        answers.append(module.EndpointHandler(folder)(request))
    except ValueError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def floats_apart(text):
    """JSON without its floats, and these: threads may change their last digits."""
    floats = []
    return json.loads(text, parse_float=lambda number: floats.append(float(number))), floats


def test_the_generated_file_answers_alone_as_the_package_does(folders, tmp_path):
    (tmp_path / "handler.py").write_text(handler_source.handler_source())
    asked = [(str(folders.masked), request) for request in REQUESTS]
    asked += [(str(folders.classes), request) for request in ({"inputs": LONG}, {"inputs": "acgNN"})]
    run = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path)], input=json.dumps(asked), capture_output=True, text=True,
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, timeout=300,
    )
    assert run.returncode == 0, run.stderr[-2_000:]
    expected = []
    for folder, request in asked:
        try:
            expected.append(EndpointHandler(folder)(request))
        except InputError as error:
            expected.append(str(error))
    theirs, ours = (floats_apart(text) for text in (run.stdout, json.dumps(expected)))
    assert theirs[0] == ours[0]
    np.testing.assert_allclose(theirs[1], ours[1], rtol=0, atol=1e-5)
    assert len(ours[1]) > 1_000
    assert [type(answer) for answer in expected].count(str) == 2


def test_the_generated_file_is_tidy_and_says_what_made_it():
    source = handler_source.handler_source()
    assert "Generated by grover-hf 0." in source
    assert "import grover_hf" not in source
    assert "from grover_hf" not in source
    assert handler_source.handler_source() == source
    names = [node.name for node in ast.parse(source).body if hasattr(node, "name")]
    assert len(names) == len(set(names))
    assert {"InputError", "window_starts", "DnaModel", "EndpointHandler"} <= set(names)


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is for developers")
def test_ruff_finds_nothing_in_the_generated_file(tmp_path):
    (tmp_path / "handler.py").write_text(handler_source.handler_source())
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E4,E7,E9,F,I,W", "handler.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("from grover_hf._internals.files import atomic_write\n", "'grover_hf._internals.files', 'atomic_write'"),
        ("import grover_hf.masking\n", "grover_hf.masking"),
        ("from . import masking\n", "masking"),
        ("def f():\n    from grover_hf.model import grover_config\n", "would import .*grover_config"),
        ("def window_starts():\n    return 1\n", "window_starts is defined in .* and in another"),
    ],
)
def test_no_handler_is_made_that_could_not_run_alone(monkeypatch, tmp_path, added, message):
    for name in (name.replace(".", "/") for name in handler_source._MODULES):
        original = (handler_source._PACKAGE / f"{name}.py").read_text()
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").write_text(original + (f"\n\n{added}" if name.endswith("dna_model") else ""))
    monkeypatch.setattr(handler_source, "_PACKAGE", tmp_path)
    with pytest.raises(RuntimeError, match=message):
        handler_source.handler_source()


def test_requirements_bound_transformers_alone_for_an_endpoint_brings_its_torch():
    lines = handler_source.handler_requirements().splitlines()
    assert lines[:2] == ["numpy", "torch"]
    assert re.fullmatch(r"transformers(>=4[\d.]+,<6|<6,>=4[\d.]+)", lines[2])
    assert len(lines) == 3
