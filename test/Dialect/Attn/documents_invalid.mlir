// RUN: attn-opt %s --split-input-file --verify-diagnostics

// One function per label of docs/Spec.md, named after it.

func.func @documents_c1_neither_form(%o: memref<8xi32>) {
  // expected-error@+1 {{'attn.documents' op expects cumulative lengths or segments, but got neither}}
  attn.documents outs(%o, %o : memref<8xi32>, memref<8xi32>)
  return
}

// -----

func.func @documents_c1_both_forms(%c: memref<3xi32>, %s: memref<1x8xi32>, %o: memref<8xi32>) {
  // expected-error@+1 {{'attn.documents' op expects cumulative lengths or segments, but got both}}
  attn.documents cu(%c, %c : memref<3xi32>, memref<3xi32>) segments(%s, %s : memref<1x8xi32>, memref<1x8xi32>)
      outs(%o, %o, %o, %o : memref<8xi32>, memref<8xi32>, memref<8xi32>, memref<8xi32>)
  return
}

// -----

func.func @documents_c2_positions_without_documents(%c: memref<3xi32>, %o: memref<8xi32>) {
  // expected-error@+1 {{'attn.documents' op expects 4 outs, but got 2}}
  attn.documents cu(%c, %c : memref<3xi32>, memref<3xi32>) outs(%o, %o : memref<8xi32>, memref<8xi32>)
  return
}
