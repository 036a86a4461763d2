"""Models in ONNX with a key-value cache, run by ONNX Runtime on the CPU. Knows nothing of sampling.

The interface of the graph is written down in ``training/export.py``, which makes such a folder: ``model.onnx``,
``tokenizer.json`` and ``model.json``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from tempering.errors import ModelError, PromptError
from tempering.models.base import ModelInfo, Prefix
from tempering.models.cores import usable_cores
from tempering.models.files import refuse_other_vocabulary

FORMAT = 1
BLOCK = 64
"""The cache grows by so many slots. Capacity changes no bit of a result as long as the last slot stays empty."""

Array = NDArray[np.float32]


class ModelFile(BaseModel):
    """``model.json``: the sizes that the runtime needs."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: int
    name: str
    parameters: int
    vocabulary: int
    width: int
    layers: int
    heads: int
    context: int
    begin_tokens: tuple[int, ...]
    end_tokens: tuple[int, ...]


@dataclass(frozen=True)
class Cache:
    """Keys [layers, heads, width, time] and values [layers, heads, time, width] of one text."""

    keys: Array
    values: Array

    @property
    def length(self) -> int:
        """How many tokens the text has."""
        return int(self.keys.shape[-1])

    @property
    def nbytes(self) -> int:
        """How much memory it holds."""
        return self.keys.nbytes + self.values.nbytes


def load(folder: str) -> OnnxModel:
    """Return the model in a folder.

    Raises:
        ModelError: the folder is missing, incomplete, or not a model of this form; the message says which.
    """
    if not folder:
        raise ModelError("onnx: needs a folder, as in onnx:./folder")
    return OnnxModel(Path(folder), name=f"onnx:{folder}")


