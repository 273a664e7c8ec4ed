# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Traces of score_mods and mask_mods, kept for as long as they would come out the same."""

from __future__ import annotations

import collections
from typing import Any, Callable

from .folding import document_of, fold_mask
from .tracing import Reads, dtype_name, trace_region


class Record:
    """A traced callable, kept for as long as it reads the same things.

    Attributes:
      region: the trace.
      folded: for a mask_mod, how it splits into the algebra and a rest.
      document: for a mask_mod, the number of the array that it compares as
        ``a[q] == a[kv]`` besides `document_causal`, or None.
    """

    def __init__(self, kind: str, function: Callable[..., Any], reads: Reads) -> None:
        self.region = trace_region(kind, function)
        self.keep = reads
        numbers = {id(a): i for i, a in enumerate(reads.arrays)}
        #: Where each capture is found among what the callable reads; None when
        #: it was captured in some other way, so that nothing may be kept.
        self.sources: list[int] | None = None
        if not self.region.trace.inline_captures and all(
            id(a) in numbers for a in self.region.captures
        ):
            self.sources = [numbers[id(a)] for a in self.region.captures]
        self.folded = fold_mask(self.region) if kind == "mask_mod" else None
        self.document: int | None = None
        rest = self.folded.rest if self.folded else None
        if rest is not None and self.folded is not None:
            array = document_of(rest)
            plain = self.folded.mask is None or self.folded.mask.text == "causal"
            if array is not None and plain and dtype_name(array) == "int32":
                self.document = next(
                    i for i, a in enumerate(self.region.captures) if a is array
                )


#: The traces used last, the latest at the end.
_records: collections.OrderedDict[Any, Record] = collections.OrderedDict()
#: A record with its region takes kilobytes, and a constant that changes makes a new one.
_MOST_RECORDS = 512


def record(kind: str, function: Callable[..., Any]) -> tuple[Record, list[Any]]:
    """Traces a callable, or finds the trace; returns it and the captured arrays."""
    reads = Reads(function)
    key = (kind, *reads.parts)
    try:
        found = None if reads.opaque else _records.get(key)
    except TypeError:  # something unhashable
        found = None
        reads.opaque = True
    if found is None:
        found = Record(kind, function, reads)
        if reads.opaque or found.sources is None:
            return found, list(found.region.captures)
        _records[key] = found
        if len(_records) > _MOST_RECORDS:
            _records.popitem(last=False)
    else:
        try:
            _records.move_to_end(key)
        except KeyError:  # another thread has just made room
            pass
    assert found.sources is not None
    arrays = reads.arrays
    return found, [arrays[i] for i in found.sources]
