"""GGUF models through llama.cpp's own library: its logits, not its samplers. Knows nothing of sampling.

A row is a sequence of llama.cpp with a stream of memory of its own: fastest, as a row attends to nothing but itself. A
prompt is read once and its saved state restored into every row that continues it; a fork is saved and restored too.
Rows have room for some tokens and get more when they need it.
"""

from __future__ import annotations

import ctypes
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
from tempering.models.cores import usable_cores
from tempering.models.files import digest_of

Array = NDArray[np.float32]

CACHES = {"float32": 0, "float16": 1}
"""Types of the cache that llama.cpp numbers so."""

ROOM = 256
"""Tokens by which the room of a text grows; llama.cpp rounds up to this anyway."""

MAX_ROWS = 256
"""The most sequences that llama.cpp decodes together."""

ERROR = 4
"""The level of an error in llama.cpp's log."""

OPTIONS = {"cache", "threads", "gpu_layers"}


def load(rest: str) -> LlamaCppModel:
    """Return the model of a GGUF file, as in ``gguf:./model.gguf`` or ``gguf:./model.gguf?cache=float32&threads=8``.

    Raises:
        MissingExtraError: llama-cpp-python is not installed.
        ModelError: there is no such file, it is damaged, or it is not a causal model.
        ParameterError: an option is not known or out of range.
    """
    where, _, query = rest.partition("?")
    options = dict(parse_qsl(query))
    if unknown := options.keys() - OPTIONS:
        known = ", ".join(sorted(OPTIONS))
        raise ParameterError(f"gguf: has no option {min(unknown)!r}; options are {known}", field="model")
    if not where:
        raise ModelError("gguf: needs a file, as in gguf:./model.gguf")
    numbers = {}
    for option in ("threads", "gpu_layers"):
        if option in options:
            try:
                numbers[option] = int(options[option])
            except ValueError:
                raise ParameterError(
                    f"{option} must be a whole number, got {options[option]!r}", field="model"
                ) from None
    return LlamaCppModel(Path(where), name=f"gguf:{rest}", cache=options.get("cache", "float16"), **numbers)


