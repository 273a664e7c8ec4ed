//===- GpuPackage.c - A package with kernels, made by hand ----------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the compiler would emit for a GPU: host code that checks, allocates and
// launches, and PTX.
//
// Entries:
//   add   out[i, j] = a[i, j] + b[i, j]
//   bad   the same, with a kernel that also reads one element beyond `b`
//   part  the same as `add`, but for the last three elements
//   call  calls the function whose address and argument it is given
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/ABI.h"

#ifndef PACKAGE_ARCH
#define PACKAGE_ARCH "sm_80"
#endif
#ifdef PACKAGE_PTX_DAMAGED
#define PACKAGE_PTX_HEAD ".version 7.0\nnonsense\n"
#else
#define PACKAGE_PTX_HEAD ".version 7.0\n"
#endif

#define MATRIX(n) "{\"name\":\"" n "\",\"dtype\":\"f32\",\"shape\":[-1,4]}"
#define ENTRY(n)                                                               \
  "{\"name\":\"" n "\",\"args\":[" MATRIX("a") "," MATRIX(                     \
      "b") "],\"results\":[" MATRIX("out") "],\"notes\":[\"by hand\"]}"

const char attn_package_json[] =
    "{\"format\":1,\"version\":\"0.1.0\",\"llvm\":\"none\",\"target\":"
    "\"cuda\",\"arch\":\"" PACKAGE_ARCH "\",\"cpu\":\"generic\",\"features\":"
    "\"\",\"ir_sha256\":\"\",\"entries\":[" ENTRY("add") "," ENTRY(
        "bad") "," ENTRY("part") ","
                                 "{\"name\":\"call\",\"args\":["
                                 "{\"name\":\"what\",\"dtype\":\"i64\","
                                 "\"shape\":[2]}],"
                                 "\"results\":[{\"name\":\"out\",\"dtype\":"
                                 "\"i64\",\"shape\":[0]}]"
                                 "}]}";

// One kernel body, with the number of elements of `b` that are read past it.
#define KERNEL(name, beyond)                                                   \
  ".visible .entry " name "(.param .align 8 .b8 " name "_p[32])\n"             \
  "{\n"                                                                        \
  "  .reg .pred %p<2>;\n"                                                      \
  "  .reg .b32 %r<4>;\n"                                                       \
  "  .reg .f32 %f<4>;\n"                                                       \
  "  .reg .b64 %rd<10>;\n"                                                     \
  "  ld.param.u64 %rd1, [" name "_p];\n"                                       \
  "  ld.param.u64 %rd2, [" name "_p+8];\n"                                     \
  "  ld.param.u64 %rd3, [" name "_p+16];\n"                                    \
  "  ld.param.u64 %rd4, [" name "_p+24];\n"                                    \
  "  mov.u32 %r1, %ctaid.x;\n"                                                 \
  "  mov.u32 %r2, %ntid.x;\n"                                                  \
  "  mov.u32 %r3, %tid.x;\n"                                                   \
  "  mad.lo.s32 %r1, %r1, %r2, %r3;\n"                                         \
  "  cvt.u64.u32 %rd5, %r1;\n"                                                 \
  "  setp.ge.s64 %p1, %rd5, %rd4;\n"                                           \
  "  @%p1 bra DONE;\n"                                                         \
  "  shl.b64 %rd6, %rd5, 2;\n"                                                 \
  "  add.s64 %rd7, %rd1, %rd6;\n"                                              \
  "  add.s64 %rd8, %rd2, %rd6;\n"                                              \
  "  add.s64 %rd9, %rd3, %rd6;\n"                                              \
  "  ld.global.f32 %f1, [%rd7];\n"                                             \
  "  ld.global.f32 %f2, [%rd8+" beyond "];\n"                                  \
  "  add.f32 %f3, %f1, %f2;\n"                                                 \
  "  st.global.f32 [%rd9], %f3;\n"                                             \
  "DONE:\n"                                                                    \
  "  ret;\n"                                                                   \
  "}\n"

static const char ptx[] = PACKAGE_PTX_HEAD
    ".target " PACKAGE_ARCH "\n.address_size 64\n" KERNEL("add", "0")
        KERNEL("bad", "4");

static const AttnGpuImage image = {ptx, sizeof(ptx) - 1, 0, 0, PACKAGE_ARCH};

struct Rank1 {
  void *allocated, *aligned;
  int64_t offset, sizes[1], strides[1];
};
struct Rank2 {
  void *allocated, *aligned;
  int64_t offset, sizes[2], strides[2];
};

struct AddParams {
  const void *a, *b;
  void *out;
  int64_t n;
};

static void launch(const char *kernel, void **descs, int64_t leftOut) {
  struct Rank2 **d = (struct Rank2 **)descs;
  for (int i = 0; i < 3; ++i)
    attnrt_check_eq(d[i]->strides[0], 4, "rows expect to follow each other");
  struct AddParams params = {d[0]->aligned, d[1]->aligned, d[2]->aligned,
                             d[2]->sizes[0] * 4};
  // By way of a workspace, to have one.
  void *sum = attnrt_alloc(params.n * 4);
  params.out = sum;
  const int64_t all = params.n;
  params.n -= leftOut;
  attnrt_gpu_launch(&image, kernel, (all + 127) / 128, 1, 1, 128, 0, &params,
                    sizeof(params));
  struct Rank2 from = *d[2];
  from.allocated = from.aligned = sum;
  AttnUnrankedMemRef source = {2, &from}, target = {2, d[2]};
  memrefCopy(4, &source, &target);
  attnrt_free(sum);
  attnrt_count(ATTNRT_KEY_TILES_COMPUTED, 1);
}

static void addShape(void **descs, int64_t *dims) {
  struct Rank2 *a = (struct Rank2 *)descs[0], *b = (struct Rank2 *)descs[1];
  attnrt_check_eq(a->sizes[0], b->sizes[0],
                  "a and b expect the same number of rows");
  dims[0] = a->sizes[0];
  dims[1] = 4;
}

void attn_entry_add(void **descs) { launch("add", descs, 0); }
void attn_shape_add(void **descs, int64_t *dims) { addShape(descs, dims); }

void attn_entry_bad(void **descs) { launch("bad", descs, 0); }
void attn_shape_bad(void **descs, int64_t *dims) { addShape(descs, dims); }

void attn_entry_part(void **descs) { launch("add", descs, 3); }
void attn_shape_part(void **descs, int64_t *dims) { addShape(descs, dims); }

void attn_entry_call(void **descs) {
  int64_t *what = (int64_t *)((struct Rank1 *)descs[0])->aligned;
  ((void (*)(void *))what[0])((void *)what[1]);
}
void attn_shape_call(void **descs, int64_t *dims) {
  (void)descs;
  dims[0] = 0;
}
