// RUN: attn-opt %s --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize --attn-stage-gpu-kernels \
// RUN:   --split-input-file --verify-diagnostics
// What the conversion expects of the stages before it:
// RUN: sed -n '/^func.func @f64/,/^}/p' %s | sed s/f64/f32/g \
// RUN:   | attn-opt --attn-stage-schedule=isa=sm_80 --attn-stage-plan > %t.tensors
// RUN: not attn-opt %t.tensors --convert-attn-to-gpu 2>&1 | FileCheck %s --check-prefix=TENSORS
// RUN: attn-opt %t.tensors --attn-stage-bufferize | sed 's/, schedule = #attn.schedule<[^>]*>//' > %t.unscheduled
// RUN: not attn-opt %t.unscheduled --convert-attn-to-gpu 2>&1 | FileCheck %s --check-prefix=UNSCHEDULED

// TENSORS: error: 'attn.key_loop' op expects buffers, but got 'tensor<1x1x4x8xf32>'; bufferize first
// UNSCHEDULED: error: 'attn.key_loop' op expects a schedule, but got none; run attn-schedule first

// What a GPU program may not hold.

func.func @f64(%q: tensor<1x1x4x8xf64>) -> tensor<1x1x4x8xf64> {
  // expected-error@+1 {{expects f32, f16 or bf16 on a GPU, but got f64; compile for the CPU or convert to f32}}
  %out = attn.attention %q, %q, %q
      : tensor<1x1x4x8xf64>, tensor<1x1x4x8xf64>, tensor<1x1x4x8xf64> -> tensor<1x1x4x8xf64>
  return %out : tensor<1x1x4x8xf64>
}

// -----

func.func @no_polynomial(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{expects an elementary function of f32 that needs no library on a GPU (exp, exp2, log, tanh, sinh, cosh, erf, sin, cos, asin, acos, atan, sqrt, rsqrt), but got one of 'f32' that does; compile for the CPU, or write it otherwise}}
  %y = math.acosh %x : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// The caller makes the results before anything runs.
func.func @computed_size(%q: tensor<1x1x?x8xf32>) -> tensor<1x1x?x8xf32> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %last = scf.for %i = %zero to %two step %one iter_args(%x = %q) -> tensor<1x1x?x8xf32> {
    // expected-error@+1 {{expects result sizes that follow from the sizes of the arguments in a GPU program, but got sizes that have to be computed; give the result static sizes}}
    %y = attn.attention %x, %q, %q
        : tensor<1x1x?x8xf32>, tensor<1x1x?x8xf32>, tensor<1x1x?x8xf32> -> tensor<1x1x?x8xf32>
    %z = tensor.concat dim(2) %y, %q : (tensor<1x1x?x8xf32>, tensor<1x1x?x8xf32>) -> tensor<1x1x?x8xf32>
    scf.yield %z : tensor<1x1x?x8xf32>
  }
  return %last : tensor<1x1x?x8xf32>
}

// -----

// Nor is the device's memory looked at before.
func.func @size_from_a_tensor(%n: tensor<i32>) -> tensor<?xf32> {
  // expected-error@+1 {{expects result sizes that follow from the sizes of the arguments in a GPU program, but got sizes that have to be computed; give the result static sizes}}
  %count = tensor.extract %n[] : tensor<i32>
  %size = arith.index_cast %count : i32 to index
  %one = arith.constant 1.0 : f32
  %r = tensor.splat %one[%size] : tensor<?xf32>
  return %r : tensor<?xf32>
}

// -----

