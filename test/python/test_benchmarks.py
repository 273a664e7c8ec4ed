# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The benchmarks: what they compute is what they say, and their verdicts can be bad ones."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import figures_check  # noqa: E402

from benchmarks import bench, cases, inputs, plot, questions, reference, report, rounds  # noqa: E402
from benchmarks.cases import Case  # noqa: E402
from benchmarks.peers import FOREIGN, Unsupported, attn_peer, numpy_peer  # noqa: E402
from benchmarks.questions import Row  # noqa: E402
from benchmarks.rounds import Arena, Peer, PeerDied, Readings  # noqa: E402

SMALL = Case("small", 4, 2, 192, 192, 32)
KINDS = {
    "full": SMALL,
    "causal": SMALL.but("causal", causal=True),
    "cross causal": SMALL.but("cross", queries=100, causal=True),
    "window": SMALL.but("window", window=(20, 5)),
    "documents": SMALL.but("documents", documents=5),
    "blocks": SMALL.but("blocks", queries=512, keys=512, blocks=0.25),
    "softcap": SMALL.but("softcap", score="softcap"),
    "alibi causal": SMALL.but("alibi", score="alibi", causal=True),
    "decode": SMALL.but("decode", queries=1),
    "bf16": SMALL.but("bf16", dtype="bf16"),
    "f16 causal": SMALL.but("f16", dtype="f16", causal=True),
    "batch": SMALL.but("batch", batch=3, queries=16, keys=16),
    "pages": SMALL.but("pages", queries=1, page=16),
    "pages shuffled": SMALL.but("pages", queries=1, page=16, shuffled=True),
    "lengths": SMALL.but("lengths", queries=130, keys=130, lengths=(100, 1, 29), causal=True),
    "lengths apart": SMALL.but("lengths", queries=130, keys=130, lengths=(100, 1, 29), causal=True, separate=True),
}


def dense(case: Case) -> np.ndarray:
    """All of a case, the plain way."""
    q, k, v = (x.astype(np.float64) for x in inputs.arrays(case))
    k, v = (np.repeat(x, case.group, axis=1) for x in (k, v))
    scores = q @ k.swapaxes(2, 3) / np.sqrt(case.dim)
    if case.score == "softcap":
        scores = 3.0 * np.tanh(scores / 3.0)
    elif case.score == "alibi":
        scores = scores + inputs.bias(case).astype(np.float64)
    scores = np.where(inputs.visible(case, np.arange(case.queries)), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights @ v / weights.sum(-1, keepdims=True)


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_counted_and_the_reference_is_attention(kind: str):
    case = KINDS[kind]
    assert case.pairs == inputs.visible(case, np.arange(case.queries)).sum()
    rows = reference.sample_rows(case)
    exact, largest = reference.attention(case, rows)
    np.testing.assert_allclose(exact, dense(case)[:2][:, :, rows], rtol=0, atol=1e-12)
    assert largest > 1


@pytest.mark.parametrize("kind", KINDS)
def test_attn_computes_the_case(kind: str):
    case = KINDS[kind]
    judge = reference.Judge()
    (variant,) = attn_peer.variants(case)
    result = np.array(variant.result(variant.run()))[:, :, reference.sample_rows(case)].astype(np.float64)
    error, allowed = judge.error(case, result)
    assert error <= allowed
    # A wrong number is found, in whatever row it stands, and NaN too.
    result[0, -1, 1 if case.queries > 1 else 0, 3] += 0.05
    error, allowed = judge.error(case, result)
    assert error > allowed
    result[0, 0, 0, 0] = np.nan
    assert judge.error(case, result)[0] == np.inf


def test_block_lists_keep_their_share():
    for share in (0.25, 0.0625):
        case = SMALL.but("blocks", queries=4096, keys=4096, blocks=share)
        assert case.kept == pytest.approx(share)


def test_numpy_refuses_what_it_does_not_compute():
    with pytest.raises(Unsupported, match="numpy computes f32"):
        next(iter(numpy_peer.variants(KINDS["bf16"])))


def test_gradients_are_unsupported_until_attn_has_them():
    import attn

    case = SMALL.but("backward", kv_heads=4, causal=True, backward=True)
    if hasattr(attn, "attention_grad"):
        (variant,) = attn_peer.variants(case)
        got = variant.result(variant.run())[:1, :, reference.sample_rows(case)]
        error, allowed = reference.Judge().error(case, got)
        assert error <= allowed
    else:
        with pytest.raises(Unsupported, match="attention_grad"):
            attn_peer.gradients(SMALL, *inputs.arrays(SMALL))


def test_reference_gradients_are_derivatives(monkeypatch):
    """Of the sum of out * dout, by differences."""
    case = Case("tiny", 1, 1, 7, 7, 3, causal=True, backward=True)
    rows = np.arange(7)
    exact = reference.gradients(case, rows)
    q, k, v = (x.astype(np.float64) for x in inputs.arrays(case))
    for at, name in enumerate("qkv"):
        moved = {"q": q, "k": k, "v": v}
        for row, axis in ((0, 0), (3, 1), (6, 2)):
            sides = []
            for step in (1e-6, -1e-6):
                x = moved[name].copy()
                x[0, 0, row, axis] += step
                arrays = {**moved, name: x}
                monkeypatch.setattr(inputs, "arrays", lambda case, a=arrays: (a["q"], a["k"], a["v"]))
                sides.append((reference.attention(case, rows)[0] * inputs.dout(case)).sum())
            monkeypatch.undo()
            assert exact[0, 0, row, 3 * at + axis] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-6)


