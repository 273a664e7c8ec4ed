# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a page and its charts from the JSON of bench.py: `report.py results.json [--docs FOLDER]`.

The page holds what was measured and nothing else: the losses stand first. There is one for each kind of CPU, in
docs/Benchmarks, and docs/Benchmarks.md lists them.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.plot import Bar, bars  # noqa: E402
from benchmarks.questions import time_text  # noqa: E402

#: Questions with a chart; a bar for each row, a line at its target.
CHARTS = ("forward", "causal", "half", "shapes", "sparse", "decode", "varlen")

INTRO = """# Benchmarks: {cpu}

What attn reached on one machine, beside the machine's own peak and beside other libraries. This page is written by
`make bench-report`; [benchmarks/README.md](../../benchmarks/README.md) says how it is measured and what each question asks.

* CPU: {cpu}, {threads} threads
* Begun {started}; load while measuring {load}
* Command: `python benchmarks/bench.py {command}`
* Peers: {peers}

A row reads the best of its rounds, on both sides of a ratio; the median stands beside. A row passes when it reaches its
target; a dash stands for what a library does not compute. {short} of {judged} rows with a target fall short{unjudged}.
"""


INDEX = """# Benchmarks

What attn reached, beside the machine's own peak and beside other libraries: a page for each kind of CPU that it was
measured on, losses first. `make bench-report` writes the page of the machine at hand and this list;
[benchmarks/README.md](../benchmarks/README.md) says how it is measured, and [Limits.md](Limits.md) why rows fall short.

| CPU | begun | geometric mean over the best peer | rows with a target |
|---|---|---|---|
{pages}
"""


def stem(cpu: str) -> str:
    """The page of a CPU: "AMD EPYC family 25 model 17 (AVX-512)" -> "amd-epyc-family-25-model-17"."""
    return re.sub(r"[^a-z0-9]+", "-", cpu.split("(")[0].lower()).strip("-")


def index(folder: pathlib.Path) -> str:
    """The list of the pages in a folder, by what they say of themselves."""
    lines = []
    for found in sorted(folder.glob("*.md")):
        text = found.read_text()

        def said(pattern: str) -> str:
            match = re.search(pattern, text)
            return match[1] if match else "-"

        mean = said(r"geometric mean: all \|(?: *\|)+ ([\d.]+) \|")
        lines.append(f"| [{said(r'CPU: (.*),')}](Benchmarks/{found.name}) | {said(r'Begun ([^;]*);')} | {mean} | "
                     f"{said(r'(?s)for what a library does not compute. (.*?)[.]')} |".replace("\n", " "))
    return INDEX.format(pages="\n".join(lines))


def tables(data: dict) -> list[tuple[str, list[dict]]]:
    """Title -> its rows, in order."""
    found: dict[str, list[dict]] = {}
    for row in data["rows"]:
        found.setdefault(row["title"], []).append(row)
    return list(found.items())


def shower(rows: list[dict]):
    """How a table's numbers are written."""
    if rows[0]["measure"] in ("best", "time"):
        return time_text
    return "{:.4g}".format if rows[0]["measure"] == "value" else "{:.2f}".format


def verdict(row: dict) -> str:
    if row["wrong"]:
        return "**wrong result**"
    if row["target"] is None:
        return ""
    return {None: "not judged", True: "pass", False: "**falls short**"}[row["reached"]] + row["note"]


def markdown_table(rows: list[dict]) -> str:
    show = shower(rows)

    def number(value: float | None) -> str:
        return "-" if value is None else show(value)

    heads = ["what", *rows[0]["heads"], rows[0]["measure"], "median", "target", ""]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = row["columns"] + [""] * (len(rows[0]["heads"]) - len(row["columns"]))
        target = number(row["target"]) if row["target"] is None else (
            f"{'at most' if row['most'] else 'at least'} {show(row['target'])}")
        lines.append("| " + " | ".join([row["row"].strip(), *cells, number(row["value"]), number(row["median"]), target,
                                        verdict(row)]) + " |")
    return "\n".join(lines)


def chart(title: str, rows: list[dict]) -> str | None:
    """The chart of a table, where it has one."""
    name = rows[0]["question"]
    if name == "peers":
        series = rows[0]["heads"][1:]

        def ratios(row: dict) -> list[float | None]:
            return [float(c) if c not in ("-", "") else None for c in row["columns"][1:]]

        picked = [Bar(r["row"], ratios(r), 1.0) for r in rows if r["group"]]
        return bars("time of the peer / time of attn (line: equal)", series, picked, limit=8.0)
    if name not in CHARTS or rows[0]["measure"] == "x numpy":
        return None
    picked = [Bar(r["row"], [r["value"]], r["target"]) for r in rows if r["value"] is not None]
    return bars(f"{title.split(':')[0]}: {rows[0]['measure']} (line: target)", [""], picked)


def losses(data: dict) -> str:
    """The rows that fall short, the furthest first."""
    short = [r for r in data["rows"] if r["reached"] is False]
    if not short:
        return "Every row that has a target reaches it."
    lines = ["| question | what | reaches | target | share of the target |", "|---|---|---|---|---|"]
    for row in sorted(short, key=lambda r: r["share"] or 0.0):
        show = shower([row])
        part = f"{row['share']:.2f}" if row["share"] else "-"
        value = "-" if row["value"] is None else show(row["value"])
        lines.append(f"| {row['question']} | {row['row'].strip()} | {value} | {show(row['target'])} | {part} |")
    return "\n".join(lines)


def page(data: dict, pictures: dict[str, str]) -> str:
    judged = [r for r in data["rows"] if r["target"] is not None]
    unjudged = sum(r["reached"] is None for r in judged)
    load = data["load"] or [0.0]
    versions = ", ".join(f"{k} {v}" for k, v in data.get("versions", {}).items()) or "none"
    parts = [INTRO.format(
        cpu=data["cpu"], threads=data["threads"], started=data["started"], command=data["command"],
        load=f"{min(load):.1f} to {max(load):.1f}", peers=versions, judged=len(judged),
        short=sum(r["reached"] is False for r in judged),
        unjudged=f", {unjudged} could not be judged" if unjudged else "")]  # fmt: skip
    parts.append(f"## Where attn falls short\n\n{losses(data)}\n")
    for title, rows in tables(data):
        picture = f"\n![{title.split(':')[0]}]({pictures[title]})\n" if title in pictures else ""
        parts.append(f"## {title[0].upper()}{title[1:]}\n{picture}\n{markdown_table(rows)}\n")
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=pathlib.Path, help="what bench.py --json wrote")
    parser.add_argument("--docs", type=pathlib.Path, default=ROOT / "docs", help="where the page goes")
    options = parser.parse_args()
    data = json.loads(options.results.read_text())
    if not data["rows"]:
        raise SystemExit(f"report: expects {options.results} to hold rows, but got none")
    folder, name = options.docs / "Benchmarks", stem(data["cpu"])
    folder.mkdir(exist_ok=True)
    pictures = {}
    for title, rows in tables(data):
        drawn = chart(title, rows)
        if drawn:
            pictures[title] = f"{name}-{rows[0]['question']}.svg"
            (folder / pictures[title]).write_text(drawn)
    (folder / f"{name}.md").write_text(page(data, pictures))
    (options.docs / "Benchmarks.md").write_text(index(folder))
    print(f"wrote {folder / name}.md and {len(pictures)} charts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
