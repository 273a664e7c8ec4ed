/* Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Loads a package the way a user's program does, and checks that nothing of the
 * compiler came with it. */

#include "average.h"

#include <stdio.h>
#include <string.h>

static DLTensor tensor(float *data, int64_t *shape) {
  DLTensor t;
  memset(&t, 0, sizeof t);
  t.data = data;
  t.device.device_type = kDLCPU;
  t.ndim = 4;
  t.dtype.code = kDLFloat;
  t.dtype.bits = 32;
  t.dtype.lanes = 1;
  t.shape = shape;
  return t;
}

static int fail(void) {
  printf("failed: %s\n", attnLastError());
  return 1;
}

int main(void) {
  int64_t shape[4] = {1, 1, 3, 2};
  float zeros[6] = {0}, values[6] = {1, 10, 2, 20, 3, 30}, out[6] = {0};
  DLTensor q = tensor(zeros, shape), k = tensor(zeros, shape);
  DLTensor v = tensor(values, shape), o = tensor(out, shape);
  AttnPackage *package;
  int64_t dims[ATTN_AVERAGE_DIMS];
  if (attnPackageOpen("./average.so", &package) ||
      attn_average_shapes(package, &q, &k, &v, dims))
    return fail();
  printf("sizes %d %d %d %d\n", (int)dims[0], (int)dims[1], (int)dims[2],
         (int)dims[3]);
  if (attn_average_invoke(package, &q, &k, &v, &o, NULL))
    return fail();
  for (int i = 0; i < 3; ++i)
    printf("%.2f %.2f\n", out[2 * i], out[2 * i + 1]);

  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096];
  while (maps && fgets(line, sizeof line, maps))
    if (strstr(line, "LLVM") || strstr(line, "MLIR") || strstr(line, "attnc"))
      return printf("loaded: %s", line), 1;
  if (maps)
    fclose(maps);
  printf("loaded libraries: no LLVM, no MLIR, no libattnc\n");
  return attnPackageClose(package) ? fail() : 0;
}
