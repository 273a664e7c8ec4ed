// Which keys there are, which need a mask and what is added is decided once, above both emitters: one printed plan, lowered
// by either.
// RUN: attn-opt %s --attn-stage-schedule=isa=sm_80 --attn-stage-plan --attn-stage-bufferize -o %t.plan
// RUN: FileCheck %s --check-prefix=PLAN < %t.plan
// RUN: attn-opt %t.plan --attn-stage-kernels | FileCheck %s --check-prefix=CPU --implicit-check-not="= attn."
// RUN: attn-opt %t.plan --attn-stage-gpu-kernels | FileCheck %s --check-prefix=GPU --implicit-check-not="= attn."

// The plan for a CPU differs in the numbers of the schedule, and in the blocks of the table that follow from them.
// RUN: attn-opt %s --attn-stage-schedule=isa=avx2 --attn-stage-plan --attn-stage-bufferize -o %t.plan.cpu
// RUN: sed -n '/attn.block_table/,/query_block/p;/attn.key_loop/,/schedule/p' %t.plan > %t.ops
// RUN: sed -n '/attn.block_table/,/query_block/p;/attn.key_loop/,/schedule/p' %t.plan.cpu > %t.ops.cpu
// RUN: not diff %t.ops %t.ops.cpu
// RUN: sed -E 's/#attn.schedule<[^>]*>|_block = [0-9]+//g' %t.ops > %t.same
// RUN: sed -E 's/#attn.schedule<[^>]*>|_block = [0-9]+//g' %t.ops.cpu > %t.same.cpu
// RUN: grep "attn.block_table sizes" %t.same
// RUN: grep "attn.key_loop ins" %t.same
// RUN: diff %t.same %t.same.cpu

// PLAN: attn.block_table
// PLAN: attn.yield %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : index, index, index, index
// PLAN: arith.cmpi sge, %{{.*}}, %c-777_i32
// PLAN: attn.load
// PLAN: attn.yield %{{.*}} : i1
// PLAN: {key_block = 32 : i64, query_block = 16 : i64}
// PLAN: attn.key_loop
// PLAN: block_table(
// PLAN: attn.yield %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : index, index, index, index
// PLAN: arith.cmpi sge, %{{.*}}, %c-777_i32
// PLAN: schedule = #attn.schedule<isa = "sm_80", {{.*}}kv_tile = 32

// Each of the kernels cuts the range, and looks at pairs, as the plan says.
// CPU-LABEL: func.func private @attn_block_table
// CPU: arith.subi %{{.*}}, %c777
// CPU: arith.cmpi sge, %{{.*}} : vector<16xi32>
// CPU-LABEL: func.func private @attn_tile(
// CPU: arith.subi %{{.*}}, %c777
// CPU: arith.cmpi sge, %{{.*}} : vector<8xi32>

// GPU-LABEL: gpu.func @attn_block_table
// GPU: arith.subi %{{.*}}, %c777
// GPU: arith.cmpi sge, %{{.*}}, %c-777_i32 : i32
// GPU-LABEL: gpu.func @attn_forward(
// GPU: arith.subi %{{.*}}, %c777
// GPU: arith.cmpi sge, %{{.*}}, %c-777_i32 : i32
// GPU-LABEL: gpu.func @attn_guard(
// GPU: arith.subi %{{.*}}, %c777
// GPU: arith.cmpi sge, %{{.*}}, %c-777_i32 : i32
func.func @main(%q: tensor<?x4x?x64xf32>, %k: tensor<?x4x?x64xf32>, %m: tensor<?x?xi1>) -> tensor<?x4x?x64xf32> {
  %out = attn.attention %q, %k, %k mask <band<777, 0>> align bottom_right mask_tensor(%m : tensor<?x?xi1>)
      : tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32>, tensor<?x4x?x64xf32> -> tensor<?x4x?x64xf32>
  return %out : tensor<?x4x?x64xf32>
}
