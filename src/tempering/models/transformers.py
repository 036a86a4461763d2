"""Models of the transformers library, on CPU or CUDA. Knows nothing of sampling.

Weights load from safetensors only, and code that comes with a model is never run.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from tempering.errors import MissingExtraError, ModelError, ParameterError, PromptError
from tempering.models.base import Message, ModelInfo, Prefix
from tempering.models.chat import render_chat
from tempering.models.files import digest_of, refuse_other_vocabulary

DTYPES = ("float32", "bfloat16", "float16")
TOKENIZERS = {"vocab.json", "vocab.txt", "spiece.model"}
"""Files of tokenizers whose names do not begin with tokenizer."""

IDENTIFYING = {".safetensors", ".json", ".jinja", ".model"}
"""Files of a folder that make a model what it is."""

BLOCK = 64
"""The room of the texts grows by so many slots."""

Array = NDArray[np.float32]


def load(rest: str) -> TransformersModel:
    """Return the model of a folder or hub id, as in ``hf:./folder`` or ``hf:ORG/NAME?dtype=bfloat16&device=cuda``.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ModelError: the model cannot be found or loaded, or has layers whose memory cannot be shared and forked.
        ParameterError: an option is not known.
    """
    where, _, query = rest.partition("?")
    options = dict(parse_qsl(query))
    if unknown := options.keys() - {"dtype", "device"}:
        raise ParameterError(f"hf: has no option {min(unknown)!r}; options are dtype and device", field="model")
    if not where:
        raise ModelError("hf: needs a folder or a hub id, as in hf:./folder or hf:ORG/NAME")
    return TransformersModel(where, name=f"hf:{rest}", **options)


@dataclass(frozen=True)
class Cache:
    """Keys and values of one text, a pair a layer, each [1, heads, time, width]."""

    layers: tuple[tuple[Any, Any], ...]
    length: int

    @property
    def nbytes(self) -> int:
        """How much memory it holds."""
        return sum(part.nbytes for layer in self.layers for part in layer)


class TransformersModel:
    """A causal language model of transformers; a ``LogitsModel``.

    Args:
        where: a folder, or an id of the hub.
        name: what the model is called in results.
        dtype: float32 (on a CPU the default), bfloat16 or float16; else what the weights are stored in.
        device: as torch names it; CUDA where there is one unless given.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ModelError: the model cannot be found or loaded.
        ParameterError: dtype or device is not known.
    """

    def __init__(self, where: str, *, name: str, dtype: str | None = None, device: str | None = None) -> None:
        try:
            import torch  # noqa: PLC0415 - engines are loaded when used
            import transformers  # noqa: PLC0415
        except ImportError:
            raise MissingExtraError(
                f"{name}: needs torch and transformers: pip install 'tempering[transformers]'"
            ) from None
        if dtype is not None and dtype not in DTYPES:
            raise ParameterError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}", field="model")
        self.torch, self.transformers = torch, transformers
        _check_folder(where, name)
        try:
            self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
            kind = dtype or ("float32" if self.device.type == "cpu" else "auto")
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(where, trust_remote_code=False)
            self.network = transformers.AutoModelForCausalLM.from_pretrained(
                where, dtype=kind, use_safetensors=True, trust_remote_code=False
            )
            self.network.to(self.device).eval()
        except Exception as problem:  # the library raises OSError, ValueError, RuntimeError, KeyError and its own
            raise ModelError(f"{name}: {_short(problem)}") from None
        config = self.network.config.get_text_config()
        _refuse_other_layers(config, name)
        refuse_other_vocabulary(self.tokenizer.get_vocab().values(), int(config.vocab_size), name)
        parameters = inspect.signature(type(self.network).forward).parameters
        self.cache_word = "cache" if "cache" in parameters else "past_key_values"  # renamed in transformers 5.24
        precision = str(self.network.dtype).removeprefix("torch.")
        self.info = ModelInfo(
            name=name,
            identity=f"{name.partition('?')[0]}@{_digest(where, config)}+{precision}",
            vocabulary=int(config.vocab_size),
            context=int(config.max_position_embeddings),
            end_tokens=_end_tokens(self.network),
            details={
                "parameters": sum(p.numel() for p in self.network.parameters()),
                "engine": f"transformers {transformers.__version__}, torch {torch.__version__}, {self.device}",
            },
        )

    def encode(self, text: str) -> list[int]:
        """Return the ids of a prompt as the tokenizer begins a text; what spells a special token is text."""
        return list(self.tokenizer(text, split_special_tokens=True)["input_ids"])

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of a conversation in the tokenizer's own template, up to where the answer begins.

        Raises:
            ChatTemplateError: the tokenizer has no template, or it refuses the messages.
        """
        template = self.tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        begin, end = self.tokenizer.bos_token or "", self.tokenizer.eos_token or ""
        text = render_chat(template, messages, name=self.info.name, begin=begin, end=end)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of ids."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def prefill(self, tokens: Sequence[int]) -> Prefix:
        """Read a prompt once."""
        logits, cache = self._read(tokens, keep=1)
        layers = tuple((layer.keys, layer.values) for layer in cache.layers)
        return Prefix(tuple(tokens), _array(logits[0, -1]), Cache(layers, len(tokens)))

    def score(self, tokens: Sequence[int]) -> Array:
        """Return the logits after every token, shape [tokens, vocab]."""
        return _array(self._read(tokens, keep=0)[0][0])

    def batch(self, size: int) -> TransformersBatch:
        """Return room for ``size`` texts; it is taken as they come."""
        return TransformersBatch(self, size)

    def _read(self, tokens: Sequence[int], *, keep: int) -> tuple[Any, Any]:
        if not tokens:
            raise PromptError("the prompt is empty")
        if len(tokens) > self.info.context:
            context = self.info.context
            raise PromptError(f"the prompt has {len(tokens)} tokens; the context of {self.info.name} holds {context}")
        ids = self.torch.tensor([list(tokens)], device=self.device)
        cache = self.transformers.DynamicCache()
        with self.torch.inference_mode():
            out = self.network(ids, use_cache=True, logits_to_keep=keep, **{self.cache_word: cache})
        return out.logits, cache