# ---- verdicts -----------------------------------------------------------------------------------


def test_rows_judge_both_ways():
    assert Row("r", 0.8, 0.75, gate=0.6).reached and Row("r", 0.8, 0.75, gate=0.6).held
    low = Row("r", 0.7, 0.75, gate=0.6)
    assert low.reached is False and low.held is True
    assert Row("r", 0.5, 0.75, gate=0.6).held is False
    assert Row("r", 2.0, 3.0, most=True).reached and Row("r", 3.1, 3.0, most=True).reached is False
    assert Row("r", None, 1.0, gate=1.0).reached is None and Row("r", None, 1.0, gate=1.0).held is None
    wrong = Row("r", 0.8, 0.75, gate=0.6, wrong=True)
    assert wrong.reached is False and wrong.held is False


class FakeArena(Arena):
    """Reads what it is told: seconds of a call of attn, of any other."""

    own, other, here, stop_at, refuses = 1e-3, 2e-3, True, None, ""

    def __init__(self, *arguments: object):
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.ran: list[str] = []

    def absent(self, peer: str) -> str | None:
        return None if self.here or peer not in FOREIGN else "torch is not installed (make bench-peers)"

    def versions(self) -> dict[str, str]:
        return {}

    def run(self, name, entrants, probes):
        if name == self.stop_at:
            raise KeyboardInterrupt
        type(self).log.append(name)
        if self.refuses:
            return Readings(absent={"attn": self.refuses})
        case = entrants["attn"][1]
        r = Readings(peaks={p: [case.flops / self.own / 0.9] for p in probes})
        for label, (peer, _) in entrants.items():
            if self.absent(peer):
                r.absent[label] = str(self.absent(peer))
                continue
            r.times[label] = [self.own if label == "attn" else self.other]
            r.variants[label] = "only way"
        if "read" in probes:
            r.peaks["read"] = [case.kv_bytes / self.own]
        return r

    log: list[str] = []


def test_rounds_fit_the_budget():
    def rounds(most: int, budget: float) -> int:
        return Arena(ROOT / "build", most, budget, lambda text: None).rounds_of(0.5)

    assert rounds(12, 4.0) == 8 and rounds(12, 100.0) == 12
    assert rounds(12, 0.1) == 3 and rounds(2, 0.1) == 2
    assert rounds(30, float("inf")) == 30  # --rounds: never fewer


