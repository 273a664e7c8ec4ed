//===- TestPackage.c - A package made by hand -----------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the compiler would emit, written by hand so that the runtime can be
// tested without a compiler. Macros make faulty variants of it.
//
// Entries:
//   add   out[i, j] = a[i, j] + b[i, j], one task per row
//   call  calls the function whose address and argument it is given: tests run
//         code of their own inside of a call that way
//   half  takes one tensor of each unusual kind and returns their sizes
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/ABI.h"

#ifndef PACKAGE_FORMAT
#define PACKAGE_FORMAT "1"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.3"
#endif
#ifndef PACKAGE_TARGET
#define PACKAGE_TARGET "generic"
#endif
#ifndef PACKAGE_FEATURES
#define PACKAGE_FEATURES "-avx512f,+some-tuning"
#endif
#ifndef PACKAGE_EXTRA_ENTRIES
#define PACKAGE_EXTRA_ENTRIES ""
#endif
#ifndef PACKAGE_ADDEND
#define PACKAGE_ADDEND 0.0f
#endif

const char attn_package_json[] =
    "{\"format\":" PACKAGE_FORMAT ",\"version\":\"" PACKAGE_VERSION
    "\",\"llvm\":\"22.1.8\",\"target\":\"" PACKAGE_TARGET
    "\",\"cpu\":\"none\",\"features\":\"" PACKAGE_FEATURES
    "\",\"ir_sha256\":\"\",\"entries\":["
    "{\"name\":\"add\",\"args\":["
    "{\"name\":\"a\",\"dtype\":\"f32\",\"shape\":[-1,4]},"
    "{\"name\":\"b\",\"dtype\":\"f32\",\"shape\":[-1,4]}],"
    "\"results\":[{\"name\":\"out\",\"dtype\":\"f32\",\"shape\":[-1,4]}],"
    "\"notes\":[\"by hand\"]},"
    "{\"name\":\"call\",\"args\":["
    "{\"name\":\"what\",\"dtype\":\"i64\",\"shape\":[2]}],"
    "\"results\":[{\"name\":\"out\",\"dtype\":\"i64\",\"shape\":[]}]},"
    "{\"name\":\"half\",\"args\":["
    "{\"name\":\"h\",\"dtype\":\"f16\",\"shape\":[-1,8,-1,64]},"
    "{\"name\":\"g\",\"dtype\":\"bf16\",\"shape\":[-1]},"
    "{\"name\":\"m\",\"dtype\":\"i1\",\"shape\":[-1,-1]}],"
    "\"results\":[{\"name\":\"n\",\"dtype\":\"i32\",\"shape\":[4]}]"
    "}" PACKAGE_EXTRA_ENTRIES "]}";

/// Memref descriptors of rank 0, 1, 2 and 4.
struct Rank0 {
  void *allocated, *aligned;
  int64_t offset;
};
struct Rank1 {
  void *allocated, *aligned;
  int64_t offset, sizes[1], strides[1];
};
struct Rank2 {
  void *allocated, *aligned;
  int64_t offset, sizes[2], strides[2];
};
struct Rank4 {
  void *allocated, *aligned;
  int64_t offset, sizes[4], strides[4];
};

static void addRow(void *context, int64_t row, void *scratch) {
  (void)scratch;
  struct Rank2 **d = (struct Rank2 **)context;
  const float *a = (const float *)d[0]->aligned + row * d[0]->strides[0];
  const float *b = (const float *)d[1]->aligned + row * d[1]->strides[0];
  float *out = (float *)d[2]->aligned + row * d[2]->strides[0];
  for (int64_t j = 0; j < d[2]->sizes[1]; ++j)
    out[j] = a[j] + b[j] + PACKAGE_ADDEND;
  attnrt_count(ATTNRT_KEY_TILES_COMPUTED, 1);
}

void attn_entry_add(void **descs) {
  attnrt_parallel_for(addRow, descs, ((struct Rank2 *)descs[2])->sizes[0], 64);
}

void attn_shape_add(void **descs, int64_t *dims) {
  struct Rank2 *a = (struct Rank2 *)descs[0], *b = (struct Rank2 *)descs[1];
  attnrt_check_eq(a->sizes[0], b->sizes[0],
                  "a and b expect the same number of rows");
  dims[0] = a->sizes[0];
  dims[1] = 4;
}

void attn_entry_call(void **descs) {
  int64_t *what = (int64_t *)((struct Rank1 *)descs[0])->aligned;
  *(int64_t *)((struct Rank0 *)descs[1])->aligned = 0;
  ((void (*)(void *))what[0])((void *)what[1]);
  *(int64_t *)((struct Rank0 *)descs[1])->aligned = 1;
}

void attn_shape_call(void **descs, int64_t *dims) {
  (void)descs;
  (void)dims;
}

void attn_entry_half(void **descs) {
  struct Rank4 *h = (struct Rank4 *)descs[0];
  struct Rank1 *g = (struct Rank1 *)descs[1];
  struct Rank2 *m = (struct Rank2 *)descs[2];
  int32_t *n = (int32_t *)((struct Rank1 *)descs[3])->aligned;
  n[0] = (int32_t)h->sizes[2];
  n[1] = (int32_t)h->strides[3];
  n[2] = (int32_t)g->strides[0];
  n[3] = (int32_t)m->strides[1];
}

void attn_shape_half(void **descs, int64_t *dims) {
  (void)descs;
  dims[0] = 4;
}