class TransformersBatch:
    """Rows of texts with their caches: token i of a text stands in slot i of its row; a mask hides what lies behind.

    The slots are there before they are needed, so that a step writes one of them instead of copying all.
    """

    def __init__(self, model: TransformersModel, size: int) -> None:
        self.model, self.torch, self.size = model, model.torch, size
        self.lengths = np.zeros(size, dtype=np.int64)
        self.layers: list[Any] = []
        self.cache = model.transformers.Cache(layers=self.layers)
        self.at: Any = 0
        self.longest = 0

    def place(self, row: int, prefix: Prefix) -> None:
        """Begin a text in a row, after a prompt."""
        cache: Cache = prefix.cache
        if not self.layers:
            make = _slot_layer(self.model.transformers.cache_utils.DynamicLayer)
            self.layers += [make(self, keys[:, :, :0], values[:, :, :0]) for keys, values in cache.layers]
        self._reserve(row + 1, cache.length + 1)
        for layer, (keys, values) in zip(self.layers, cache.layers, strict=True):
            layer.keys[row, :, : cache.length] = keys[0]
            layer.values[row, :, : cache.length] = values[0]
        self.lengths[row] = cache.length

    def copy(self, source: int, target: int) -> None:
        """Make the target row the same text as the source row."""
        self._reserve(target + 1, 1)
        length = int(self.lengths[source])
        for layer in self.layers:
            layer.keys[target, :, :length] = layer.keys[source, :, :length]
            layer.values[target, :, :length] = layer.values[source, :, :length]
        self.lengths[target] = length

    def step(self, tokens: NDArray[np.int64]) -> Array:
        """Append one token to each of the first rows; return scores of the next."""
        torch, device, lengths = self.torch, self.model.device, self.lengths[: len(tokens)]
        self.longest = int(lengths.max())
        if self.longest >= self.model.info.context:
            raise PromptError(f"a text is longer than the context of {self.model.info.name}: {self.model.info.context}")
        self._reserve(len(tokens), self.longest + 1)
        with torch.inference_mode():
            positions = torch.as_tensor(lengths, device=device)[:, None]
            mask, self.at = None, self.longest
            if lengths.min() < self.longest:
                self.at = positions[:, 0]
                mask = (torch.arange(self.longest + 1, device=device) <= positions).long()
            ids = torch.as_tensor(tokens, device=device)[:, None]
            out = self.model.network(
                ids, attention_mask=mask, position_ids=positions, use_cache=True, **{self.model.cache_word: self.cache}
            )
        self.lengths[: len(tokens)] += 1
        return _array(out.logits[:, -1])

    def put(self, held: Any, new: Any) -> Any:
        """Write keys or values of a step, [rows, heads, 1, width], into their slots; return those of all slots."""
        if isinstance(self.at, int):
            held[: len(new), :, self.at] = new[:, :, 0]
        else:
            held[self.torch.arange(len(new)), :, self.at] = new[:, :, 0]
        return held[: len(new), :, : self.longest + 1]

    def _reserve(self, rows: int, slots: int) -> None:
        """Make room for so many rows and slots; what is empty is zero, as a hidden NaN would still be one."""
        held_rows, held_slots = self.layers[0].keys.shape[0], self.layers[0].keys.shape[2]
        if rows <= held_rows and slots <= held_slots:
            return
        rows = max(held_rows, min(2 * rows, self.size))
        slots = max(held_slots, -(-slots // BLOCK) * BLOCK)
        for layer in self.layers:
            layer.keys, layer.values = (self._grown(held, rows, slots) for held in (layer.keys, layer.values))

    def _grown(self, held: Any, rows: int, slots: int) -> Any:
        grown = held.new_zeros((rows, held.shape[1], slots, held.shape[3]))
        grown[: held.shape[0], :, : held.shape[2]] = held
        return grown


@once
def _slot_layer(base: Any) -> Any:
    """Return a layer of a cache that keeps its keys and values in the slots of a batch."""

    class SlotLayer(base):  # type: ignore[misc]
        def __init__(self, batch: TransformersBatch, keys: Any, values: Any) -> None:
            super().__init__()
            self.batch, self.keys, self.values, self.is_initialized = batch, keys, values, True

        def update(self, keys: Any, values: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
            return self.batch.put(self.keys, keys), self.batch.put(self.values, values)

        def get_seq_length(self, *_: Any) -> int:
            return self.batch.longest

    return SlotLayer


def _array(tensor: Any) -> Array:
    return np.asarray(tensor.float().cpu().numpy(), dtype=np.float32)


def _short(problem: Exception) -> str:
    said = " ".join(str(problem).split())[:300] or type(problem).__name__
    if type(problem).__name__ in {"SafetensorError", "JSONDecodeError"}:
        return f"a file is damaged or cut short; copy the model again from where it is from ({said})"
    return said


def _check_folder(where: str, name: str) -> None:
    """Check what the library would answer with a riddle: a path that is none, a folder that lacks a part."""
    folder = Path(where)
    if not folder.is_dir():
        if where.startswith((".", "/", "~")) or where.count("/") > 1 or folder.exists():
            raise ModelError(f"{name}: there is no folder {where}")
        return  # an id of the hub
    names = {path.name for path in folder.iterdir()}
    if "config.json" not in names:
        raise ModelError(f"{name}: the folder has no config.json, so it is no model of transformers")
    if not any(part.startswith("tokenizer") or part in TOKENIZERS for part in names):
        raise ModelError(f"{name}: the folder has no tokenizer (tokenizer.json); copy it from where the model is from")


def _refuse_other_layers(config: Any, name: str) -> None:
    """Check that every layer attends to the whole text: only then are slots free to hold any row's tokens."""
    kinds = set(getattr(config, "layer_types", None) or {"full_attention"})
    if other := kinds - {"full_attention"}:
        raise ModelError(f"{name}: has layers of kind {min(other)}; only full attention can be shared and forked here")


def _end_tokens(network: Any) -> tuple[int, ...]:
    ends = network.generation_config.eos_token_id
    if ends is None:
        ends = network.config.get_text_config().eos_token_id
    return () if ends is None else tuple(ends) if isinstance(ends, list | tuple) else (int(ends),)


def _digest(where: str, config: Any) -> str:
    """Return what tells these weights from others: the hub's commit, or a hash of the folder's files."""
    folder = Path(where)
    if not folder.is_dir():
        return str(getattr(config, "_commit_hash", None) or "unknown")[:12]
    return digest_of(path for path in folder.glob("*") if path.suffix in IDENTIFYING and path.is_file())