class LlamaCppModel:
    """A causal language model in a GGUF file; a ``LogitsModel``.

    Args:
        path: the file.
        name: what the model is called in results.
        cache: float16 (llama.cpp's default) or float32: the precision in which keys and values are kept.
        threads: how many to compute with; all cores that this process may use unless given.
        gpu_layers: how many layers to put on a GPU, if the library was built for one; all (-1) unless given.

    Raises:
        MissingExtraError: llama-cpp-python is not installed.
        ModelError: there is no such file, it is damaged, or it is not a causal model.
        ParameterError: an option is out of range.
    """

    def __init__(
        self, path: Path, *, name: str, cache: str = "float16", threads: int | None = None, gpu_layers: int = -1
    ) -> None:
        if cache not in CACHES:
            raise ParameterError(f"cache must be one of {', '.join(CACHES)}, got {cache!r}", field="model")
        if threads is not None and threads < 1:
            raise ParameterError(f"threads must be at least 1, got {threads}", field="model")
        _check_file(path, name)
        try:
            import llama_cpp  # noqa: PLC0415 - engines are loaded when used
        except ImportError:
            raise MissingExtraError(
                f"{name}: needs llama-cpp-python: pip install 'tempering[gguf]' (it compiles for some minutes)"
            ) from None
        self.library = library = llama_cpp
        self.log = _log(library)
        self.cache, self.threads = CACHES[cache], threads or usable_cores()
        library.llama_backend_init()
        params = library.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.check_tensors = True
        self.handle = library.llama_model_load_from_file(str(path).encode(), params)
        if not self.handle:
            raise ModelError(f"{name}: llama.cpp cannot load it: {self.log.last()}")
        if library.llama_model_has_encoder(self.handle) or not library.llama_model_has_decoder(self.handle):
            raise ModelError(f"{name}: is not a causal model")
        self.vocabulary = library.llama_model_get_vocab(self.handle)
        count = library.llama_vocab_n_tokens(self.vocabulary)
        self.info = ModelInfo(
            name=name,
            identity=f"{name.partition('?')[0]}@{digest_of([path])}+{cache}",
            vocabulary=count,
            context=library.llama_model_n_ctx_train(self.handle),
            end_tokens=tuple(t for t in range(count) if library.llama_vocab_is_eog(self.vocabulary, t)),
            details={
                "parameters": library.llama_model_n_params(self.handle),
                "engine": f"llama.cpp (llama-cpp-python {library.__version__}), {self._description()}",
            },
        )
        self.pieces: dict[int, bytes] = {}
        self.reader = _Context(self, rows=1, room=ROOM)
        self.idle: _Context | None = None

    def encode(self, text: str) -> list[int]:
        """Return the ids of a prompt as the file says that a text begins; what spells a special token is text."""
        return self._tokenize(text, begin=True, special=False)

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of a conversation in the file's own template, up to where the answer begins.

        Raises:
            ChatTemplateError: the file has no template, or it refuses the messages.
        """
        raw = self.library.llama_model_chat_template(self.handle, None)
        begin, end = (self._text_of(getattr(self.library, f"llama_vocab_{end}")) for end in ("bos", "eos"))
        template = raw.decode("utf-8", "replace") if raw else None
        text = render_chat(template, messages, name=self.info.name, begin=begin, end=end)
        return self._tokenize(text, begin=not (begin and text.startswith(begin)), special=True)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of ids; special tokens have none."""
        return b"".join(self._piece(int(token)) for token in tokens).decode("utf-8", "replace")

    def prefill(self, tokens: Sequence[int]) -> Prefix:
        """Read a prompt once."""
        logits = self._read(tokens, every=False)
        return Prefix(tuple(tokens), logits[-1], Cache(1, self.reader.state(0)))

    def score(self, tokens: Sequence[int]) -> Array:
        """Return the logits after every token, shape [tokens, vocab]."""
        return self._read(tokens, every=True)

    def batch(self, size: int) -> LlamaCppBatch:
        """Return room for at most 256 texts.

        Raises:
            ParameterError: size is above 256, the most that llama.cpp decodes together.
        """
        return LlamaCppBatch(self, size)

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            for context in (getattr(self, "reader", None), getattr(self, "idle", None)):
                if context is not None:
                    context.close()  # llama.cpp needs the model to free a context
            self.library.llama_model_free(self.handle)

    def _read(self, tokens: Sequence[int], *, every: bool) -> Array:
        if not tokens:
            raise PromptError("the prompt is empty")
        if len(tokens) > self.info.context:
            context = self.info.context
            raise PromptError(f"the prompt has {len(tokens)} tokens; the context of {self.info.name} holds {context}")
        if len(tokens) > self.reader.room:
            self.reader = _Context(self, rows=1, room=len(tokens))
        return self.reader.read(0, tokens, every=every)

    def _tokenize(self, text: str, *, begin: bool, special: bool) -> list[int]:
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        found = (ctypes.c_int32 * room)()
        count = self.library.llama_tokenize(self.vocabulary, data, len(data), found, room, begin, special)
        if count < 0:
            raise PromptError(f"{self.info.name} cannot turn the prompt into tokens")
        tokens = list(found[:count])
        ends_itself = begin and self.library.llama_vocab_get_add_eos(self.vocabulary)
        return tokens[:-1] if ends_itself and tokens else tokens

    def _piece(self, token: int) -> bytes:
        if token not in self.pieces:
            buffer = ctypes.create_string_buffer(64)
            count = self.library.llama_token_to_piece(self.vocabulary, token, buffer, 64, 0, False)
            if count < 0:
                buffer = ctypes.create_string_buffer(-count)
                count = self.library.llama_token_to_piece(self.vocabulary, token, buffer, -count, 0, False)
            self.pieces[token] = buffer.raw[: max(count, 0)]
        return self.pieces[token]

    def _text_of(self, token_of: Any) -> str:
        token = token_of(self.vocabulary)
        text = self.library.llama_vocab_get_text(self.vocabulary, token) if token >= 0 else b""
        return str(text.decode("utf-8", "replace"))

    def _description(self) -> str:
        buffer = ctypes.create_string_buffer(128)
        self.library.llama_model_desc(self.handle, buffer, 128)
        return buffer.value.decode("utf-8", "replace")


