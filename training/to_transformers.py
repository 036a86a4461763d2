"""Turn an ONNX model folder of this project into the transformers layout: the same weights, nothing else needed.

Run: ``python training/to_transformers.py --model src/tempering/models/weights --out build/transformers``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file
from tokenizers import Tokenizer, processors

END_OF_TEXT = "<|endoftext|>"


def config_of(facts: dict[str, int | float]) -> dict[str, object]:
    """Return ``config.json`` as transformers' ``LlamaConfig`` reads it, from the facts of ``model.json``."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": facts["vocabulary"],
        "hidden_size": facts["width"],
        "num_hidden_layers": facts["layers"],
        "num_attention_heads": facts["heads"],
        "num_key_value_heads": facts["heads"],
        "head_dim": int(facts["width"] // facts["heads"]),
        "intermediate_size": facts["hidden"],
        "max_position_embeddings": facts["context"],
        "rope_theta": facts["rope_theta"],
        "rms_norm_eps": facts["norm_eps"],
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": "float16",
    }


def weights_of(path: Path) -> dict[str, np.ndarray]:
    """Return the weights of a graph by their names in transformers; joined matrices are taken apart."""
    weights: dict[str, np.ndarray] = {}
    for item in onnx.load(path).graph.initializer:
        value = numpy_helper.to_array(item)
        if item.name == "embed_tokens":
            weights["model.embed_tokens.weight"] = value
        elif item.name.startswith("model."):
            if value.ndim == 1:
                weights[f"{item.name}.weight"] = value
                continue
            prefix = ".".join(item.name.split(".")[:3]) + "."
            names = item.name.removeprefix(prefix).split("+")
            for name, part in zip(names, np.split(value.T, len(names)), strict=True):
                weights[f"{prefix}{name}.weight"] = np.ascontiguousarray(part)
    return weights


def write(weights: dict[str, np.ndarray], facts: dict[str, int | float], tokenizer: Path, folder: Path) -> None:
    """Write safetensors, config and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config_of(facts), indent=1) + "\n")
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT}
    (folder / "tokenizer_config.json").write_text(json.dumps(special, indent=1) + "\n")
    known = Tokenizer.from_file(str(tokenizer))
    known.post_processor = processors.TemplateProcessing(single=f"{END_OF_TEXT} $A", special_tokens=[(END_OF_TEXT, 0)])
    known.save(str(folder / "tokenizer.json"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="folder with model.onnx")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    facts = json.loads((options.model / "model.json").read_text())
    write(weights_of(options.model / "model.onnx"), facts, options.model / "tokenizer.json", options.out)


if __name__ == "__main__":
    main()
