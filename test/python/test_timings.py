# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The stage table: where the time until a plan could run went."""

from __future__ import annotations

import attn

COMPILED = ["trace", "cache", "set up", "parse", "passes", "translate", "optimize", "codegen", "link", "load", "other"]


def make(cache_dir, monkeypatch):
    """The same plan, new to this process's memory."""
    from attn import compiler

    monkeypatch.setattr(compiler, "_programs", {})
    q = attn.spec((None, None, None, 12), "f32")
    return attn.compile(attn.attention, q, q, q, softcap=7.0)


def test_a_compiled_plan_has_every_stage(cache_dir, monkeypatch):
    plan = make(cache_dir, monkeypatch)
    times = plan.timings()
    assert times.source == "compiled" and list(times) == COMPILED
    assert all(ms >= 0 for ms in times.values())
    for stage in ("passes", "optimize", "codegen", "link", "load"):
        assert times[stage] > 0.01, stage
    # The stages are all of the time that the program says it took, and tracing.
    took = plan._program.seconds * 1e3
    assert abs(times.total - times["trace"] - took) <= 0.01 * took + 0.01


def test_a_plan_from_disk_has_no_compiler_in_it(cache_dir, monkeypatch):
    make(cache_dir, monkeypatch)
    times = make(cache_dir, monkeypatch).timings()
    assert times.source == "disk" and list(times) == ["trace", "cache", "load", "other"]
    assert times.total < 500


def test_without_a_cache_there_is_no_look_up(monkeypatch):
    from attn import cache

    monkeypatch.setattr(cache, "default_cache", lambda: None)
    times = make(None, monkeypatch).timings()
    assert list(times) == [s for s in COMPILED if s != "cache"]


def test_a_text_is_not_traced_and_a_file_only_loaded(cache_dir, monkeypatch, tmp_path):
    plan = make(cache_dir, monkeypatch)
    again = attn.compile(plan.mlir())  # the same text: the program of the plan
    assert "trace" not in again.timings() and again.timings()["passes"] == plan.timings()["passes"]
    plan.save(tmp_path / "plan.so")
    assert list(attn.load(tmp_path / "plan.so").timings()) == ["load"]


def test_the_table(cache_dir, monkeypatch):
    plan = make(cache_dir, monkeypatch)
    lines = str(plan.timings()).splitlines()
    assert [line[:10].strip() for line in lines] == ["stage", *COMPILED, "total"]
    total = float(lines[-1].split()[1])
    assert abs(total - sum(float(line[10:20]) for line in lines[1:-1])) < 0.1
    assert str(plan.timings()) not in plan.explain()
    told = plan.explain(timings=True)
    assert all(line in told for line in lines)
    q = attn.spec((None, None, None, 12), "f32")
    assert "stage" not in attn.explain(attn.attention, q, q, q, softcap=7.0)
    assert "codegen" in attn.explain(attn.attention, q, q, q, softcap=7.0, timings=True)
    assert "in ms: trace" in repr(plan.timings())
