// Arrays in and out, and files that are no such archives.
// RUN: rm -rf %t && mkdir %t && cd %t
// RUN: %python %S/Inputs/npz.py write .
// RUN: attn-run %s --backend=cpu --inputs good.npz --save out.npz --check | FileCheck %s --check-prefix=GOOD
// GOOD: out0 bf16[1, 2, 3, 4]: min=
// GOOD: PASS
// RUN: attn-run %s --backend=oracle --inputs good.npz --save oracle.npz
// RUN: %python %S/Inputs/npz.py check .

// An array that is not given is made; one that is given sets the sizes.
// RUN: attn-run %s --backend=oracle --inputs only-x.npz | FileCheck %s --check-prefix=MADE
// MADE: out0 bf16[1, 2, 3, 4]

// RUN: not attn-run %s --backend=oracle --inputs missing.npz 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: {{^}}error: cannot read 'missing.npz': No such file or directory{{$}}
// RUN: not attn-run %s --backend=oracle --inputs text.npz 2>&1 | FileCheck %s --check-prefix=TEXT
// TEXT: error: expects 'text.npz' to be an .npz of numpy.savez, but got no zip directory
// RUN: not attn-run %s --backend=oracle --inputs compressed.npz 2>&1 | FileCheck %s --check-prefix=COMPRESSED
// COMPRESSED: but got a compressed member 'x.npy' (numpy.savez does not compress)
// RUN: not attn-run %s --backend=oracle --inputs flipped.npz 2>&1 | FileCheck %s --check-prefix=FLIPPED
// FLIPPED: but got a wrong checksum of member 'x.npy'
// RUN: not attn-run %s --backend=oracle --inputs fortran.npz 2>&1 | FileCheck %s --check-prefix=FORTRAN
// FORTRAN: expects 'x' to be a .npy array, but got column-major order
// RUN: not attn-run %s --backend=oracle --inputs dtype.npz 2>&1 | FileCheck %s --check-prefix=DTYPE
// DTYPE: error: expects 'x' to hold bf16 (as uint16), but got numpy's 'f4'
// RUN: not attn-run %s --backend=oracle --inputs shape.npz 2>&1 | FileCheck %s --check-prefix=SHAPE
// SHAPE: error: expects 'x' to have shape [?, 2, ?, 4], but got [1, 2, 3, 5]
// RUN: not attn-run %s --backend=oracle --inputs rank.npz 2>&1 | FileCheck %s --check-prefix=RANK
// RANK: error: expects 'x' to have rank 4, but got [3]
// RUN: not attn-run %s --backend=oracle --inputs sizes.npz 2>&1 | FileCheck %s --check-prefix=SIZES
// SIZES: error: expects dimension 'B' to have one size, but got 2 and 1
// RUN: not attn-run %s --backend=oracle --inputs names.npz 2>&1 | FileCheck %s --check-prefix=NAMES
// NAMES: error: expects inputs called x, n, but got 'y'
// RUN: not attn-run %s --backend=oracle --inputs good.npz --dim B=2 2>&1 | FileCheck %s --check-prefix=DIM
// DIM: error: expects dimension 'B' to have one size, but got 2 and 1

// Every prefix of a good file, and every byte of it changed, is read or refused.
// RUN: %python %S/Inputs/npz.py hostile . attn-run %s

// A full disk and a folder that is not there.
// RUN: not attn-run %s --backend=oracle --inputs good.npz --save /dev/full 2>&1 | FileCheck %s --check-prefix=FULL
// FULL: error: cannot write '/dev/full': No space left on device
// RUN: not attn-run %s --backend=oracle --inputs good.npz --save none/out.npz 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: cannot write 'none/out.npz': No such file or directory

func.func @main(%x: tensor<?x2x?x4xbf16> {attn.name = "x", attn.dims = ["B", "2", "S", "4"]},
                %n: tensor<?xi32> {attn.name = "n", attn.dims = ["B"], attn.input = #attn.gen<"constant", [1.0]>})
    -> (tensor<?x2x?x4xbf16>, tensor<?x2x?xf32>, tensor<?xi32>) {
  %o, %l = attn.attention %x, %x, %x kv_lengths(%n : tensor<?xi32>)
      : tensor<?x2x?x4xbf16>, tensor<?x2x?x4xbf16>, tensor<?x2x?x4xbf16> -> tensor<?x2x?x4xbf16>, tensor<?x2x?xf32>
  return %o, %l, %n : tensor<?x2x?x4xbf16>, tensor<?x2x?xf32>, tensor<?xi32>
}
