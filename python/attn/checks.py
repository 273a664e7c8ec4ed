# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks of what a caller passes as an option: its type, its range, and how it is called.

Every public function reads its options through these, before it looks anything up or
hands them on. Each returns the value as a plain Python one, so that `1`, `True`, `1.0`
and numpy's forms of them neither stand for each other in a key nor end up in a
program's text.
"""

from __future__ import annotations

import math
import numbers
import operator
import os
from typing import Any, Iterable, Sequence

from .errors import AttnError, CacheError, CompileError, ShapeError

#: The sizes and index operands of a program are 32 bits wide in places.
MOST_INT32 = 2**31 - 1
#: attnSetNumThreads takes no more.
MOST_THREADS = 1024
#: What is held for each pair of a query and a key at once must fit in memory.
MOST_PAIRS = 2**28


def show(value: Any) -> str:
    """A value as an error message quotes it: in one line, and not too long a one."""
    shape = getattr(value, "shape", ())
    if isinstance(shape, tuple) and shape:
        return f"{type(value).__name__} of shape {shape}"
    try:
        text = " ".join(repr(value).split())
    except AttnError:
        raise
    except Exception:  # an integer of too many digits, somebody's own __repr__
        return f"{'an' if type(value) is int else 'a value of type'} {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:97]}..."


def refusal(
    name: str, wants: str, value: Any, of: str | None = None, error: type[AttnError] = ShapeError
) -> AttnError:
    """The error for an argument: what it expects, and what it got.

    Args:
      name: the argument.
      wants: what it expects.
      value: what it got.
      of: the function, where the name alone would not say which.
      error: the error's class.
    """
    head = f"{of} expects {name} to be" if of else f"{name} expects"
    return error(f"{head} {wants}, but got {show(value)}")


def whole(
    name: str, value: Any, low: int | None = None, high: int | None = None, *,
    wants: str | None = None, of: str | None = None, error: type[AttnError] = ShapeError,
) -> int:  # fmt: skip
    """An integer in [low, high]; a bool is none."""
    number = value if type(value) is int else None
    if number is None and not _is_bool(value) and not getattr(value, "shape", ()):
        try:
            number = operator.index(value)
        except TypeError:
            pass
    if (
        number is None
        or (low is not None and number < low)
        or (high is not None and number > high)
    ):
        if wants is None:
            wants = "an integer"
            if low is not None:
                wants += f" of at least {low}" if high is None else f" of {low} to {high}"
        raise refusal(name, wants, value, of, error)
    return number


def number(name: str, value: Any, *, of: str | None = None) -> float:
    """A finite number."""
    got = value if type(value) is float else None
    if got is None and not _is_no_number(value):
        try:
            got = float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    if got is None or not math.isfinite(got):
        raise refusal(name, "a finite number", value, of)
    return got


def flag(
    name: str, value: Any, *, of: str | None = None, wants: str = "True or False"
) -> bool:
    """True or False; 0 and 1 are neither."""
    if not _is_bool(value):
        raise refusal(name, wants, value, of)
    return bool(value)


def choice(
    name: str, value: Any, choices: Iterable[str], *, wants: str | None = None,
    of: str | None = None,
) -> str:  # fmt: skip
    """One of some words."""
    if type(value) is str and value in choices:
        return value
    if not isinstance(value, str) or str(value) not in choices:
        raise refusal(name, wants or f"one of {', '.join(choices)}", value, of)
    return str(value)


def pair(
    name: str, value: Any, wants: str, *, of: str | None = None
) -> tuple[Any, Any]:
    """A tuple or list of two; what they are is for the caller to check."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise refusal(name, wants, value, of)
    return value[0], value[1]


def words(name: str, value: Any, *, error: type[AttnError] = CompileError) -> str:
    """A string that can be written as UTF-8 and handed to C."""
    try:
        if isinstance(value, str) and b"\0" not in value.encode():
            return str(value)
    except UnicodeEncodeError:  # half of a surrogate pair
        pass
    raise refusal(name, "a string of Unicode text", value, error=error)


def path(name: str, value: Any) -> str | bytes:
    """A file's path."""
    try:
        got = os.fspath(value)
        if b"\0" not in os.fsencode(got):
            return got
    except (TypeError, UnicodeEncodeError):
        pass
    raise refusal(name, "the path of a file", value, error=CacheError)


def threads(value: Any) -> int:
    """How many threads a call uses; 0 where it does not say."""
    if value is None:
        return 0
    wants = f"1 to {MOST_THREADS}, or 0 for the default"  # the runtime's own words
    return whole("num_threads", value, 0, MOST_THREADS, wants=wants)


def pairs(of: str, *sizes: int) -> None:
    """Refuses more pairs of queries and keys than are held at once."""
    count = math.prod(sizes)
    if count > MOST_PAIRS:
        raise ShapeError(
            f"{of} expects at most {MOST_PAIRS} pairs of queries and keys, heads and batch "
            f"counted, but got {count}"
        )


def listed(name: str, value: Any, dtype: str) -> Any:
    """An array of int32 or float32 for a list of numbers; anything else as it is.

    Nothing is rounded: integers stay what they are, and what is no number, or none of
    the dtype's, is refused.
    """
    if not isinstance(value, (list, tuple)):
        return value
    import numpy as np

    wants = f"a list of {'integers' if dtype == 'int32' else 'numbers'} that fit {dtype}"
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, OverflowError):  # lists of different lengths
        raise refusal(name, wants, value) from None
    if array.size == 0:
        return array.astype(dtype)
    if array.dtype.kind not in ("iu" if dtype == "int32" else "iuf"):
        raise refusal(name, wants, value)
    # An infinity is a number of float32; a number that would become one is not.
    info = np.iinfo(dtype) if dtype == "int32" else np.finfo(dtype)
    finite = array[np.isfinite(array)]
    if ((finite < info.min) | (finite > info.max)).any():
        raise refusal(name, wants, value)
    return array.astype(dtype)


def sequence(name: str, value: Any, wants: str, *, of: str | None = None) -> Sequence[Any]:
    """A tuple or a list."""
    if not isinstance(value, (tuple, list)):
        raise refusal(name, wants, value, of)
    return value


def _is_bool(value: Any) -> bool:
    """Whether a value is Python's or numpy's True or False."""
    kind = type(value)
    return kind is bool or (kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_"))


def _is_no_number(value: Any) -> bool:
    """What `float` would take, or warn of, and is no number all the same."""
    return (
        isinstance(value, (str, bytes, bytearray))
        or bool(getattr(value, "shape", ()))
        or (isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real))
    )
