// What a block table is made of: the plan's own predicates, and nothing that the mask does not read.
// RUN: attn-opt %s --attn-schedule=isa=avx512 --attn-plan-keys --canonicalize --cse | FileCheck %s
// Without a schedule there are no blocks.
// RUN: attn-opt %s --attn-plan-keys | FileCheck %s --check-prefix=NONE
// NONE-NOT: attn.block_table

// The mask reads neither b nor h: one table for all, of ceil(100 / 32) x ceil(300 / 128) blocks. The bias is no
// operand of it.
// CHECK-LABEL: func.func @shared
// CHECK: %[[OUT:.*]] = tensor.empty() : tensor<1x1x4x3xi8>
// CHECK: %[[T:.*]] = attn.block_table sizes(%c2, %c8, %c8, %c100, %c300) aux ["mask_tensor"](%{{[^ ]*}} : tensor<1x1x100x300xi1>)
// CHECK-SAME: outs(%[[OUT]] : tensor<1x1x4x3xi8>) range {
// CHECK: } visible {
// CHECK-NEXT: ^bb0(%[[B:.*]]: i32, %[[H:.*]]: i32, %{{.*}}: i32, %[[I:.*]]: i32, %[[J:.*]]: i32, %{{.*}}: i32, %{{.*}}: i32, %[[M:.*]]: tensor<1x1x100x300xi1>):
// CHECK-NEXT: %[[P:.*]] = attn.load %[[M]][%[[B]], %[[H]], %[[I]], %[[J]]]
// CHECK-NEXT: attn.yield %[[P]] : i1
// CHECK-NEXT: } {key_block = 128 : i64, query_block = 32 : i64} -> tensor<1x1x4x3xi8>
// CHECK: attn.key_loop
// CHECK-SAME: block_table(%[[T]] : tensor<1x1x4x3xi8>) aux ["mask_tensor", "bias"]
func.func @shared(%q: tensor<2x8x100x8xf32>, %k: tensor<2x8x300x8xf32>, %m: tensor<1x1x100x300xi1>,
                  %bias: tensor<300xf32>) -> tensor<2x8x100x8xf32> {
  %out = attn.attention %q, %k, %k bias(%bias : tensor<300xf32>) mask_tensor(%m : tensor<1x1x100x300xi1>)
      : tensor<2x8x100x8xf32>, tensor<2x8x300x8xf32>, tensor<2x8x300x8xf32> -> tensor<2x8x100x8xf32>
  return %out : tensor<2x8x100x8xf32>
}

// A tensor per batch entry: a table per batch entry. That lengths are per batch entry would do as well.
// CHECK-LABEL: func.func @per_batch
// CHECK: attn.block_table {{.*}}outs(%{{.*}} : tensor<2x1x4x3xi8>)
func.func @per_batch(%q: tensor<2x8x100x8xf32>, %k: tensor<2x8x300x8xf32>, %m: tensor<2x1x1x300xi1>)
    -> tensor<2x8x100x8xf32> {
  %out = attn.attention %q, %k, %k mask_tensor(%m : tensor<2x1x1x300xi1>)
      : tensor<2x8x100x8xf32>, tensor<2x8x300x8xf32>, tensor<2x8x300x8xf32> -> tensor<2x8x100x8xf32>
  return %out : tensor<2x8x100x8xf32>
}

// h is read, b is not.
// CHECK-LABEL: func.func @per_head
// CHECK: attn.block_table {{.*}}outs(%{{.*}} : tensor<1x8x4x3xi8>)
func.func @per_head(%q: tensor<2x8x100x8xf32>, %k: tensor<2x8x300x8xf32>) -> tensor<2x8x100x8xf32> {
  %out = attn.attention %q, %k, %k
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %unused = arith.addi %b, %j : i32
        %p = arith.cmpi ne, %j, %h : i32
        attn.yield %p : i1
      } : tensor<2x8x100x8xf32>, tensor<2x8x300x8xf32>, tensor<2x8x300x8xf32> -> tensor<2x8x100x8xf32>
  return %out : tensor<2x8x100x8xf32>
}