class OnnxModel:
    """A decoder in ONNX; a ``LogitsModel``.

    Args:
        folder: holds ``model.onnx``, ``tokenizer.json`` and ``model.json``.
        name: what the model is called in results.

    Raises:
        ModelError: a file is missing or is not what it should be.
    """

    def __init__(self, folder: Path, *, name: str) -> None:
        import onnxruntime  # noqa: PLC0415 - engines are loaded when used
        from tokenizers import Tokenizer  # noqa: PLC0415

        digest = hashlib.sha256()
        try:
            for part in ("model.onnx", "tokenizer.json", "model.json"):
                digest.update((folder / part).read_bytes())
            self.file = ModelFile.model_validate_json((folder / "model.json").read_bytes())
            self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self.tokenizer.encode_special_tokens = True  # a prompt that spells an end mark is text, not the mark
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = usable_cores()
            options.log_severity_level = 3
            self.session = onnxruntime.InferenceSession(
                (folder / "model.onnx").read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except OSError as problem:
            raise ModelError(f"{name}: cannot read {problem.filename or folder}: {problem.strerror}") from None
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ModelError(f"{name}: model.json, {where}: {first['msg']}") from None
        except Exception as problem:  # tokenizers and onnxruntime raise plain or private classes
            raise ModelError(f"{name}: {' '.join(str(problem).split())[:300]}") from None
        if self.file.format != FORMAT:
            raise ModelError(f"{name}: model.json has format {self.file.format}, this version reads {FORMAT}")
        refuse_other_vocabulary(self.tokenizer.get_vocab().values(), self.file.vocabulary, name)
        self.info = ModelInfo(
            name=name,
            identity=f"{self.file.name}@{digest.hexdigest()[:12]}",
            vocabulary=self.file.vocabulary,
            context=self.file.context,
            end_tokens=self.file.end_tokens,
            details={"parameters": self.file.parameters, "engine": f"onnxruntime {onnxruntime.__version__}, CPU"},
        )

    def encode(self, text: str) -> list[int]:
        """Return the ids of a prompt, after the mark that begins a text."""
        return [*self.file.begin_tokens, *self.tokenizer.encode(text, add_special_tokens=False).ids]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of ids."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def prefill(self, tokens: Sequence[int]) -> Prefix:
        """Read a prompt once."""
        logits, cache = self._read(tokens)
        return Prefix(tuple(tokens), logits[-1].copy(), cache)

    def score(self, tokens: Sequence[int]) -> Array:
        """Return the logits after every token, shape [tokens, vocab]."""
        return self._read(tokens)[0]

    def batch(self, size: int) -> OnnxBatch:
        """Return room for ``size`` texts."""
        return OnnxBatch(self, size)

    def _read(self, tokens: Sequence[int]) -> tuple[Array, Cache]:
        context = self.file.context
        if not tokens:
            raise PromptError("the prompt is empty")
        if len(tokens) > context:
            raise PromptError(f"the prompt has {len(tokens)} tokens; the context of {self.info.name} holds {context}")
        file, size = self.file, self.file.width // self.file.heads
        ids = np.array([tokens], dtype=np.int64)
        keys = np.zeros((file.layers, 1, file.heads, size, BLOCK), np.float32)
        values = np.zeros((file.layers, 1, file.heads, BLOCK, size), np.float32)
        cached = np.zeros((1, BLOCK), np.float32)
        logits, new_keys, new_values = self.run(ids, np.arange(len(tokens))[None], cached, keys, values)
        return logits[0], Cache(np.stack(new_keys)[:, 0], np.stack(new_values)[:, 0])

    def run(
        self, tokens: NDArray[np.int64], positions: NDArray[np.int64], cached: Array, keys: Array, values: Array
    ) -> tuple[Array, list[Array], list[Array]]:
        """Run the graph; return logits and each layer's new keys and values."""
        layers = self.file.layers
        feeds: dict[str, Any] = {"tokens": tokens, "positions": positions, "cached": cached}
        for layer in range(layers):
            feeds[f"keys_{layer}"], feeds[f"values_{layer}"] = keys[layer], values[layer]
        out = self.session.run(None, feeds)
        return out[0], out[1 : 1 + layers], out[1 + layers :]


class OnnxBatch:
    """Rows of texts with their caches, which grow as the longest text does."""

    def __init__(self, model: OnnxModel, size: int) -> None:
        self.model = model
        self.lengths = np.zeros(size, dtype=np.int64)
        self.keys, self.values, self.cached = self._empty(BLOCK)

    def _empty(self, capacity: int) -> tuple[Array, Array, Array]:
        file, rows = self.model.file, len(self.lengths)
        size = file.width // file.heads
        keys = np.zeros((file.layers, rows, file.heads, size, capacity), np.float32)
        values = np.zeros((file.layers, rows, file.heads, capacity, size), np.float32)
        return keys, values, np.zeros((rows, capacity), np.float32)

    def _reserve(self, length: int) -> None:
        """Make room for texts of ``length`` tokens and an empty last slot."""
        held = self.cached.shape[1]
        if length < held:
            return
        keys, values, cached = self._empty((length // BLOCK + 1) * BLOCK)
        keys[..., :held], values[..., :held, :], cached[:, :held] = self.keys, self.values, self.cached
        self.keys, self.values, self.cached = keys, values, cached

    def place(self, row: int, prefix: Prefix) -> None:
        """Begin a text in a row, after a prompt."""
        cache: Cache = prefix.cache
        self._reserve(cache.length)
        self.keys[:, row, :, :, : cache.length] = cache.keys
        self.values[:, row, :, : cache.length] = cache.values
        self.cached[row] = np.arange(self.cached.shape[1]) < cache.length
        self.lengths[row] = cache.length

    def copy(self, source: int, target: int) -> None:
        """Make the target row the same text as the source row."""
        for array in (self.keys, self.values):
            array[:, target] = array[:, source]
        self.cached[target], self.lengths[target] = self.cached[source], self.lengths[source]

    def step(self, tokens: NDArray[np.int64]) -> Array:
        """Append one token to each of the first rows; return scores of the next."""
        count = len(tokens)
        rows, lengths = np.arange(count), self.lengths[:count]
        longest = int(lengths.max()) + 1
        if longest > self.model.file.context:
            raise PromptError(f"a text is longer than the context of {self.model.info.name}: {self.model.file.context}")
        self._reserve(longest)
        logits, new_keys, new_values = self.model.run(
            tokens[:, None], lengths[:, None], self.cached[:count], self.keys[:, :count], self.values[:, :count]
        )
        for layer, (keys, values) in enumerate(zip(new_keys, new_values, strict=True)):
            self.keys[layer, rows, :, :, lengths] = keys[..., 0]
            self.values[layer, rows, :, lengths] = values[:, :, 0]
        self.cached[rows, lengths] = 1
        self.lengths[:count] += 1
        return logits[:, 0]