def fake_calls(arena: Arena) -> Readings:
    return Readings(times={"cold": [0.5], "warm": [0.01], "repeat": [5e-6]})


def run_bench(monkeypatch: pytest.MonkeyPatch, *arguments: str, **settings: object) -> int:
    kind = type("Fake", (FakeArena,), {**settings, "log": []})
    monkeypatch.setattr(bench, "Arena", kind)
    monkeypatch.setattr(questions.compiling, "calls", fake_calls)
    monkeypatch.setattr(questions.compiling, "resources",
                        lambda arena: Readings(figures={"lengths": 0, "workspace": 0.001}))
    monkeypatch.setattr(sys, "argv", ["bench.py", *arguments])
    run_bench.log = kind.log  # type: ignore[attr-defined]
    return bench.main()


def test_readme_finds_its_figures(monkeypatch, capsys):
    """What README's patterns look for is printed by a run without options."""
    assert run_bench(monkeypatch) == 0
    text = capsys.readouterr().out
    blocks = [b for b in figures_check.parse((ROOT / "README.md").read_text()) if b.command.endswith("bench.py")]
    assert blocks
    for block in blocks:
        assert figures_check.check(block, text) == []


def test_check_fails_where_a_gate_does(monkeypatch, capsys):
    assert run_bench(monkeypatch, "--check", "--only", "prefill,varlen") == 0
    assert "every row reaches its target" in capsys.readouterr().out
    assert run_bench(monkeypatch, "--check", "--only", "prefill,varlen", other=1e-4) == 1
    assert "FALLS SHORT" in capsys.readouterr().out
    # Without --check the same is told, and is no error.
    assert run_bench(monkeypatch, "--only", "prefill,varlen", other=1e-4) == 0


def test_what_attn_refuses_is_told_and_breaks_a_gate(monkeypatch, capsys):
    assert run_bench(monkeypatch, "--only", "shapes", refuses="not there yet") == 0
    assert capsys.readouterr().out.count("not judged (not there yet)") == len(cases.SHAPES)
    with pytest.raises(SystemExit, match="attn does not compute 'prefill d64 n1024 full'.*: not there yet"):
        run_bench(monkeypatch, "--check", refuses="not there yet")


def test_attn_has_to_be_there():
    """Without the package nothing is measured, and that is an error."""
    done = subprocess.run([sys.executable, str(ROOT / "benchmarks/bench.py"), "--check"], text=True, timeout=60,
                          capture_output=True, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ""})  # fmt: skip
    assert done.returncode == 1 and "expects to import attn" in done.stderr


def test_absent_peers_are_said_and_not_judged(monkeypatch, capsys):
    assert run_bench(monkeypatch, "--check", "--only", "peers", here=False) == 0
    text = capsys.readouterr().out
    # The cases, their mean, and the count of both.
    assert text.count("not judged") == len(cases.PEERS_GATED) + 2
    assert "4 of 4 peers absent" in text and "0 of 0 gates hold" in text
    assert run_bench(monkeypatch, "--check", "--only", "peers", here=True, other=5e-4) == 1


def test_peers_have_geometric_means(monkeypatch, capsys):
    assert run_bench(monkeypatch, "--only", "peers") == 0
    text = capsys.readouterr().out
    for group in (*cases.PEERS, "all"):
        assert re.search(rf"^geometric mean: {group} +2\.00 ", text, re.M)
    assert questions.geometric_mean([1.0, 4.0]) == pytest.approx(2.0)


