# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The SmolLM2 example: its parts, and its greedy text against the float64 reference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples.smollm2 import weights as model_weights  # noqa: E402
from examples.smollm2.attention import NumpyAttention, make_attention  # noqa: E402
from examples.smollm2.generate import PREFILL_CHUNK, compare, generate  # noqa: E402
from examples.smollm2.model import Model  # noqa: E402
from examples.smollm2.reference import Reference  # noqa: E402
from examples.smollm2.tokenizer import SmolLM2Tokenizer  # noqa: E402

BACKEND = "attn"
NEW_TOKENS = 64

# Raw and chat, short and longer than one prefill chunk, with digits, code and other scripts.
PROMPTS = {
    "fact": "The capital of France is",
    "story": "Once upon a time, in a small village by the sea, there lived",
    "digits": "The first ten square numbers are 1, 4, 9, 16, 25,",
    "code": "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "unicode": "Die größte Stadt der Schweiz heißt Zürich. 東京は",
    "long": "Attention is a weighted mean of values, and its weights come from a softmax. " * 20,
    "chat": None,
}


@pytest.fixture(scope="module")
def weights() -> model_weights.Weights:
    return model_weights.load()


@pytest.fixture(scope="module")
def tokenizer(weights: model_weights.Weights) -> SmolLM2Tokenizer:
    return SmolLM2Tokenizer(weights)


@pytest.fixture(scope="module")
def reference(weights: model_weights.Weights) -> Reference:
    return Reference(weights, keep=True)


@pytest.fixture(scope="module")
def attention(weights: model_weights.Weights):
    return make_attention(BACKEND, weights.config)


def prompt_ids(tokenizer: SmolLM2Tokenizer, name: str) -> list[int]:
    if name == "chat":
        return tokenizer.encode_chat("Name three colours, and say what each reminds you of.")
    return tokenizer.encode(PROMPTS[name])