@dataclass
class Cache:
    """The saved state of a prompt. llama.cpp restores it only among as many streams as it was saved from."""

    streams: int
    state: ctypes.Array[ctypes.c_uint8]

    @property
    def nbytes(self) -> int:
        """How much memory it holds."""
        return len(self.state)


class LlamaCppBatch:
    """Rows of texts, each a sequence of one context; the next batch of as many rows gets the same context."""

    def __init__(self, model: LlamaCppModel, size: int) -> None:
        if size > MAX_ROWS:
            raise ParameterError(f"llama.cpp decodes at most {MAX_ROWS} texts together, got {size}", field="batch_size")
        self.model, self.size = model, size
        self.context: _Context | None = None
        self.rows, self.lengths = np.arange(size), np.zeros(size, dtype=np.int64)

    def place(self, row: int, prefix: Prefix) -> None:
        """Begin a text in a row, after a prompt."""
        context, cache = self._with_room(len(prefix.tokens) + 1), prefix.cache
        if cache.streams == self.size:
            context.restore(row, cache.state)
        else:
            context.read(row, prefix.tokens, every=False)
            cache.streams, cache.state = self.size, context.state(row)
        self.lengths[row] = len(prefix.tokens)

    def copy(self, source: int, target: int) -> None:
        """Make the target row the same text as the source row."""
        context = self._with_room(int(self.lengths[source]))
        context.restore(target, context.state(source))
        self.lengths[target] = self.lengths[source]

    def step(self, tokens: NDArray[np.int64]) -> Array:
        """Append one token to each of the first rows; return scores of the next."""
        count = len(tokens)
        self.lengths[count:] = 0
        lengths = self.lengths[:count]
        longest = int(lengths.max())
        if longest >= self.model.info.context:
            raise PromptError(f"a text is longer than the context of {self.model.info.name}: {self.model.info.context}")
        logits = self._with_room(longest + 1).decode(tokens, self.rows[:count], lengths, count)
        lengths += 1
        return logits

    def __del__(self) -> None:
        if getattr(self, "context", None) is not None:
            self.model.idle = self.context

    def _with_room(self, length: int) -> _Context:
        """Return a context whose rows have room for a length; what the old one holds moves into a larger one."""
        old = self.context
        if old is None and (idle := self.model.idle) is not None and idle.rows == self.size and length <= idle.room:
            self.context, self.model.idle = idle, None
            return idle
        if old is not None and length <= old.room:
            return old
        room = min(max(length + ROOM // 2, 2 * old.room if old else 0), max(length, self.model.info.context))
        self.context = _Context(self.model, rows=self.size, room=room)
        if old is not None:
            for row in np.flatnonzero(self.lengths).tolist():
                self.context.restore(row, old.state(row))
        return self.context


class _Context:
    """A context of llama.cpp: memory for some rows of some length, and the arrays in which tokens are handed over."""

    def __init__(self, model: LlamaCppModel, *, rows: int, room: int) -> None:
        library = model.library
        self.model, self.library, self.rows = model, library, rows
        self.room = -(-room // ROOM) * ROOM
        most = max(rows, ROOM)
        params = library.llama_context_default_params()
        params.n_ctx = self.room * rows
        params.n_seq_max = rows
        params.n_batch = params.n_ubatch = params.n_outputs_max = most
        params.n_outputs_max_per_seq = ROOM
        params.n_threads = params.n_threads_batch = model.threads
        params.kv_unified = False
        params.type_k = params.type_v = model.cache
        self.handle = library.llama_init_from_model(model.handle, params)
        if not self.handle:
            raise ModelError(
                f"{model.info.name}: llama.cpp cannot make room for {rows} texts of {self.room} tokens "
                f"({model.log.last()}); use a smaller batch"
            )
        self.memory = library.llama_get_memory(self.handle)
        self.tokens, self.positions, self.sequences = np.zeros((3, most), dtype=np.int32)
        self.one_each, self.wanted = np.ones(most, dtype=np.int32), np.zeros(most, dtype=np.int8)
        self.places = self.sequences.ctypes.data + np.arange(most, dtype=np.uintp) * self.sequences.itemsize
        given: dict[str, NDArray[Any]] = {
            "token": self.tokens,
            "pos": self.positions,
            "n_seq_id": self.one_each,
            "seq_id": self.places,
            "logits": self.wanted,
        }
        kinds, self.batch = dict(library.llama_batch._fields_), library.llama_batch()
        for name, array in given.items():
            setattr(self.batch, name, ctypes.cast(array.ctypes.data, kinds[name]))

    def close(self) -> None:
        """Free it."""
        if self.handle:
            self.library.llama_free(self.handle)
            self.handle = None

    def __del__(self) -> None:
        if getattr(self, "handle", None) and self.library.llama_free:
            self.close()

    def clear(self, sequence: int) -> None:
        self.library.llama_memory_seq_rm(self.memory, sequence, -1, -1)

    def read(self, sequence: int, tokens: Sequence[int], *, every: bool) -> Array:
        """Make a sequence these tokens; return the logits after every token, or after the last."""
        self.clear(sequence)
        ids, parts = np.asarray(tokens), []
        for start in range(0, len(ids), ROOM):
            part = ids[start : start + ROOM]
            wanted = len(part) if every else int(start + len(part) == len(ids))
            parts.append(self.decode(part, sequence, start + np.arange(len(part)), wanted))
        return np.concatenate(parts)

    def state(self, sequence: int) -> ctypes.Array[ctypes.c_uint8]:
        """Return the memory of a sequence."""
        size = self.library.llama_state_seq_get_size(self.handle, sequence)
        buffer: ctypes.Array[ctypes.c_uint8] = (ctypes.c_uint8 * size)()
        self.library.llama_state_seq_get_data(self.handle, buffer, size, sequence)
        return buffer

    def restore(self, sequence: int, state: ctypes.Array[ctypes.c_uint8]) -> None:
        """Make a sequence what ``state`` says."""
        self.clear(sequence)
        if not self.library.llama_state_seq_set_data(self.handle, state, len(state), sequence):
            raise ModelError(f"{self.model.info.name}: llama.cpp cannot restore a text: {self.model.log.last()}")

    def decode(
        self, tokens: NDArray[np.int64], sequences: NDArray[np.int64] | int, positions: NDArray[np.int64], wanted: int
    ) -> Array:
        """Compute tokens, each at a position of a sequence; return the logits after the last ``wanted`` of them."""
        count = len(tokens)
        self.batch.n_tokens = count
        self.tokens[:count], self.sequences[:count], self.positions[:count] = tokens, sequences, positions
        self.wanted[: count - wanted], self.wanted[count - wanted : count] = 0, 1
        if code := self.library.llama_decode(self.handle, self.batch):
            name, why = self.model.info.name, self.model.log.last()
            raise ModelError(f"{name}: llama.cpp failed with code {code}: {why}")
        logits = np.empty((wanted, self.model.info.vocabulary), dtype=np.float32)
        if wanted:
            ctypes.memmove(logits.ctypes.data, self.library.llama_get_logits(self.handle), logits.nbytes)
        return logits


class _Log:
    """Keeps what llama.cpp logs as a warning or error, instead of letting it write to the terminal."""

    def __init__(self, library: Any) -> None:
        self.lines: list[str] = []
        self.callback = library.llama_log_callback(self._note)
        library.llama_log_set(self.callback, None)

    def _note(self, level: int, text: bytes, _: object) -> None:
        line = " ".join(text.decode("utf-8", "replace").split())
        if level == ERROR and line:
            self.lines = [*self.lines[-7:], line]

    def last(self) -> str:
        """Return the errors since the last call, and forget them."""
        found, self.lines = self.lines, []
        return found[0][:300] if found else "it does not say why"


@once
def _log(library: Any) -> _Log:
    """Return the one log of the process: llama.cpp has one, and calls it for as long as the process lives."""
    return _Log(library)


def _check_file(path: Path, name: str) -> None:
    """Check what llama.cpp would answer with a riddle."""
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
    except OSError as problem:
        raise ModelError(f"{name}: cannot read {path}: {problem.strerror}") from None
    if magic != b"GGUF":
        raise ModelError(f"{name}: {path} is not a GGUF file")
