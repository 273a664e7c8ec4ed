"""Bad on purpose."""

import numpy

try:
    import torch
except ImportError:
    torch = None

from . import _compiler


def late():
    import torch
    from . import _compiler