# --- the main job -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROMPTS)
def test_greedy_text_is_the_float64_reference_text(
    name, weights, tokenizer, reference, attention, record_property
):
    prompt = prompt_ids(tokenizer, name)
    model = Model(weights, attention, len(prompt) + NEW_TOKENS)
    calls = attention.calls
    run = generate(model, prompt, NEW_TOKENS)
    result = compare(reference, run)
    print(
        f"{name}: {len(prompt)} + {result.steps} tokens, largest logit difference "
        f"{result.largest_difference:.2e}, {len(result.draws)} draws excepted"
    )
    record_property("largest_logit_difference", result.largest_difference)
    record_property("draws", len(result.draws))
    assert result.steps == NEW_TOKENS
    assert result.wrong == []
    assert result.largest_difference < 1e-3
    # Every layer of every pass went through the one compiled function.
    passes = -(-len(prompt) // PREFILL_CHUNK) + NEW_TOKENS - 1
    assert attention.calls - calls == weights.config.layers * passes


def test_reference_greedy_loop_agrees_with_the_comparison(
    weights, tokenizer, reference, attention
):
    """compare() argues by induction over one pass; this is the plain loop it stands for."""
    prompt = prompt_ids(tokenizer, "fact")
    run = generate(Model(weights, attention, len(prompt) + 6), prompt, 6)
    assert compare(reference, run).draws == []
    assert run.ids == reference.greedy(prompt, 6)


@pytest.mark.parametrize("fault", ["top left", "first key unseen", "heads swapped"])
def test_comparison_sees_a_wrong_attention(fault, weights, tokenizer, reference):
    exact = NumpyAttention()

    def wrong(q, k, v):
        if fault == "heads swapped":
            return np.ascontiguousarray(exact(np.ascontiguousarray(q[:, ::-1]), k, v)[:, ::-1])
        if fault == "top left":
            return exact(q, k[:, :, : q.shape[2]], v[:, :, : q.shape[2]])
        return exact(q, k[:, :, 1:], v[:, :, 1:]) if q.shape[2] == 1 else exact(q, k, v)

    prompt = prompt_ids(tokenizer, "fact")
    run = generate(Model(weights, wrong, len(prompt) + 8), prompt, 8)
    result = compare(reference, run)
    assert result.largest_difference > 0.1
    assert result.wrong


def test_comparison_counts_nan_as_a_difference(weights, tokenizer, reference):
    prompt = prompt_ids(tokenizer, "fact")
    run = generate(Model(weights, NumpyAttention(), len(prompt) + 1), prompt, 1)
    run.logits[0][7] = np.nan
    assert not compare(reference, run).largest_difference < 1e-3


def test_cache_gives_the_same_logits_in_any_steps(weights, tokenizer, attention):
    prompt = prompt_ids(tokenizer, "code")
    whole = Model(weights, attention, len(prompt)).forward(np.asarray(prompt))
    for sizes in ([1] * len(prompt), [3, 1, len(prompt) - 4]):
        model = Model(weights, attention, len(prompt) + 5)
        begin = 0
        for size in sizes:
            logits = model.forward(np.asarray(prompt[begin : begin + size]))
            begin += size
        np.testing.assert_allclose(logits, whole, atol=2e-4, rtol=0)


def test_model_refuses_to_outgrow_its_cache(weights):
    model = Model(weights, NumpyAttention(), 4)
    model.forward(np.arange(3))
    with pytest.raises(ValueError, match="expects 1 to 1 tokens to append, but got 2"):
        model.forward(np.arange(2))
    with pytest.raises(ValueError, match="expects a capacity of 1 to 8192 tokens, but got 8193"):
        Model(weights, NumpyAttention(), 8193)


# --- tokenizer --------------------------------------------------------------------------------


def test_every_digit_is_a_token(tokenizer):
    for text in ("2024", "10:45:09", "3.14159", "x = 1000000", "²³", "Ⅷ٣४"):
        cut = [tokenizer.decode([token]) for token in tokenizer.encode(text)]
        assert "".join(tokenizer.decode(tokenizer.encode(text))) == text
        assert not any(sum(c.isnumeric() for c in piece) > 1 for piece in cut), (text, cut)
    assert tokenizer.encode("2024") == [tokenizer.encode(digit)[0] for digit in "2024"]
    assert tokenizer.encode("²³") == tokenizer.encode("²") + tokenizer.encode("³")


def test_space_before_a_number_stays_alone(tokenizer, weights):
    pieces = [weights.vocabulary[token] for token in tokenizer.encode("in 1984")]
    assert pieces == ["in", "Ġ", "1", "9", "8", "4"]


def test_special_tokens_are_one_id_each(tokenizer, weights):
    assert len(weights.special) == 17
    for index in weights.special:
        assert tokenizer.encode(weights.vocabulary[index]) == [index]
    assert tokenizer.stops == {0, 2}


def test_chat_prompt_has_the_turns_of_the_template(tokenizer):
    ids = tokenizer.encode_chat("Hi")
    assert [token for token in ids if token < 17] == [1, 2, 1, 2, 1]
    assert tokenizer.decode(ids).endswith("\nuser\nHi\nassistant\n")


@settings(deadline=None, max_examples=200)
@given(text=st.text())
def test_text_survives_the_round_trip(tokenizer, text):
    text = "".join(char for char in text if char not in tokenizer.lost(text))
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_only_bytes_outside_the_vocabulary_are_lost(tokenizer):
    lost = [chr(4), chr(6), chr(0x13), chr(0x14), chr(0x16), chr(0x1D)]
    assert tokenizer.lost("".join(map(chr, range(0xD800)))) == lost
    edges = "\U0003ffff\U00040000\U000bffff\U000c0000"
    assert tokenizer.lost(edges) == ["\U00040000", "\U000bffff"]


def test_stream_yields_the_text_with_no_half_characters(tokenizer):
    text = "Zürich, 東京, 🦜🪿 and 1,234 — done"
    ids = tokenizer.encode(text)
    stream = tokenizer.stream()
    pieces = [stream.step(token) for token in ids]
    assert "".join(pieces) == text
    assert "" in pieces and not any("\ufffd" in piece for piece in pieces)


# --- weights ----------------------------------------------------------------------------------


@pytest.fixture
def small_gguf(tmp_path: Path):
    """A GGUF file with SmolLM2's fields and small tensors of its three storage types."""
    import gguf

    kinds = {
        "token_embd": gguf.GGMLQuantizationType.Q8_0,
        "blk.0.attn_q": gguf.GGMLQuantizationType.Q4_1,
        "blk.0.attn_k": gguf.GGMLQuantizationType.F32,
        "blk.0.attn_v": gguf.GGMLQuantizationType.Q8_0,
        "blk.0.ffn_gate": gguf.GGMLQuantizationType.Q4_1,
        "blk.0.ffn_up": gguf.GGMLQuantizationType.Q4_1,
    }

    def build(name: str = "small.gguf", architecture: str = "llama", extra: str = "") -> Path:
        path = tmp_path / name
        writer = gguf.GGUFWriter(str(path), architecture)
        writer.add_block_count(1)
        writer.add_embedding_length(64)
        writer.add_head_count(2)
        writer.add_head_count_kv(1)
        writer.add_rope_freq_base(1e5)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_context_length(32)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        writer.add_token_list(["<|endoftext|>", "a", "b", "ab"])
        writer.add_token_merges(["a b"])
        writer.add_token_types([3, 1, 1, 1])
        writer.add_eos_token_id(0)
        random = np.random.default_rng(3)
        for rows, (tensor, kind) in enumerate(kinds.items(), 4):
            values = random.standard_normal((rows, 64)).astype(np.float32)
            writer.add_tensor(f"{tensor}.weight", gguf.quantize(values, kind), raw_dtype=kind)
        writer.add_tensor(extra or "output_norm.weight", np.ones(64, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return build


def same(left: model_weights.Weights, right: model_weights.Weights) -> bool:
    return (
        left.config == right.config
        and left.vocabulary == right.vocabulary
        and left.tensors.keys() == right.tensors.keys()
        and all(np.array_equal(left[name], right[name]) for name in left.tensors)
    )


def test_quantised_blocks_are_what_the_format_says(small_gguf, tmp_path):
    import gguf

    def q4_1(raw: np.ndarray) -> np.ndarray:
        """32 values as a float16 step, a float16 offset and 16 bytes: low nibbles, then high."""
        block = raw.reshape(len(raw), 2, 20)
        step, offset = block[..., :4].copy().view(np.float16).astype(np.float32).transpose(2, 0, 1)
        nibbles = np.concatenate([block[..., 4:] & 15, block[..., 4:] >> 4], axis=-1)
        return (nibbles * step[..., None] + offset[..., None]).reshape(len(raw), 64)

    def q8_0(raw: np.ndarray) -> np.ndarray:
        """32 values as a float16 step and 32 signed bytes."""
        block = raw.reshape(len(raw), 2, 34)
        step = block[..., :2].copy().view(np.float16).astype(np.float32)
        return (block[..., 2:].view(np.int8) * step).reshape(len(raw), 64)

    path = small_gguf()
    loaded = model_weights.load(path, tmp_path / "cache")
    raw = {tensor.name[:-7]: tensor.data for tensor in gguf.GGUFReader(str(path)).tensors}
    np.testing.assert_array_equal(loaded["token_embd.weight"], q8_0(raw["token_embd"]).T)
    qkv = [q4_1(raw["blk.0.attn_q"]), raw["blk.0.attn_k"], q8_0(raw["blk.0.attn_v"])]
    np.testing.assert_array_equal(loaded["blk.0.attn_qkv.weight"], np.concatenate(qkv).T)
    gate_up = [q4_1(raw["blk.0.ffn_gate"]), q4_1(raw["blk.0.ffn_up"])]
    np.testing.assert_array_equal(loaded["blk.0.ffn_gate_up.weight"], np.concatenate(gate_up).T)


def test_second_start_maps_the_copy(small_gguf, tmp_path):
    from safetensors.numpy import load_file

    path, cache, said = small_gguf(), tmp_path / "cache", []
    first = model_weights.load(path, cache, said.append)
    second = model_weights.load(path, cache, said.append)
    assert len(said) == 1 and same(first, second)
    (copy,) = cache.iterdir()
    # Other tools can read it too.
    assert all(np.array_equal(values, first[name]) for name, values in load_file(copy).items())


@pytest.mark.parametrize("damage", ["truncated", "extended", "emptied", "foreign", "garbled"])
def test_damaged_copy_is_made_again(damage, small_gguf, tmp_path):
    path, cache, said = small_gguf(), tmp_path / "cache", []
    first = model_weights.load(path, cache)
    (copy,) = cache.iterdir()
    data = copy.read_bytes()
    digest = data.index(b'"source_sha256"') + 20
    copy.unlink()  # `first` still maps the old file; the damaged one takes its place.
    copy.write_bytes(
        {
            "truncated": data[:-4],
            "extended": data + bytes(4),
            "emptied": b"",
            "foreign": data[:digest] + b"ffffffff" + data[digest + 8 :],
            "garbled": data[:8] + b"?" + data[9:],
        }[damage]
    )
    assert same(model_weights.load(path, cache, said.append), first)
    assert len(said) == 1 and copy.read_bytes() == data


def test_unwritable_cache_costs_time_but_nothing_else(small_gguf, tmp_path):
    path, said = small_gguf(), []
    (tmp_path / "file").write_text("not a folder")
    loaded = model_weights.load(path, tmp_path / "file" / "cache", said.append)
    assert same(loaded, model_weights.load(path, tmp_path / "cache"))
    assert "could not be kept" in said[1]


def test_failed_write_leaves_nothing_behind(small_gguf, tmp_path, monkeypatch):
    path, cache, said = small_gguf(), tmp_path / "cache", []

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_weights.os, "replace", full)
    loaded = model_weights.load(path, cache, said.append)
    assert loaded["output_norm.weight"].shape == (64,)
    assert list(cache.iterdir()) == [] and "No space left" in said[1]


def test_other_models_are_refused(small_gguf, tmp_path):
    with pytest.raises(ValueError, match="general.architecture = 'llama', but got 'gemma'"):
        model_weights.load(small_gguf("gemma.gguf", architecture="gemma"), tmp_path / "cache")
    with pytest.raises(ValueError, match="expects untied.gguf to tie its output"):
        model_weights.load(small_gguf("untied.gguf", extra="output.weight"), tmp_path / "cache")


# --- command line -----------------------------------------------------------------------------


def cli_environment() -> dict[str, str]:
    """This process's own attn, wherever it was found."""
    import attn

    return {**os.environ, "PYTHONPATH": str(Path(attn.__file__).parents[1])}


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.smollm2", "--backend", BACKEND, *arguments],
        cwd=ROOT,
        env=cli_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_cli_prints_json_and_nothing_else(tokenizer):
    done = run_cli(PROMPTS["fact"], "--json", "--max-tokens", "40", "--threads", "1")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["backend"] == BACKEND and result["compile_source"] in ("compiled", "disk")
    assert result["prompt_ids"] == tokenizer.encode(PROMPTS["fact"])
    assert result["text"] == tokenizer.decode(result["ids"])
    # The model ends this text itself; test_cli_streams_the_text_past_the_end goes on.
    assert result["ended"] and len(result["ids"]) < 40 and result["ids"][-1] == 2
    assert 0 < result["attention_share"] < 1 and result["tokens_per_second"] > 0
    assert result["largest_logit_difference"] < 1e-3 and result["wrong"] == []


def test_cli_streams_the_text_past_the_end():
    done = run_cli(PROMPTS["fact"], "--ignore-eos", "--max-tokens", "40", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(PROMPTS["fact"]) and "Paris" in done.stdout
    assert "generated: 40 tokens" in done.stderr
    for phrase in ("tokens/s", "compile time", "% of the time", "largest logit difference"):
        assert phrase in done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([""], "expects a prompt of at least 1 token"),
        (["Hi", "--max-tokens", "8192"], "in 8192 positions, but got 1 tokens"),
        (["Hi", "--max-tokens", "0"], "expects --max-tokens of at least 1, but got 0"),
        (["Hi", "--threads", "0"], "expects --threads of at least 1, but got 0"),
        (["a\udcff"], "expects a prompt in UTF-8, but got other bytes"),
    ],
)
def test_cli_refuses(arguments, message):
    done = run_cli(*arguments)
    assert done.returncode in (1, 2) and done.stdout == ""
    assert message in done.stderr and "Traceback" not in done.stderr