def test_a_stopped_run_is_kept_and_resumed(monkeypatch, capsys, tmp_path):
    path = tmp_path / "results.json"
    names = [c.name for c in cases.PREFILL]
    arguments = ("--only", "prefill", "--json", str(path))
    assert run_bench(monkeypatch, *arguments, stop_at=names[3]) == 130
    assert "stopped; what was measured is kept" in capsys.readouterr().out
    assert list(json.loads(path.read_text())["contests"]) == names[:3]
    assert run_bench(monkeypatch, *arguments, "--resume") == 0
    assert run_bench.log == names[3:]
    data = json.loads(path.read_text())
    assert [r["row"] for r in data["rows"]] == names and list(data["contests"]) == names
    # What another machine read is no part of a table of this one.
    path.write_text(json.dumps({**data, "cpu": "another"}))
    with pytest.raises(SystemExit, match="another"):
        run_bench(monkeypatch, *arguments, "--resume")


def test_unknown_questions_are_refused_with_the_nearest(monkeypatch):
    with pytest.raises(SystemExit, match="got 'forwrad'; did you mean forward"):
        run_bench(monkeypatch, "--only", "forwrad")
    with pytest.raises(SystemExit, match="no contest has 'd65'"):
        run_bench(monkeypatch, "--match", "d65")


def test_names_are_unique():
    names = [c.name for t in questions.every() for c in t.contests]
    assert len(names) == len(set(names))


# ---- workers ------------------------------------------------------------------------------------


def test_a_worker_that_dies_or_hangs_is_an_error():
    peer = Peer("numpy", 1)
    try:
        assert "seconds" in peer.ask(prepare="a", case=rounds.dataclasses.asdict(SMALL))
        assert len(peer.ask(time="a", count=3)["times"]) == 3
        with pytest.raises(PeerDied, match="gave no answer within 0.3 s"):
            peer.ask(patience=0.3, time="a", count=10**7)
        with pytest.raises(PeerDied, match="numpy ended"):
            peer.ask(time="a", count=1)
    finally:
        peer.kill()
    peer = Peer("numpy", 1)
    with pytest.raises(PeerDied, match="KeyError: 'nothing'"):
        peer.ask(time="nothing", count=1)
    peer.kill()


def test_one_row_for_real(tmp_path):
    path = tmp_path / "results.json"
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/bench.py"), "--quick", "--only", "prefill", "--match", "d64 n1024 full",
         "--json", str(path)], text=True, capture_output=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"^prefill d64 n1024 full +\d+\.\d +\d+\.\d\d +", done.stdout, re.M)
    (contest,) = json.loads(path.read_text())["contests"].values()
    assert 0 < contest["errors"]["attn"] <= 1 and contest["peaks"]["fma"][0] > 1e9


@pytest.mark.parametrize("mode", ["lengths", "workspace", "stages"])
def test_what_calls_need(mode: str, tmp_path, monkeypatch):
    monkeypatch.setenv("ATTN_CACHE_DIR", str(tmp_path / "cache"))
    done = subprocess.run([sys.executable, "-m", "benchmarks.latency", mode], cwd=ROOT, text=True, check=True,
                          stdout=subprocess.PIPE, timeout=300)  # fmt: skip
    if mode == "lengths":
        assert float(done.stdout) == 0
    elif mode == "workspace":
        assert float(done.stdout) < 0.03
    else:
        names = [line.rpartition(": ")[0] for line in done.stdout.splitlines()]
        assert names[:2] == ["import attn", "load the compiler"] and "to asm" in names


# ---- the page -----------------------------------------------------------------------------------


def test_the_page_shows_losses_first_and_charts(monkeypatch, capsys, tmp_path):
    path = tmp_path / "results.json"
    run_bench(monkeypatch, "--only", "forward,sparse,decode,varlen,peers", "--json", str(path), other=5e-4)
    monkeypatch.setattr(sys, "argv", ["report.py", str(path), "--docs", str(tmp_path)])
    assert report.main() == 0
    (path,) = (tmp_path / "Benchmarks").glob("*.md")
    text = path.read_text()
    assert text.index("## Where attn falls short") < text.index("## Forward, full")
    assert "| peers | f32 full d64 n1024 | 0.50 | 1.00 | 0.50 |" in text
    assert str(tmp_path) not in text
    pictures = re.findall(r"\]\((\S+\.svg)\)", text)
    assert len(pictures) == 5 == len(set(pictures))
    for picture in pictures:
        root = xml.etree.ElementTree.parse(path.parent / picture).getroot()
        assert root.tag.endswith("svg") and len(root) > 10


