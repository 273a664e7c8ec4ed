# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where programs run: the CPU, CUDA devices, and the emulated one.

A call runs where its arrays are. Arrays on a CUDA device make it a CUDA call, on
torch's current stream when they are torch's; `device="emulated"` runs the same
kernels on CPU arrays, on the PTX emulator, which also judges them.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from . import _runtime, checks
from .errors import DeviceError

__all__ = ["Device", "device_report", "devices"]


class Device(NamedTuple):
    """One entry of `attn.devices()`.

    Attributes:
      name: what to pass as ``device=``.
      available: whether it can run something here and now.
      description: the product's name; empty when it is not available.
      arch: such as ``"sm_80"``; empty where that says nothing.
      reason: why it is not available; empty when it is.
    """

    name: str
    available: bool
    description: str
    arch: str
    reason: str


def devices() -> list[Device]:
    """Lists what there is to run on, and why not what is not there.

    >>> [d.name for d in attn.devices() if d.available]
    ['cpu', 'emulated']
    """
    return [
        Device(d["device"], d["available"], d.get("name", ""), d.get("arch", ""), d.get("reason", ""))
        for d in json.loads(_runtime.device_info())
    ]


def device_report() -> dict[str, Any]:
    """What the last call of this thread did on its device; empty after one on the CPU.

    Returns:
      A dict with "device", "arch" and "launches", one dict per kernel launch. On
      the emulated device a launch has "findings" and "counters" (tensor-core FLOPs,
      bank conflicts, sectors, barriers, instructions by class); on CUDA
      "registers", "shared_bytes", "local_bytes" and "occupancy".
    """
    report: dict[str, Any] = json.loads(_runtime.device_report())
    return report


def target_of(device: str | None) -> str:
    """The target that programs for a device are compiled for.

    Raises:
      DeviceError: there are no such devices.
    """
    if device is None or (isinstance(device, str) and device == "cpu"):
        return "host"
    if isinstance(device, str) and re.fullmatch(r"emulated|cuda(:[0-9]+)?", device):
        return "cuda"
    wants = "'cpu', 'cuda', 'cuda:N' or 'emulated'"
    raise checks.refusal("device", wants, device, error=DeviceError)


def is_gpu_target(target: str) -> bool:
    """Whether a target is a GPU's: ``"cuda"``, ``"sm_80"``, ``"sm_90a"``."""
    return target == "cuda" or re.fullmatch(r"sm_\d+[af]?", target) is not None
