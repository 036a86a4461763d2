"""Turn an ONNX model folder of this project into one GGUF file for llama.cpp: the same weights and tokenizer.

Run: ``python training/to_gguf.py --model src/tempering/models/weights --out build/tempering-stories.gguf``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
from to_transformers import weights_of

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""Names of weights in transformers and in GGUF."""


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Return queries or keys for llama.cpp, which turns neighbours in a head where transformers turns halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def name_of(name: str) -> str:
    """Return the name in GGUF of a weight of transformers."""
    plain = name.removesuffix(".weight")
    if plain.startswith("model.layers."):
        _, _, layer, part = plain.split(".", 3)
        return f"blk.{layer}.{NAMES[part]}.weight"
    return f"{NAMES[plain]}.weight"


def write(
    weights: dict[str, np.ndarray], facts: dict[str, int | float | str], tokenizer: Path, out: Path, *, chat: str | None
) -> None:
    """Write the file; matrices keep their float16, vectors become float32 as llama.cpp wants them."""
    out.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(str(out), "llama")
    heads, width = int(facts["heads"]), int(facts["width"])
    writer.add_name(str(facts["name"]))
    writer.add_context_length(int(facts["context"]))
    writer.add_embedding_length(width)
    writer.add_block_count(int(facts["layers"]))
    writer.add_feed_forward_length(int(facts["hidden"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_dimension_count(width // heads)
    writer.add_rope_freq_base(float(facts["rope_theta"]))
    writer.add_layer_norm_rms_eps(float(facts["norm_eps"]))
    writer.add_vocab_size(int(facts["vocabulary"]))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    known = json.loads(tokenizer.read_text(encoding="utf-8"))
    by_id = sorted(known["model"]["vocab"], key=known["model"]["vocab"].__getitem__)
    special = {item["id"] for item in known["added_tokens"]}
    kinds = [gguf.TokenType.CONTROL if index in special else gguf.TokenType.NORMAL for index in range(len(by_id))]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in known["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(by_id)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    if chat:
        writer.add_chat_template(chat)
    for name, weight in weights.items():
        value = permuted(weight, heads) if name.endswith(("q_proj.weight", "k_proj.weight")) else weight
        writer.add_tensor(name_of(name), np.ascontiguousarray(value, np.float32 if value.ndim == 1 else value.dtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="folder with model.onnx")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--chat-template", type=Path, help="a Jinja template to put into the file")
    options = parser.parse_args()
    facts = json.loads((options.model / "model.json").read_text())
    chat = options.chat_template.read_text() if options.chat_template else None
    weights = weights_of(options.model / "model.onnx")
    write(weights, facts, options.model / "tokenizer.json", options.out, chat=chat)


if __name__ == "__main__":
    main()