// Schedules written by hand that the kernel has no form for.
func.func @rows_of_a_warp(%q: tensor<1x1x40x128xf16>) -> tensor<1x1x40x128xf16> {
  // expected-error@+1 {{expects lanes * q_vectors of a GPU's schedule to be 16, but got 32}}
  %out = attn.attention %q, %q, %q
      {schedule = #attn.schedule<isa = "sm_80", lanes = 16, q_vectors = 2, strips = 4, key_rows = 8,
                                 kv_tile = 64, few_rows = 16, split_keys = 512>}
      : tensor<1x1x40x128xf16>, tensor<1x1x40x128xf16>, tensor<1x1x40x128xf16> -> tensor<1x1x40x128xf16>
  return %out : tensor<1x1x40x128xf16>
}

// -----

func.func @warps(%q: tensor<1x1x40x128xf16>) -> tensor<1x1x40x128xf16> {
  // expected-error@+1 {{expects strips of a GPU's schedule to be 4, but got 2}}
  %out = attn.attention %q, %q, %q
      {schedule = #attn.schedule<isa = "sm_80", lanes = 8, q_vectors = 2, strips = 2, key_rows = 8,
                                 kv_tile = 64, few_rows = 16, split_keys = 512>}
      : tensor<1x1x40x128xf16>, tensor<1x1x40x128xf16>, tensor<1x1x40x128xf16> -> tensor<1x1x40x128xf16>
  return %out : tensor<1x1x40x128xf16>
}

// -----

func.func @half_a_fragment(%q: tensor<1x1x40x128xf16>) -> tensor<1x1x40x128xf16> {
  // expected-error@+1 {{expects kv_tile of a GPU's schedule to be 32, but got 24}}
  %out = attn.attention %q, %q, %q
      {schedule = #attn.schedule<isa = "sm_80", lanes = 8, q_vectors = 2, strips = 4, key_rows = 8,
                                 kv_tile = 24, few_rows = 16, split_keys = 512>}
      : tensor<1x1x40x128xf16>, tensor<1x1x40x128xf16>, tensor<1x1x40x128xf16> -> tensor<1x1x40x128xf16>
  return %out : tensor<1x1x40x128xf16>
}

// -----

func.func @shared_memory(%q: tensor<1x1x40x128xf16>) -> tensor<1x1x40x128xf16> {
  // expected-error@+1 {{expects a kv_tile whose keys and values fit 101376 bytes of shared memory, but got 128, which takes 156672}}
  %out = attn.attention %q, %q, %q
      {schedule = #attn.schedule<isa = "sm_80", lanes = 8, q_vectors = 2, strips = 4, key_rows = 8,
                                 kv_tile = 128, few_rows = 16, split_keys = 512>}
      : tensor<1x1x40x128xf16>, tensor<1x1x40x128xf16>, tensor<1x1x40x128xf16> -> tensor<1x1x40x128xf16>
  return %out : tensor<1x1x40x128xf16>
}

// -----

func.func @scores(%q: tensor<1x1x40x64xf16>) -> tensor<1x1x40x40xf16> {
  // expected-error@+1 {{expects neither scores nor prob_mod on a GPU, whose kernels never hold the scores of a whole row, but got scores; compile for the CPU}}
  %out, %scores = attn.attention %q, %q, %q
      : tensor<1x1x40x64xf16>, tensor<1x1x40x64xf16>, tensor<1x1x40x64xf16> -> tensor<1x1x40x64xf16> scores weight : tensor<1x1x40x40xf16>
  return %scores : tensor<1x1x40x40xf16>
}

// -----

func.func @prob_mod(%q: tensor<1x1x40x64xf16>) -> tensor<1x1x40x64xf16> {
  // expected-error@+1 {{expects neither scores nor prob_mod on a GPU, whose kernels never hold the scores of a whole row, but got prob_mod; compile for the CPU}}
  %out = attn.attention %q, %q, %q
      prob_mod {
      ^bb0(%p: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %r = arith.addf %p, %p : f32
        attn.yield %r : f32
      } : tensor<1x1x40x64xf16>, tensor<1x1x40x64xf16>, tensor<1x1x40x64xf16> -> tensor<1x1x40x64xf16>
  return %out : tensor<1x1x40x64xf16>
}
