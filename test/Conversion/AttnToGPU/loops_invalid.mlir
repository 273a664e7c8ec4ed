// RUN: attn-opt %s --convert-attn-to-gpu --verify-diagnostics
// A loop over elements becomes a kernel where it only computes, loads and stores; element by element over the host it
// would be a copy each.
func.func @slices(%x: memref<8x4xf32>, %y: memref<8x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
    %row = memref.subview %x[%i, 0] [1, 4] [1, 1] : memref<8x4xf32> to memref<4xf32, strided<[1], offset: ?>>
    // expected-error@+1 {{expects loops over the elements of a tensor that only compute, load and store in a GPU program, but got one that does more; do it before or after, or inside score_mod}}
    %first = memref.load %row[%c0] : memref<4xf32, strided<[1], offset: ?>>
    memref.store %first, %y[%i, %c0] : memref<8x4xf32>
  }
  return
}