// A captured tensor does not broadcast: one head is all that it allows, so h is read.
// CHECK-LABEL: func.func @captured
// CHECK: attn.block_table {{.*}}aux ["capture1"]{{.*}}outs(%{{.*}} : tensor<1x8x4x3xi8>)
func.func @captured(%q: tensor<2x8x100x8xf32>, %k: tensor<2x8x300x8xf32>, %s: tensor<8xf32>, %t: tensor<1xi1>)
    -> tensor<2x8x100x8xf32> {
  %out = attn.attention %q, %k, %k captures(%s, %t : tensor<8xf32>, tensor<1xi1>) score_mod {
      ^bb0(%s0: f32, %b: i32, %h: i32, %i: i32, %j: i32, %x: tensor<8xf32>, %y: tensor<1xi1>):
        %slope = attn.load %x[%h] : tensor<8xf32>
        %r = arith.mulf %s0, %slope : f32
        attn.yield %r : f32
      } mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %x: tensor<8xf32>, %y: tensor<1xi1>):
        %p = attn.load %y[%h] : tensor<1xi1>
        attn.yield %p : i1
      } : tensor<2x8x100x8xf32>, tensor<2x8x300x8xf32>, tensor<2x8x300x8xf32> -> tensor<2x8x100x8xf32>
  return %out : tensor<2x8x100x8xf32>
}

// How many queries there are is known when it runs: with few_rows or fewer the table has no rows.
// CHECK-LABEL: func.func @decode_or_prefill
// CHECK-DAG: %[[SQ:.*]] = tensor.dim %{{.*}}, %c2
// CHECK-DAG: %[[FEW:.*]] = arith.cmpi sle, %[[SQ]], %c20
// CHECK: %[[ROWS:.*]] = arith.select %[[FEW]], %c0, %{{.*}} : index
// CHECK: tensor.empty(%[[ROWS]], %{{.*}}) : tensor<1x1x?x?xi8>
// CHECK: attn.block_table
func.func @decode_or_prefill(%q: tensor<?x8x?x8xf32>, %k: tensor<?x8x?x8xf32>) -> tensor<?x8x?x8xf32> {
  %out = attn.attention %q, %k, %k align bottom_right mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %p = arith.cmpi ne, %j, %i : i32
        attn.yield %p : i1
      } : tensor<?x8x?x8xf32>, tensor<?x8x?x8xf32>, tensor<?x8x?x8xf32> -> tensor<?x8x?x8xf32>
  return %out : tensor<?x8x?x8xf32>
}

// A decode step reads no table.
// CHECK-LABEL: func.func @decode
// CHECK-NOT: attn.block_table
// CHECK: attn.key_loop
func.func @decode(%q: tensor<2x8x1x8xf32>, %k: tensor<2x8x300x8xf32>, %m: tensor<300xi1>) -> tensor<2x8x1x8xf32> {
  %out = attn.attention %q, %k, %k mask_tensor(%m : tensor<300xi1>)
      : tensor<2x8x1x8xf32>, tensor<2x8x300x8xf32>, tensor<2x8x300x8xf32> -> tensor<2x8x1x8xf32>
  return %out : tensor<2x8x1x8xf32>
}

// Intervals say all there is to know: nothing to look at.
// CHECK-LABEL: func.func @structured
// CHECK-NOT: attn.block_table
// CHECK: attn.key_loop
func.func @structured(%q: tensor<2x8x100x8xf32>, %n: tensor<2xi32>) -> tensor<2x8x100x8xf32> {
  %out = attn.attention %q, %q, %q mask <or(band<7, 0>, prefix<4>)> align top_left kv_lengths(%n : tensor<2xi32>)
      : tensor<2x8x100x8xf32>, tensor<2x8x100x8xf32>, tensor<2x8x100x8xf32> -> tensor<2x8x100x8xf32>
  return %out : tensor<2x8x100x8xf32>
}

// Two layers, one mask, one table; the scores differ.
// CHECK-LABEL: func.func @two_layers
// CHECK: %[[T:.*]] = attn.block_table
// CHECK-NOT: attn.block_table
// CHECK: attn.key_loop
// CHECK-SAME: block_table(%[[T]] :
// CHECK: attn.key_loop
// CHECK-SAME: block_table(%[[T]] :
func.func @two_layers(%q: tensor<2x8x100x8xf32>, %m: tensor<100x100xi1>) -> tensor<2x8x100x8xf32> {
  %x = attn.attention %q, %q, %q mask_tensor(%m : tensor<100x100xi1>)
      : tensor<2x8x100x8xf32>, tensor<2x8x100x8xf32>, tensor<2x8x100x8xf32> -> tensor<2x8x100x8xf32>
  %y = attn.attention %x, %x, %x mask_tensor(%m : tensor<100x100xi1>) {softcap = 20.0 : f64}
      : tensor<2x8x100x8xf32>, tensor<2x8x100x8xf32>, tensor<2x8x100x8xf32> -> tensor<2x8x100x8xf32>
  return %y : tensor<2x8x100x8xf32>
}
