// RUN: attn-opt %s --attn-match-masks --canonicalize | FileCheck %s
// The pipeline does so before anything is scheduled.
// RUN: attn-opt %s --attn-stage-schedule | FileCheck %s

// CHECK-LABEL: func.func @causal
// CHECK: attn.attention {{.*}} mask <causal> align top_left
func.func @causal(%q: tensor<1x4x16x8xf32>) -> tensor<1x4x16x8xf32> {
  %out = attn.attention %q, %q, %q align top_left
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %p = arith.cmpi sge, %i, %j : i32
        attn.yield %p : i1
      } : tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32> -> tensor<1x4x16x8xf32>
  return %out : tensor<1x4x16x8xf32>
}

// i - j < 128 is j - i >= -127.
// CHECK-NOT: mask_mod
// CHECK-LABEL: func.func @window
// CHECK: attn.attention {{.*}} mask <band<127, 0>> align bottom_right
func.func @window(%q: tensor<1x4x16x8xf32>) -> tensor<1x4x16x8xf32> {
  %out = attn.attention %q, %q, %q align bottom_right
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %n = arith.constant 128 : i32
        %d = arith.subi %i, %j : i32
        %near = arith.cmpi slt, %d, %n : i32
        %past = arith.cmpi sle, %j, %i : i32
        %p = arith.andi %near, %past : i1
        attn.yield %p : i1
      } : tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32> -> tensor<1x4x16x8xf32>
  return %out : tensor<1x4x16x8xf32>
}

// not (j > i and j >= 7)
// CHECK-LABEL: func.func @prefix_lm
// CHECK: attn.attention {{.*}} mask <or(causal, prefix<7>)> align top_left
func.func @prefix_lm(%q: tensor<1x4x16x8xf32>) -> tensor<1x4x16x8xf32> {
  %out = attn.attention %q, %q, %q align top_left
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %n = arith.constant 7 : i32
        %true = arith.constant true
        %future = arith.cmpi sgt, %j, %i : i32
        %far = arith.cmpi sge, %j, %n : i32
        %hidden = arith.andi %future, %far : i1
        %p = arith.xori %hidden, %true : i1
        attn.yield %p : i1
      } : tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32> -> tensor<1x4x16x8xf32>
  return %out : tensor<1x4x16x8xf32>
}

// What holds for all of an `and` is taken out of it; it joins the mask that was there. The rest stays.
// CHECK-NOT: mask_mod
// CHECK-LABEL: func.func @in_part
// CHECK: attn.attention {{.*}} mask <and(prefix<12>, band<5, 0>)> align top_left mask_mod {
// CHECK-NEXT: ^bb0(%{{.*}}: i32, %{{.*}}: i32, %{{.*}}: i32, %[[J:.*]]: i32):
// CHECK: %[[R:.*]] = arith.remsi %[[J]], %{{.*}} : i32
// CHECK-NEXT: %[[P:.*]] = arith.cmpi eq, %[[R]], %{{.*}} : i32
// CHECK-NEXT: attn.yield %[[P]] : i1
func.func @in_part(%q: tensor<1x4x16x8xf32>) -> tensor<1x4x16x8xf32> {
  %out = attn.attention %q, %q, %q mask <and(causal, prefix<12>)> align top_left
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %zero = arith.constant 0 : i32
        %three = arith.constant 3 : i32
        %five = arith.constant 5 : i32
        %r = arith.remsi %j, %three : i32
        %third = arith.cmpi eq, %r, %zero : i32
        %d = arith.addi %j, %five : i32
        %near = arith.cmpi sge, %d, %i : i32
        %p = arith.andi %third, %near : i1
        attn.yield %p : i1
      } : tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32> -> tensor<1x4x16x8xf32>
  return %out : tensor<1x4x16x8xf32>
}

// A band that excludes the diagonal has no name, nor has one of queries, nor one of heads.
// CHECK-LABEL: func.func @no_such_mask
// CHECK-NOT: mask <
// CHECK: align top_left mask_mod {
func.func @no_such_mask(%q: tensor<1x4x16x8xf32>) -> tensor<1x4x16x8xf32> {
  %out = attn.attention %q, %q, %q align top_left
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %n = arith.constant 4 : i32
        %x = arith.cmpi slt, %j, %i : i32
        %y = arith.cmpi slt, %i, %n : i32
        %z = arith.cmpi sle, %j, %h : i32
        %xy = arith.andi %x, %y : i1
        %p = arith.andi %xy, %z : i1
        attn.yield %p : i1
      } : tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32> -> tensor<1x4x16x8xf32>
  return %out : tensor<1x4x16x8xf32>
}

// Given positions may be any i32: j - i may wrap, j <= i does not.
// CHECK-LABEL: func.func @given_positions
// CHECK: mask <causal>
// CHECK: arith.subi
func.func @given_positions(%q: tensor<1x4x16x8xf32>, %p: tensor<1x16xi32>) -> tensor<1x4x16x8xf32> {
  %out = attn.attention %q, %q, %q q_positions(%p : tensor<1x16xi32>) kv_positions(%p : tensor<1x16xi32>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %n = arith.constant 4 : i32
        %d = arith.subi %i, %j : i32
        %near = arith.cmpi sle, %d, %n : i32
        %past = arith.cmpi sle, %j, %i : i32
        %r = arith.andi %near, %past : i1
        attn.yield %r : i1
      } : tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32> -> tensor<1x4x16x8xf32>
  return %out : tensor<1x4x16x8xf32>
}

// Captures that only a matched mask_mod came with go as well.
// CHECK-LABEL: func.func @nothing_left
// CHECK: attn.attention %{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}} mask <prefix<0>>
func.func @nothing_left(%q: tensor<1x4x16x8xf32>, %c: tensor<4xf32>) -> tensor<1x4x16x8xf32> {
  %out = attn.attention %q, %q, %q captures(%c : tensor<4xf32>)
      mask_mod {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32, %t: tensor<4xf32>):
        %n = arith.constant -3 : i32
        %p = arith.cmpi slt, %j, %n : i32
        attn.yield %p : i1
      } : tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32> -> tensor<1x4x16x8xf32>
  return %out : tensor<1x4x16x8xf32>
}
