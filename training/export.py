"""Export trained weights: safetensors in the transformers layout, and ONNX with a key-value cache.

Run: ``python training/export.py --data build/embedded --out build/export``. Both hold the same weights, rounded to
float16 once, so that every engine computes with the same numbers.

The ONNX graph (standard operators, opset 17; sizes in ``model.json``), for layers i and capacity C of the cache:

    tokens [B, S] int64, positions [B, S] int64   what to feed, and where each token stands
    cached [B, C] float32                         1 where a slot of the cache is filled, 0 where it is not
    keys_i [B, H, D, C], values_i [B, H, C, D]    the cache; slots may be filled in any order, positions are inside
    -> logits [B, S, V], new_keys_i [B, H, D, S], new_values_i [B, H, S, D]

The graph returns the new keys and values instead of a grown cache: the caller owns the cache and writes them into it,
so a step copies S slots and not C. Attention looks at the new tokens first and the cache after them; scores of unfilled
slots are lowered by 1e9, so their weights are exactly zero and the capacity changes no bit of a result.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
from model import Shape
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from to_transformers import write

OPSET = 17
NAME = "tempering-stories"


class Graph:
    """Collects nodes and weights; ``add`` returns the name of a node's (first) output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: object) -> str:
        name = f"{operator.lower()}_{len(self.nodes)}"
        names = [name] if outputs == 1 else [f"{name}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=name, **attributes))
        return names[0]

    def split(self, name: str, parts: int) -> list[str]:
        first = self.add("Split", name, outputs=parts, axis=-1)
        return [f"{first[:-2]}.{i}" for i in range(parts)]

    def constant(self, name: str, value: np.ndarray) -> str:
        if not any(weight.name == name for weight in self.weights):
            self.weights.append(numpy_helper.from_array(value, name))
        return name

    def whole(self, *values: int) -> str:
        return self.constant("i" + "_".join(map(str, values)), np.array(values, dtype=np.int64))

    def number(self, value: float) -> str:
        return self.constant(f"f{value!r}", np.array(value, dtype=np.float32))

    def weight(self, name: str, value: np.ndarray) -> str:
        """Store as float16, compute in float32: the runtime folds the cast when it loads the file."""
        return self.add("Cast", self.constant(name, value.astype(np.float16)), to=TensorProto.FLOAT)


def normalised(graph: Graph, x: str, weight: str, eps: float) -> str:
    square = graph.add("Mul", x, x)
    mean = graph.add("ReduceMean", square, axes=[-1], keepdims=1)
    root = graph.add("Sqrt", graph.add("Add", mean, graph.number(eps)))
    return graph.add("Mul", graph.add("Div", x, root), weight)


def rotated(graph: Graph, x: str, cos: str, sin: str) -> str:
    first, second = graph.split(x, 2)
    turned = graph.add("Concat", graph.add("Neg", second), first, axis=-1)
    return graph.add("Add", graph.add("Mul", x, cos), graph.add("Mul", turned, sin))


def build(weights: dict[str, np.ndarray], shape: Shape) -> onnx.ModelProto:
    """Return the graph of a decoder."""
    graph, heads, size = Graph(), shape.heads, shape.width // shape.heads
    embedding = graph.weight("embed_tokens", weights["model.embed_tokens.weight"])
    angle = np.arange(shape.context)[:, None] * shape.rope_theta ** (-np.arange(0, size, 2) / size)
    angle = np.concatenate([angle, angle], axis=1)
    cos, sin = (
        graph.add(
            "Unsqueeze",
            graph.add("Gather", graph.constant(name, table.astype(np.float32)), "positions"),
            graph.whole(1),
        )
        for name, table in (("cos", np.cos(angle)), ("sin", np.sin(angle)))
    )
    # Penalties on scores, [B, 1, S, S + C]: later new tokens and unfilled slots.
    later = graph.add(
        "Greater",
        graph.add("Unsqueeze", "positions", graph.whole(1)),
        graph.add("Unsqueeze", "positions", graph.whole(2)),
    )
    new_mask = graph.add("Mul", graph.add("Cast", later, to=TensorProto.FLOAT), graph.number(-1e9))
    new_mask = graph.add("Unsqueeze", new_mask, graph.whole(1))
    old_mask = graph.add("Mul", graph.add("Sub", graph.number(1.0), "cached"), graph.number(-1e9))
    old_mask = graph.add("Unsqueeze", old_mask, graph.whole(1, 2))
    count = graph.add("Shape", "positions", start=1, end=2)
    x = graph.add("Gather", embedding, "tokens")
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}."

        def matrix(*names: str, at: str = prefix) -> str:
            joined = np.concatenate([weights[f"{at}{name}.weight"] for name in names]).T
            return graph.weight(at + "+".join(names), np.ascontiguousarray(joined))

        def norm(name: str, at: str = prefix) -> str:
            return graph.weight(at + name, weights[f"{at}{name}.weight"])

        inner = normalised(graph, x, norm("input_layernorm"), shape.norm_eps)
        three = graph.add("MatMul", inner, matrix("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"))
        q, k, v = (
            graph.add("Transpose", graph.add("Reshape", part, graph.whole(0, 0, heads, size)), perm=[0, 2, 1, 3])
            for part in graph.split(three, 3)
        )
        q = graph.add("Mul", rotated(graph, q, cos, sin), graph.number(size**-0.5))
        graph.nodes.append(
            helper.make_node("Transpose", [rotated(graph, k, cos, sin)], [f"new_keys_{layer}"], perm=[0, 1, 3, 2])
        )
        graph.nodes.append(helper.make_node("Identity", [v], [f"new_values_{layer}"]))
        new = graph.add("Add", graph.add("MatMul", q, f"new_keys_{layer}"), new_mask)
        old = graph.add("Add", graph.add("MatMul", q, f"keys_{layer}"), old_mask)
        share = graph.add("Softmax", graph.add("Concat", new, old, axis=-1), axis=-1)
        ends = graph.constant("far", np.array([2**40], dtype=np.int64))
        on_new = graph.add("Slice", share, graph.whole(0), count, graph.whole(3))
        on_old = graph.add("Slice", share, count, ends, graph.whole(3))
        seen = graph.add("Add", graph.add("MatMul", on_new, v), graph.add("MatMul", on_old, f"values_{layer}"))
        merged = graph.add("Reshape", graph.add("Transpose", seen, perm=[0, 2, 1, 3]), graph.whole(0, 0, shape.width))
        x = graph.add("Add", x, graph.add("MatMul", merged, matrix("self_attn.o_proj")))
        inner = normalised(graph, x, norm("post_attention_layernorm"), shape.norm_eps)
        gate, up = graph.split(graph.add("MatMul", inner, matrix("mlp.gate_proj", "mlp.up_proj")), 2)
        gate = graph.add("Mul", gate, graph.add("Sigmoid", gate))
        x = graph.add("Add", x, graph.add("MatMul", graph.add("Mul", gate, up), matrix("mlp.down_proj")))
    x = normalised(graph, x, graph.weight("model.norm", weights["model.norm.weight"]), shape.norm_eps)
    unembedding = graph.add("Transpose", embedding, perm=[1, 0])
    graph.nodes.append(helper.make_node("MatMul", [x, unembedding], ["logits"]))

    def value(name: str, kind: int, *sizes: str | int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, list(sizes))

    number, cache = TensorProto.FLOAT, range(shape.layers)
    inputs = [value("tokens", TensorProto.INT64, "B", "S"), value("positions", TensorProto.INT64, "B", "S")]
    inputs.append(value("cached", number, "B", "C"))
    inputs += [value(f"keys_{i}", number, "B", heads, size, "C") for i in cache]
    inputs += [value(f"values_{i}", number, "B", heads, "C", size) for i in cache]
    outputs = [value("logits", number, "B", "S", shape.vocabulary)]
    outputs += [value(f"new_keys_{i}", number, "B", heads, size, "S") for i in cache]
    outputs += [value(f"new_values_{i}", number, "B", heads, "S", size) for i in cache]
    proto = helper.make_graph(graph.nodes, NAME, inputs, outputs, graph.weights)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="tempering")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with tokenizer.json")
    parser.add_argument("--checkpoint", type=Path, help="folder with model.safetensors and shape.json; else the data's")
    parser.add_argument("--out", type=Path, required=True, help="folder to write onnx/ and transformers/ to")
    options = parser.parse_args()
    checkpoint = options.checkpoint or options.data
    shape = Shape(**json.loads((checkpoint / "shape.json").read_text()))
    weights = {name: value.astype(np.float16) for name, value in load_file(checkpoint / "model.safetensors").items()}
    if bad := [name for name, value in weights.items() if not np.isfinite(value).all()]:
        raise SystemExit(f"{bad[0]} does not fit into float16")

    folder = options.out / "onnx"
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(build({name: value.astype(np.float32) for name, value in weights.items()}, shape), folder / "model.onnx")
    facts = {"format": 1, "name": NAME, "begin_tokens": [0], "end_tokens": [0]}
    facts |= {"parameters": sum(value.size for value in weights.values())} | asdict(shape)
    write(weights, facts, options.data / "tokenizer.json", options.out / "transformers")
    (folder / "model.json").write_text(json.dumps(facts, indent=1) + "\n")
    shutil.copy(options.data / "tokenizer.json", folder)
    print(f"{folder}: {sum(f.stat().st_size for f in folder.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
