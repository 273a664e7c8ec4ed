//===- small_package.c - A package written by hand ----------------*- C -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plain attention with grouped heads, as a package: what the tests of the
// cache and of the array handling load in place of a compiled one, so that
// they need neither LLVM nor its time.
//
//===----------------------------------------------------------------------===//

#include <math.h>
#include <stdint.h>

#define D 64
#define ARG(n) "{\"name\":\"" n "\",\"dtype\":\"f32\",\"shape\":[-1,-1,-1,64]}"

const char attn_package_json[] =
    "{\"format\":1,\"version\":\"0.1.0\",\"llvm\":\"none\",\"target\":"
    "\"generic\",\"cpu\":\"generic\",\"features\":\"\",\"ir_sha256\":\"0\","
    "\"entries\":[{\"name\":\"main\",\"args\":[" ARG("q") "," ARG("k") "," ARG(
        "v") "],\"results\":[" ARG("out") "],\"notes\":[\"written by hand\"]}]"
                                          "}";

typedef struct {
  float *allocated;
  float *data;
  int64_t offset;
  int64_t size[4];
  int64_t stride[4];
} Tensor;

static float *row(const Tensor *t, int64_t b, int64_t h, int64_t i) {
  return t->data + b * t->stride[0] + h * t->stride[1] + i * t->stride[2];
}

void attn_shape_main(void **args, int64_t *dims) {
  const Tensor *q = args[0], *v = args[2];
  dims[0] = q->size[0];
  dims[1] = q->size[1];
  dims[2] = q->size[2];
  dims[3] = v->size[3];
}

void attn_entry_main(void **args) {
  const Tensor *q = args[0], *k = args[1], *v = args[2], *out = args[3];
  for (int64_t b = 0; b < q->size[0]; ++b)
    for (int64_t h = 0; h < q->size[1]; ++h)
      for (int64_t i = 0; i < q->size[2]; ++i) {
        int64_t g = h / (q->size[1] / k->size[1]);
        double sum = 0, acc[D] = {0};
        for (int64_t j = 0; j < k->size[2]; ++j) {
          double s = 0;
          for (int d = 0; d < D; ++d)
            s += (double)row(q, b, h, i)[d] * row(k, b, g, j)[d];
          double p = exp(s / 8);
          sum += p;
          for (int d = 0; d < D; ++d)
            acc[d] += p * row(v, b, g, j)[d];
        }
        for (int d = 0; d < D; ++d)
          row(out, b, h, i)[d] = (float)(acc[d] / sum);
      }
}