def test_the_list_of_pages_says_what_they_say(monkeypatch, capsys, tmp_path):
    path = tmp_path / "results.json"
    for cpu, pair in (("AMD EPYC family 25 model 17 (AVX-512)", "2.00"), ("Other CPU (AVX2)", "1.00")):
        run_bench(monkeypatch, "--only", "peers", "--match", "full d64 n1024", "--json", str(path),
                  other=1e-3 * float(pair))
        data = json.loads(path.read_text())
        path.write_text(json.dumps({**data, "cpu": cpu}))
        monkeypatch.setattr(sys, "argv", ["report.py", str(path), "--docs", str(tmp_path)])
        assert report.main() == 0
    text = (tmp_path / "Benchmarks.md").read_text()
    for cpu, page in (("AMD EPYC family 25 model 17 (AVX-512)", "amd-epyc-family-25-model-17"),
                      ("Other CPU (AVX2)", "other-cpu")):  # fmt: skip
        assert f"[{cpu}](Benchmarks/{page}.md)" in text
        assert re.search(rf"{page}.md\) \| \d{{4}}-.* \| [\d.]+ \| \d+ of \d+ rows", text)


def test_bars_leave_out_what_is_missing():
    text = plot.bars("a & b", ["one", "two"], [plot.Bar("row <1>", [2.0, None], 1.0)])
    xml.etree.ElementTree.fromstring(text)
    assert "row &lt;1&gt;" in text and text.count(">2.00<") == 1


def test_the_peers_are_listed_once():
    entries = [line for line in (ROOT / "scripts/packages-peers.txt").read_text().splitlines()
               if line and not line.startswith("#")]
    (extra,) = re.findall(r"^bench = (\[.+\])$", (ROOT / "pyproject.toml").read_text(), re.M)
    assert json.loads(extra) == entries


# ---- profile -----------------------------------------------------------------------------


def test_a_profile_tells_products_from_weights(tmp_path):
    """The innermost loops of a package of ours, by what they hold."""
    from benchmarks import profile

    for tool in ("cc", "objdump"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    if platform.machine() != "x86_64":
        pytest.skip("needs an x86-64 assembler")
    source = tmp_path / "loops.s"
    source.write_text(
        ".text\nproducts: vfmadd231ps %ymm0, %ymm1, %ymm2\nvfmadd231ps %ymm0, %ymm1, %ymm3\ndec %rax\njne products\n"
        "weights: vroundps $0, %ymm0, %ymm1\nvfmadd231ps %ymm0, %ymm1, %ymm2\nvfmadd231ps %ymm0, %ymm1, %ymm3\n"
        "dec %rax\njne weights\nmoves: vmovaps %ymm0, %ymm1\ndec %rax\njne moves\nret\n"
    )
    package = tmp_path / "loops.so"
    subprocess.run(["cc", "-shared", "-nostdlib", "-o", package, source], check=True)
    loops = profile.Loops(package)
    at = {line.split()[0]: address - loops.shift for address, line in reversed(loops.code)}
    assert loops.kind(at["vfmadd231ps"]) == "products"
    assert loops.kind(at["vroundps"]) == "weights"
    assert loops.kind(at["vmovaps"]) == loops.kind(at["ret"]) == "the rest of the kernel"


def test_a_profile_knows_every_case():
    from benchmarks import profile

    assert {"full d64 n4096", "f32 one call n=16 d64", "f32 decode kv16384 group1"} <= set(profile.known())
