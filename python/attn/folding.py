# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Folds a traced mask_mod into the algebra of structured masks, where it says the same.

The compiler knows from a structured mask which blocks of keys there are; of a region
it knows nothing before it runs.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

from . import checks, masks
from .errors import CompileError
from .tracing import Region, Scalar, _Trace

#: Tests of one mask_mod, a shared one counted for each use: masks are written as trees.
_MOST_TESTS = 2**14


class Folded(NamedTuple):
    """A mask_mod split into what the algebra can say and what it cannot.

    `mask` AND `rest` is the callable's meaning; `rest` is None when everything
    folded. `documents` is the array compared as ``a[q] == a[kv]``, if any.
    """

    mask: masks.Mask | None
    rest: Region | None


def fold_mask(region: Region) -> Folded:
    """Matches a traced mask_mod with band, causal and prefix masks, exactly.

    The result's conjuncts are matched one by one: comparisons whose two sides
    differ by ``kv - q`` plus a constant are bands, those by ``kv`` plus a
    constant prefixes; ``&``, ``|`` and ``~`` combine them. What does not match
    stays a region.
    """
    trace = region.trace
    _check_size(trace, region.live)
    structured: list[masks.Mask] = []
    rest: list[int] = []
    for part in _conjuncts(trace, region.result._id):
        mask = _match(trace, part, False)
        if mask is None:
            rest.append(part)
        else:
            structured.append(mask)
    if not structured:
        return Folded(None, region)
    mask = masks.conjunction(structured)
    if not rest:
        return Folded(mask, None)
    result = Scalar(trace, rest[0])
    for part in rest[1:]:
        result = trace.add("arith.andi", (result, Scalar(trace, part)), "i1")
    return Folded(mask, Region("mask_mod", trace, result))


# A mask_mod may be a chain of any length whose links share their parts, so nothing here
# recurses, and no part is looked at once for each way that leads to it.


def _check_size(trace: _Trace, live: Sequence[int]) -> None:
    """Refuses a mask_mod that is a graph of moderate size but an endless tree."""
    tests: dict[int, int] = {}
    for number in live:
        op, args, type_, _ = trace.nodes[number]
        joins = type_ == "i1" and op in ("arith.andi", "arith.ori", "arith.xori")
        tests[number] = sum(tests[a] for a in args) if joins else 1
        if tests[number] > _MOST_TESTS:
            raise CompileError(
                f"mask_mod expects at most {_MOST_TESTS} tests, a shared one counted for each use, "
                "but got more; capture an array of what they decide"
            )


def _conjuncts(trace: _Trace, number: int) -> list[int]:
    """The values that all have to be true for a value to be."""
    found: dict[int, None] = {}
    seen = set()
    todo = [number]
    while todo:
        part = todo.pop()
        if part in seen:
            continue
        seen.add(part)
        op, args, type_, _ = trace.nodes[part]
        if op == "arith.andi" and type_ == "i1":
            todo.extend(reversed(args))
        else:
            found[part] = None
    return list(found)


def _joined(trace: _Trace, number: int, negated: bool, kind: str) -> list[tuple[int, bool]]:
    """The (value, negated) whose `and` or `or` a value is, outermost joins resolved."""
    found: dict[tuple[int, bool], None] = {}
    seen = set()
    todo = [(number, negated)]
    while todo:
        part = todo.pop()
        if part in seen:
            continue
        seen.add(part)
        joined = _operands(trace, *part)
        if joined is not None and joined[0] in (kind, None):
            todo.extend(reversed(joined[1]))
        else:
            found[part] = None
    return list(found)


def _operands(
    trace: _Trace, number: int, negated: bool
) -> tuple[str | None, list[tuple[int, bool]]] | None:
    """"and" or "or" and the (value, negated) that it joins; None and one for a complement."""
    op, args, type_, _ = trace.nodes[number]
    if type_ != "i1":
        return None
    if op in ("arith.andi", "arith.ori"):
        # De Morgan: a negated `and` is the `or` of the negated parts.
        return ("and" if (op == "arith.andi") != negated else "or"), [(a, negated) for a in args]
    if op == "arith.xori":
        for a, b in (args, args[::-1]):
            if trace.nodes[b].attr == "true":
                return None, [(a, not negated)]
    return None


