"""Embeddings: an endpoint that answers, one that does not, and measures in a space that is known."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from tempering import Completion
from tempering.errors import MissingExtraError, ParameterError, ServerError
from tempering.measures import measure
from tempering.measures.base import Samples
from tempering.measures.embeddings import BATCH, Embedder, make_embedder

Make = Callable[..., Completion]


class _Endpoint(BaseHTTPRequestHandler):
    """Embeds a text as its length and 1, last text first; texts with 'bad' get none."""

    asked: list[dict[str, Any]] = []  # noqa: RUF012 - one list for the server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body | {"path": self.path})
        data = [{"index": place, "embedding": [len(text), 1]} for place, text in enumerate(body["input"])][::-1]
        if any("bad" in text for text in body["input"]):
            data = [{"index": 0}]
        answer = json.dumps({"data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    _Endpoint.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}/v1#small"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint_is_asked_for_each_text_once(endpoint: str) -> None:
    embed = make_embedder(endpoint)
    texts = [f"{'x' * place}" for place in range(BATCH + 3)]
    vectors = embed(texts)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.allclose(vectors[5] / vectors[5][1], [5, 1])
    assert np.allclose(embed(texts[:2]), vectors[:2])
    assert [len(body["input"]) for body in _Endpoint.asked] == [BATCH, 3]
    assert _Endpoint.asked[0]["path"] == "/v1/embeddings"
    assert _Endpoint.asked[0]["model"] == "small"
    with pytest.raises(ServerError, match="holds no embeddings"):
        embed(["a bad text"])


@pytest.mark.parametrize("name", ["", "http://127.0.0.1:1/v1", "hf:x", "sentence-transformers:", "letters"])
def test_what_is_no_embedder(name: str) -> None:
    with pytest.raises(ParameterError, match="embeddings must be"):
        make_embedder(name)


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install .tempering\[embeddings\]"):
        make_embedder("sentence-transformers:all-MiniLM-L6-v2")


def test_a_wrong_number_of_vectors_is_refused() -> None:
    with pytest.raises(ServerError, match="asked for 2 embeddings"):
        Embedder("short", lambda texts: np.ones((1, 3)))(["a", "b"])
    with pytest.raises(ServerError, match="asked for 1 embeddings"):
        Embedder("nan", lambda texts: np.full((1, 3), np.nan))(["a"])


def _axes(texts: Sequence[str]) -> Any:
    """Embed by the first letter: f, k and the rest are three axes."""
    return np.array([[text.startswith("f"), text.startswith("k"), text[:1] not in {"f", "k"}] for text in texts], float)


def test_measures_in_a_known_space(completion: Make) -> None:
    made = (
        completion("fox one. fox two. king three", "p", 0),
        completion("king a. king b. king c x", "p", 1),
        completion("fox a b c d e", "q", 0),
    )
    samples = Samples(made, {"p": "fox is the one to see"}, embed=Embedder("axes", _axes))
    assert measure("embedding_coherence").function(samples)[:2].tolist() == [0.5, 1]
    similarity = measure("embedding_similarity").function(samples)
    assert similarity[:2].tolist() == [1, 0]
    assert math.isnan(similarity[2])
    variety = measure("embedding_variety").function(samples)
    assert variety[0] == pytest.approx(1)
    assert np.isnan(variety[1:]).all()
