# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The runtime half: arrays in, packages loaded, kernels run. Loads no LLVM."""

from typing import Any, Callable, Sequence

class Tensor:
    """A view of an array that somebody else owns."""

    @property
    def dtype(self) -> str:
        """One of f64, f32, f16, bf16, i64, i32, i8, i1."""
    @property
    def ndim(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]:
        """In elements."""
    @property
    def read_only(self) -> bool: ...
    @property
    def device(self) -> str:
        """"cpu", "cuda:0"."""
    @property
    def on_cuda(self) -> bool: ...
    @property
    def address(self) -> int:
        """Where the DLTensor lies."""
    @property
    def data(self) -> int:
        """Where the first element lies."""
    @property
    def head_signature(self) -> int:
        """dtype, kind of device, rank and the last axis' size, as a number."""
    @property
    def signature(self) -> int:
        """dtype, kind of device, rank and which axes but the last have size 1, as a number."""
    @property
    def full_signature(self) -> int:
        """`signature`, and the last axis' size when the rank is 4."""
    def size(self, axis: int) -> int: ...
    def swap(self, a: int, b: int) -> Tensor: ...
    def insert(self, axis: int) -> Tensor:
        """Adds an axis of size 1."""
    def select(self, axis: int, index: int) -> Tensor:
        """Takes one index of an axis, which goes."""
    def expand(self, axis: int, size: int) -> Tensor:
        """Repeats an axis of size 1."""
    def merge(self, axis: int) -> Tensor | None:
        """Joins an axis with the next; None when that needs a copy."""

class Buffer:
    """Memory that a library takes over by DLPack."""

    def __dlpack__(self, **unused: Any) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

class Kernel:
    """One entry of a compiled package."""

    def __init__(self, path: str, entry: str) -> None: ...
    def set_results(self, dtypes: Sequence[str], ranks: Sequence[int]) -> None: ...
    @property
    def json(self) -> str: ...
    @property
    def calls(self) -> int: ...
    @property
    def counters(self) -> dict[str, int]: ...
    def run(
        self,
        args: Sequence[Tensor],
        out: Sequence[Tensor] | None = None,
        layout: int = 0,
        num_threads: int = 0,
        device: str | None = None,
    ) -> Any:
        """Runs it; results are new arrays of the first argument's library, or None.

        layout: 0 for bhsd, 1 for bshd, 2 for thd; how new results are laid out.
        device: "cuda", "cuda:N" or "emulated" for a package with GPU kernels.
        """
    def result_shapes(self, args: Sequence[Tensor]) -> list[tuple[int, ...]]: ...

class PlainCall:
    """A call of three arrays and plain keywords that a function may remember."""

    def remember(self, kernel: Kernel, equal_lengths: bool) -> None:
        """From now on this kernel answers such calls.

        equal_lengths: only those with as many keys as queries.
        """

class Dispatch:
    """A function behind the kernels that answer the calls it has seen.

    A call of three arrays whose keywords are None, bools, numbers, strings or tuples of
    those goes to the function with a `PlainCall` as the keyword ``_call`` where no kernel
    is remembered. `layout`, `num_threads`, `device` and `out` mean what they do in
    `attn.attention`.
    """

    def __init__(self, function: Callable[..., Any]) -> None: ...
    def __call__(self, *args: Any, **keywords: Any) -> Any: ...
    def forget(self) -> None:
        """Forgets all calls."""

def tensor(object: Any, layout: int = 0) -> Tensor:
    """Takes an array without copying; its axes end up in the order bhsd."""

def out_tensor(object: Any, layout: int = 0) -> Tensor:
    """Takes an array to write to."""

def library(object: Any) -> str:
    """"numpy", "torch", "jax" or "other"."""

def set_num_threads(num_threads: int) -> None: ...
def get_num_threads() -> int: ...
def device_info() -> str:
    """What there is to run on, as a JSON array."""

def device_report() -> str:
    """What this thread's last call did on its device, as a JSON object."""

def version() -> str: ...