def _match(trace: _Trace, number: int, negated: bool) -> masks.Mask | None:
    """Returns the structured mask equal to a boolean value, or None."""
    known: dict[tuple[int, bool], masks.Mask | None] = {}
    todo = [(number, negated)]
    while todo:
        part = todo[-1]
        if part in known:
            todo.pop()
            continue
        joined = _operands(trace, *part)
        if joined is None:
            known[part] = _match_test(trace, *part)
            continue
        kind = joined[0] or "and"
        parts = _joined(trace, *part, kind)
        missing = [p for p in parts if p not in known]
        if missing:
            todo.extend(missing)
            continue
        matched = [known[p] for p in parts]
        if any(m is None for m in matched):
            known[part] = None
        else:
            known[part] = masks.joined(kind, matched)  # type: ignore[arg-type]
    return known[number, negated]


_INVERSE = {"slt": "sge", "sge": "slt", "sgt": "sle", "sle": "sgt"}


def _match_test(trace: _Trace, number: int, negated: bool) -> masks.Mask | None:
    """Returns the structured mask equal to a constant or a comparison, or None."""
    op, args, type_, attr = trace.nodes[number]
    if op == "arith.constant" and type_ == "i1":
        return masks.Full() if (attr == "true") != negated else masks.Prefix(0)
    if op != "arith.cmpi" or attr not in _INVERSE:
        return None
    difference = _linear(trace, args[0], args[1])
    if difference is None:
        return None
    predicate = _INVERSE[attr] if negated else attr
    # Every strict comparison of integers is a loose one with the bound moved by
    # one, and every `>= 0` is a `<= 0` of the negated difference: d <= 0.
    if predicate in ("sgt", "sge"):
        difference = {k: -v for k, v in difference.items()}
    if predicate in ("slt", "sgt"):
        difference["1"] += 1
    constant = difference.pop("1")
    terms = {k: v for k, v in difference.items() if v}
    if terms in ({"j": 1, "i": -1}, {"i": 1, "j": -1}) and abs(constant) > checks.MOST_INT32:
        # Positions are no further apart than that: it holds for all pairs, or for none.
        return masks.Full() if constant < 0 else masks.Prefix(0)
    if terms == {"j": 1, "i": -1}:  # kv - q + c <= 0: kv - q <= -c
        if constant == 0:
            return masks.Causal()
        return masks.Window(None, -constant) if constant < 0 else None
    if terms == {"i": 1, "j": -1}:  # q - kv + c <= 0: kv - q >= c
        return masks.Window(-constant, None) if constant <= 0 else None
    if terms == {"j": 1}:  # kv + c <= 0: kv < 1 - c
        return masks.Prefix(max(1 - constant, 0)) if 1 - constant <= checks.MOST_INT32 else masks.Full()
    if not terms:
        return masks.Full() if constant <= 0 else masks.Prefix(0)
    return None


def _linear(trace: _Trace, left: int, right: int) -> dict[str, int] | None:
    """left - right as a linear form over b, h, i, j and 1, if it is one."""
    form = {"1": 0}
    factors = {left: 1}
    factors[right] = factors.get(right, 0) - 1
    while factors:
        # The latest first: nothing that follows reads it.
        number = max(factors)
        factor = factors.pop(number)
        op, args, type_, attr = trace.nodes[number]
        if type_ != "i32":
            return None
        if op == "argument":
            form[attr] = form.get(attr, 0) + factor
        elif op == "arith.constant":
            form["1"] += factor * int(attr)
        elif op in ("arith.addi", "arith.subi"):
            for a, sign in zip(args, (1, 1 if op == "arith.addi" else -1)):
                factors[a] = factors.get(a, 0) + sign * factor
        else:
            return None
    return form


def document_of(region: Region) -> Any | None:
    """Returns the array `a` when a mask_mod is exactly ``a[q] == a[kv]``.

    Also recognised with a leading batch index, ``a[b, q] == a[b, kv]``. The
    caller decides whether storage slots and positions agree, without which the
    test is not the document mask.
    """
    trace = region.trace
    node = trace.nodes[region.result._id]
    if node.op != "arith.cmpi" or node.attr != "eq":
        return None
    sides = [trace.nodes[a] for a in node.args]
    if any(s.op != "attn.load" for s in sides) or sides[0].attr != sides[1].attr:
        return None
    indices = [
        tuple(trace.nodes[a].attr if trace.nodes[a].op == "argument" else None for a in s.args)
        for s in sides
    ]
    if set(indices) in ({("i",), ("j",)}, {("b", "i"), ("b", "j")}):
        return trace.captures[sides[0].attr[0]]
    return None
