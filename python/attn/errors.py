# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The exceptions that attn raises.

Every error of this package derives from :class:`AttnError` and from the
built-in exception a reader would expect in its place, so both
``except attn.AttnError`` and ``except ValueError`` work. Messages have one
form: what was expected, then what was got.

=================  ============  ==================================================
class              also a        raised when
=================  ============  ==================================================
``ShapeError``     ValueError    shapes, dtypes, strides, alignments or index
                                 operands do not fit together
``CompileError``   RuntimeError  a program cannot be parsed, verified or compiled,
                                 or a traced callable does what cannot be traced
``ResourceError``  MemoryError   memory, disk space or a size limit ran out
``CacheError``     OSError       a cache folder or entry cannot be used
``NumericError``   ArithmeticError  a checked numeric condition does not hold
``CommError``      ConnectionError  a rank cannot be reached in time
``DeviceError``    RuntimeError  a device is missing, cannot run the package, does not
                                 hold the arrays, or failed; or the emulated device
                                 found a fault in a kernel
=================  ============  ==================================================

A call stopped by Ctrl-C raises the interpreter's own ``KeyboardInterrupt``.
"""

from __future__ import annotations

__all__ = [
    "AttnError",
    "CacheError",
    "CommError",
    "CompileError",
    "DeviceError",
    "NumericError",
    "ResourceError",
    "ShapeError",
]


class AttnError(Exception):
    """Base of every error that attn raises on purpose."""


class ShapeError(AttnError, ValueError):
    """Shapes, dtypes, strides or index operands do not fit together."""


class CompileError(AttnError, RuntimeError):
    """A program cannot be traced, parsed, verified or compiled."""


class ResourceError(AttnError, MemoryError):
    """Memory, disk space or a size limit ran out."""


class CacheError(AttnError, OSError):
    """A cache folder or a cache entry cannot be used."""


class NumericError(AttnError, ArithmeticError):
    """A checked numeric condition does not hold."""


class CommError(AttnError, ConnectionError):
    """A rank or a peer cannot be reached in time."""


class DeviceError(AttnError, RuntimeError):
    """A device is missing, does not fit, or failed; or a kernel is at fault.

    The text has the reason and what may help. After a fault that the emulated
    device found, `attn.device_report()` has all of them, with line, block and
    thread.
    """
