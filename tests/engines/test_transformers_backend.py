"""The backend of transformers: it keeps the contract, agrees with ONNX Runtime, and refuses in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tempering import Completion, LogitsModel, Request, SamplingParams, fork_tree, load_model, read_text
from tempering.errors import ChatTemplateError, ModelError, ParameterError
from tempering.generation.decode import generate
from tempering.models.base import ChatModel, conversation, require_logits
from tempering.models.onnx import OnnxModel
from tempering.study.plan import make_plan
from tempering.study.run import run_study
from tempering.testing import check_model

pytestmark = [pytest.mark.engine("transformers"), pytest.mark.filterwarnings("ignore")]

PROMPT = "Once upon a time, there was a little girl who"


@pytest.fixture(scope="module")
def peer(folder: Path) -> LogitsModel:
    return require_logits(load_model(f"hf:{folder}?device=cpu"))


def test_it_keeps_the_contract(peer: LogitsModel) -> None:
    check_model(peer, tolerance=1e-3)


def test_it_agrees_with_the_embedded_model(model: OnnxModel, peer: LogitsModel) -> None:
    tokens = model.encode(PROMPT)
    assert peer.encode(PROMPT) == tokens
    assert peer.info.vocabulary == model.info.vocabulary
    assert peer.info.end_tokens == model.info.end_tokens
    assert np.abs(peer.score(tokens) - model.score(tokens)).max() < 1e-3
    settings = [SamplingParams(temperature=t, seed=2) for t in (0.0, 0.7, 1.2)]
    requests = [Request(PROMPT, params, sample, max_tokens=40) for params in settings for sample in range(3)]

    def texts(of: LogitsModel) -> list[Completion]:
        return sorted(generate(of, requests, batch_size=4), key=lambda c: (c.params.temperature, c.sample))

    ours, theirs = texts(model), texts(peer)
    assert [c.tokens for c in theirs] == [c.tokens for c in ours], "float32 rounding moves a draw once in millions"


def test_rows_come_and_go_and_each_text_is_as_if_it_were_alone(peer: LogitsModel) -> None:
    """Many short texts of unlike length through few rows: slots hold what other texts left behind."""
    requests = [Request(PROMPT, SamplingParams(seed=1), s, max_tokens=6 + s % 25) for s in range(40)]
    together = {c.sample: c.tokens for c in generate(peer, requests, batch_size=3)}
    for request in requests[::13]:
        [alone] = generate(peer, [request])
        assert together[request.sample] == alone.tokens


def test_everything_runs_on_it(peer: LogitsModel, tmp_path: Path) -> None:
    plan = make_plan({"prompts": [PROMPT], "temperatures": [0, 1], "samples": 2, "max_tokens": 12})
    results = run_study(plan, peer, tmp_path / "run")
    assert results.manifest.model.startswith("hf:")
    tree = fork_tree(peer, Request(PROMPT, max_tokens=5), highest=1.0)
    assert tree.tokens_at(0.0) == results.completions[0].tokens[:5]
    assert read_text(peer, PROMPT, results.completions[0].text).temperature == 0


def test_other_precisions_say_so(folder: Path) -> None:
    half = require_logits(load_model(f"hf:{folder}?dtype=bfloat16&device=cpu"))
    assert half.info.identity.endswith("+bfloat16")
    assert half.score(half.encode(PROMPT)).dtype == np.float32
    with pytest.raises(ParameterError, match="dtype must be one of"):
        load_model(f"hf:{folder}?dtype=int8")
    with pytest.raises(ParameterError, match="no option 'color'"):
        load_model(f"hf:{folder}?color=red")


def test_what_cannot_be_used_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("hf:", f"hf:{tmp_path}/missing", f"hf:{folder}?device=nonsense"):
        with pytest.raises(ModelError) as caught:
            load_model(name)
        assert "\n" not in str(caught.value)
    for lost, said in (("tokenizer*", r"has no tokenizer \(tokenizer\.json\)"), ("config.json", "has no config.json")):
        part = tmp_path / lost.strip("*")
        shutil.copytree(folder, part)
        for path in part.glob(lost):
            path.unlink()
        with pytest.raises(ModelError, match=said):
            load_model(f"hf:{part}")
    for cut in ("model.safetensors", "tokenizer.json"):
        part = tmp_path / f"cut-{cut}"
        shutil.copytree(folder, part)
        (part / cut).write_bytes((folder / cut).read_bytes()[:1000])
        with pytest.raises(ModelError, match="a file is damaged or cut short; copy the model again"):
            load_model(f"hf:{part}")
    with pytest.raises(ModelError, match="there is no folder"):
        load_model(f"hf:{tmp_path}/missing")
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    words = json.loads((other / "tokenizer.json").read_text())
    words["model"]["vocab"]["zzzz"] = 4096
    (other / "tokenizer.json").write_text(json.dumps(words))
    with pytest.raises(ModelError, match="ids up to 4096, but the model only 4096 logits"):
        load_model(f"hf:{other}")
    pickled = tmp_path / "pickled"
    shutil.copytree(folder, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelError):
        load_model(f"hf:{pickled}")
    sliding = tmp_path / "sliding"
    shutil.copytree(folder, sliding)
    config = json.loads((sliding / "config.json").read_text())
    kinds = ["sliding_attention"] * config["num_hidden_layers"]
    config |= {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "layer_types": kinds, "sliding_window": 8}
    config |= {"use_sliding_window": True}
    (sliding / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="only full attention"):
        load_model(f"hf:{sliding}")


def test_the_identity_is_that_of_the_files(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)

    def digest(where: Path) -> str:
        return load_model(f"hf:{where}?device=cpu").info.identity.partition("@")[2]

    before = digest(folder)
    assert digest(copy) == before
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-6}))
    assert digest(copy) != before


def test_a_conversation_goes_through_the_tokenizers_template(
    folder: Path, peer: LogitsModel, tmp_path: Path, chat_template: str
) -> None:
    assert isinstance(peer, ChatModel)
    with pytest.raises(ChatTemplateError, match="has no chat template"):
        peer.encode_chat(conversation("Hello"))
    taught = tmp_path / "taught"
    shutil.copytree(folder, taught)
    (taught / "chat_template.jinja").write_text(chat_template)
    model = require_logits(load_model(f"hf:{taught}?device=cpu"))
    assert isinstance(model, ChatModel)
    tokens = model.encode_chat(conversation("Hello, who are you?"))
    assert tokens.count(0) == 1
    assert model.decode(tokens) == "user: Hello, who are you?\nassistant:"
    with pytest.raises(ChatTemplateError, match="no system messages"):
        model.encode_chat(conversation("Hello", "Be kind."))
