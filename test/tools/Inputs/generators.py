# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Looks at what attn-run's generators made: `generators.py SAVED.npz`."""

import sys

import numpy as np

saved = np.load(sys.argv[1])
x = {name: saved[name] for name in saved.files}
assert abs(x["normal"].std() - 2) < 0.15 and abs(x["normal"].mean()) < 0.15
assert abs(x["plain"].std() - 1) < 0.08
# A bf16 number has eight significant bits, so its f32 form ends in zeros.
assert not (x["plain"].astype(np.float32).view(np.uint32) & 0xFFFF).any()
assert x["uniform"].min() >= -1 and x["uniform"].max() <= 3 and abs(x["uniform"].mean() - 1) < 0.1
assert set(x["whole"]) == {-2, -1, 0, 1, 2} and x["whole"].dtype == np.int32
assert (x["constant"] == -7).all() and x["constant"].dtype == np.int64
assert not x["zeros"].any() and not x["untold"].any()
mask = x["mask"]
assert mask.dtype == np.bool_ and (~mask.any(axis=1)).sum() == 7
assert abs(mask.sum() / (33 * 100) - 0.25) < 0.05
assert set(x["lengths"]) == set(range(3, 10))
for name, pages in (("pages", 9), ("few", 4)):
    table = x[name].reshape(-1, 6)
    assert table.min() == -1 and table.max() == pages - 1
    for row in table:
        present = row[row >= 0]
        assert len(set(present)) == len(present)
assert (x["few"][..., 4:] == -1).all()
segments = x["segments"]
assert (np.diff(segments, axis=1) >= 0).all() and segments.min() == 0 and segments.max() == 3
cu = x["cu"]
assert cu[0] == 0 and (np.diff(cu) >= 0).all() and 0 < cu[-1] <= 33
