"""The plan: flags and files, ranges, and refusals in one line that names the key."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tempering.errors import UsageError
from tempering.study.plan import StudyPlan, make_plan, read_plan_file, temperatures_of
from tempering.study.prompts import Prompt, read_prompts


def test_the_built_in_plan_is_the_promised_one() -> None:
    plan = StudyPlan()
    assert plan.temperatures == (0, 0.3, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.5, 2.0)
    assert len(plan.prompts) * plan.samples >= 24
    assert plan.max_tokens == 160


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:2:0.5", (0, 0.5, 1, 1.5, 2)),
        ("0:1:0.3", (0, 0.3, 0.6, 0.9)),
        ("0.1:0.3:0.1", (0.1, 0.2, 0.3)),
        ("1", (1.0,)),
        ("0, 1 2", (0, 1, 2)),
        ("[0, inf]", (0, math.inf)),
        (0.5, (0.5,)),
    ],
)
def test_temperatures_are_read(text: str, expected: tuple[float, ...]) -> None:
    assert temperatures_of(text) == expected


@pytest.mark.parametrize("text", ["abc", "0:1", "0:1:0", "0:1:-1", "1:0:0.5", "", "0:1e9:0.1", "0:inf:1", "nan:1:0.1"])
def test_bad_temperatures_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="temperatures"):
        temperatures_of(text)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"samples": 0}, "samples: input should be greater than or equal to 1, got 0"),
    ({"samples": 1.5}, "samples"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"prompts": []}, "prompts"),
    ({"prompts": ["  "]}, "is empty"),
    ({"prompts": [""]}, "prompts"),
    ({"prompts": ["a", "a"]}, "two prompts have the id"),
    ({"temperatures": [-1]}, r"temperature must be in \[0, inf\], got -1"),
    ({"temperatures": ["nan"]}, "temperature must be a number, got nan"),
    ({"temperatures": "abc"}, "temperatures must be numbers"),
    ({"temperatures": []}, "temperatures"),
    ({"temperatures": [1, 1.0]}, "given twice"),
    ({"seed": -1}, "seed"),
    ({"name": "../x"}, "name"),
    ({"model": ""}, "model"),
    ({"tempratures": [1]}, "tempratures: extra inputs"),
    ({"params": {"top_p": 0}}, r"top_p must be in \(0, 1\], got 0"),
    ({"params": {"temperature": 1}}, "temperature is a key of the plan"),
    ({"params": {"top_q": 1}}, "unknown sampling field 'top_q'"),
    ({"grader": "nothing"}, "grader must be one of exact"),
    ({"prompts": [{"id": "a", "text": "b", "expected": [None]}]}, "expected"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=[json.dumps(values) for values, _ in BAD])
def test_a_bad_plan_is_one_line_that_names_the_key(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        make_plan(values)
    assert "\n" not in str(caught.value)


def test_a_plan_survives_json() -> None:
    params = {"top_p": 0.9, "order": ["top_p", "temperature"]}
    plan = make_plan({"temperatures": "0,1,inf", "params": params, "prompts": ["é"]})
    assert StudyPlan.model_validate_json(plan.model_dump_json()) == plan
    assert plan.params_at(math.inf).order == ("top_p", "temperature")
    assert plan.differences(make_plan({})) == ["prompts", "temperatures", "params"]


def test_a_prompt_keeps_its_noise_wherever_it_stands() -> None:
    first, second = make_plan({"prompts": ["a", "b"]}), make_plan({"prompts": ["b", "c", "a"]})
    assert {p.text: p.id for p in first.prompts}.items() <= {p.text: p.id for p in second.prompts}.items()


def test_prompt_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One\n\nTwo é\n")
    (tmp_path / "b.jsonl").write_text('{"text": "One"}\n{"id": 7, "text": "Two\\nlines"}\n"Three"\n')
    (tmp_path / "c.yaml").write_text("- One\n- {id: x, text: Two}\n")
    assert [p.text for p in read_prompts(tmp_path / "a.txt")] == ["One", "Two é"]
    assert [(p.id, p.text) for p in read_prompts(tmp_path / "b.jsonl")][1:2] == [("7", "Two\nlines")]
    assert [p.text for p in read_prompts(tmp_path / "c.yaml")] == ["One", "Two"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.txt", None, "No such file"),
        ("empty.txt", b"\n\n", "holds no prompt"),
        ("bytes.txt", b"\xff\xfe\x00", "not UTF-8"),
        ("bad.jsonl", b'{"text": "a"}\n{"txt": "b"}\n', "prompt 2: expected a text"),
        ("bad.yaml", b"a: [", "not YAML"),
    ],
)
def test_bad_prompt_files_are_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_prompts(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_plan_file_may_name_a_prompt_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("One\nTwo\n")
    (tmp_path / "plan.yaml").write_text("prompts: p.txt\ntemperatures: 0:1:0.5\nsamples: 2\nparams: {top_p: 0.9}\n")
    plan = make_plan(read_plan_file(tmp_path / "plan.yaml"))
    assert [p.text for p in plan.prompts] == ["One", "Two"]
    assert plan.temperatures == (0, 0.5, 1), "YAML 1.1 would read 0:1:0.5 as a number to the base of 60"
    (tmp_path / "forms.yaml").write_text("temperatures: [1e-3, 0, .5, 2.]\nseed: 12\n")
    assert make_plan(read_plan_file(tmp_path / "forms.yaml")).temperatures == (0, 0.001, 0.5, 2)
    for content, message in (("- a\n", "must hold keys"), ("a: [", "not YAML")):
        (tmp_path / "bad.yaml").write_text(content)
        with pytest.raises(UsageError, match=message):
            read_plan_file(tmp_path / "bad.yaml")


def test_prompts_may_be_conversations(tmp_path: Path) -> None:
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    path = tmp_path / "chat.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in ({"messages": asked}, {"id": "b", "text": "Why?"})))
    first, second = read_prompts(path)
    assert [message.role for message in first.messages] == ["system", "user"]
    plan = make_plan({"prompts": [first, second]})
    assert make_plan(json.loads(plan.model_dump_json())) == plan
    chat = plan.as_chat("Be brief.")
    assert chat.prompts[0] == first, "a conversation is left as it is"
    assert chat.prompts[1].id == "b"
    assert chat.prompts[1].messages == first.messages
    assert plan.differences(chat) == ["prompts"]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({"id": "a"}, "needs a text or messages"),
        ({"id": "a", "text": "x", "messages": [{"role": "user", "content": "y"}]}, "not both"),
        ({"id": "a", "messages": [{"role": "robot", "content": "y"}]}, "role"),
    ],
)
def test_a_bad_conversation_is_refused(prompt: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_plan({"prompts": [prompt]})


def test_expected_answers_from_every_kind_of_file(tmp_path: Path) -> None:
    lines = [{"text": "2+2=", "expected": 4}, {"text": "3+3=", "expected": ["6", "six"], "id": "s"}, {"text": "Hi"}]
    (tmp_path / "p.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    (tmp_path / "p.json").write_text(json.dumps(lines))
    (tmp_path / "p.csv").write_text('id,text,expected\n,2+2=,4\ns,3+3=,6 | six\n,"Hi",\n')
    for name in ("p.jsonl", "p.json", "p.csv"):
        prompts = read_prompts(tmp_path / name)
        assert [prompt.expected for prompt in prompts] == [("4",), ("6", "six"), ()]
        assert [prompt.id for prompt in prompts] == [Prompt.of("2+2=").id, "s", Prompt.of("Hi").id]
    plan = make_plan({"prompts": read_prompts(tmp_path / "p.csv"), "grader": "number"})
    assert plan.expected["s"] == ("6", "six")
    assert len(plan.expected) == 2
    assert plan.as_chat("Be brief.").expected == plan.expected
    assert StudyPlan.model_validate_json(plan.model_dump_json()) == plan


def test_a_csv_without_texts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("question,expected\n2+2,4\n")
    with pytest.raises(UsageError, match="needs a first line with the columns text"):
        read_prompts(tmp_path / "p.csv")
    (tmp_path / "p.csv").write_text("text,expected\n,4\n")
    with pytest.raises(UsageError, match="prompt 1: expected a text"):
        read_prompts(tmp_path / "p.csv")


def test_the_file_of_a_grader_is_beside_the_plan(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    for spec, key, place in (
        ("grade.py:f", "function", f"{tmp_path / 'grade.py'}:f"),
        ("json_schema:s.json", "file", str(tmp_path / "s.json")),
        ("package.module:f", "function", "package.module:f"),
    ):
        plan.write_text(f"grader: '{spec}'\n")
        assert read_plan_file(plan)["grader"][key] == place
    plan.write_text("grader: number:0.5\n")
    assert make_plan(read_plan_file(plan)).grader == {"kind": "number", "tolerance": "0.5"}


def test_how_texts_are_measured_is_no_other_plan() -> None:
    plan = make_plan({"prompts": ["Hi"]})
    other = {
        "prompts": [{"id": Prompt.of("Hi").id, "text": "Hi", "expected": "x"}],
        "grader": "exact",
        "corpus": "c.txt",
    }
    assert plan.differences(make_plan(other | {"judge": "embedded", "judge_temperature": 1, "reread": True})) == []
    assert plan.differences(make_plan({"prompts": ["Ho"]})) == ["prompts"]
    with pytest.raises(UsageError, match="judge_temperature"):
        make_plan({"judge_temperature": -1})


def test_a_corpus_is_beside_the_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("corpus: texts\nreferences: good.txt\n")
    values = read_plan_file(tmp_path / "plan.yaml")
    assert (values["corpus"], values["references"]) == (str(tmp_path / "texts"), str(tmp_path / "good.txt"))
