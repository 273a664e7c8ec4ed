//===- CudaHeaderTest.cpp - Our declarations against CUDA's own -----------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Built where there is a cuda.h: numbers, sizes and offsets that the runtime
// declares for itself are compared with the public header's.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Device/CudaDriver.h"

#include <cuda.h>

#include "gtest/gtest.h"

using namespace attn::rt;

#define SAME(ours, theirs)                                                     \
  static_assert(static_cast<long long>(ours) ==                                \
                    static_cast<long long>(theirs),                            \
                "another number")

SAME(cuda::kSuccess, CUDA_SUCCESS);
SAME(cuda::kOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY);
SAME(cuda::kNotInitialized, CUDA_ERROR_NOT_INITIALIZED);
SAME(cuda::kStubLibrary, CUDA_ERROR_STUB_LIBRARY);
SAME(cuda::kNoDevice, CUDA_ERROR_NO_DEVICE);
SAME(cuda::kInvalidImage, CUDA_ERROR_INVALID_IMAGE);
SAME(cuda::kNoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU);
SAME(cuda::kInvalidPtx, CUDA_ERROR_INVALID_PTX);
SAME(cuda::kUnsupportedPtxVersion, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
SAME(cuda::kNotFound, CUDA_ERROR_NOT_FOUND);
SAME(cuda::kIllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS);
SAME(cuda::kLaunchOutOfResources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
SAME(cuda::kLaunchTimeout, CUDA_ERROR_LAUNCH_TIMEOUT);
SAME(cuda::kIllegalInstruction, CUDA_ERROR_ILLEGAL_INSTRUCTION);
SAME(cuda::kMisalignedAddress, CUDA_ERROR_MISALIGNED_ADDRESS);
SAME(cuda::kLaunchFailed, CUDA_ERROR_LAUNCH_FAILED);

SAME(cuda::kMaxThreadsPerBlock, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
SAME(cuda::kMaxGridX, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X);
SAME(cuda::kMaxGridY, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y);
SAME(cuda::kMaxGridZ, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z);
SAME(cuda::kMaxSharedPerBlock, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
SAME(cuda::kMaxPitch, CU_DEVICE_ATTRIBUTE_MAX_PITCH);
SAME(cuda::kMultiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME(cuda::kMaxThreadsPerMultiprocessor,
     CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR);
SAME(cuda::kComputeMajor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
SAME(cuda::kComputeMinor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
SAME(cuda::kMaxSharedPerBlockOptIn,
     CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
SAME(cuda::kMemoryPools, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED);

SAME(cuda::kFunctionMaxThreads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
SAME(cuda::kFunctionSharedBytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
SAME(cuda::kFunctionLocalBytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
SAME(cuda::kFunctionRegisters, CU_FUNC_ATTRIBUTE_NUM_REGS);
SAME(cuda::kFunctionMaxDynamicShared,
     CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME(cuda::kJitErrorLog, CU_JIT_ERROR_LOG_BUFFER);
SAME(cuda::kJitErrorLogBytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
SAME(cuda::kMemoryDevice, CU_MEMORYTYPE_DEVICE);
SAME(cuda::kLaunchParamPointer, CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT);
SAME(cuda::kLaunchParamSize, CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT);
SAME(cuda::kLaunchParamEnd, CU_LAUNCH_PARAM_END_AS_INT);

SAME(sizeof(cuda::Result), sizeof(CUresult));
SAME(sizeof(cuda::DeviceId), sizeof(CUdevice));
SAME(sizeof(cuda::DevicePtr), sizeof(CUdeviceptr));
SAME(sizeof(cuda::Memcpy2D), sizeof(CUDA_MEMCPY2D));
SAME(offsetof(cuda::Memcpy2D, srcDevice), offsetof(CUDA_MEMCPY2D, srcDevice));
SAME(offsetof(cuda::Memcpy2D, srcPitch), offsetof(CUDA_MEMCPY2D, srcPitch));
SAME(offsetof(cuda::Memcpy2D, dstDevice), offsetof(CUDA_MEMCPY2D, dstDevice));
SAME(offsetof(cuda::Memcpy2D, dstPitch), offsetof(CUDA_MEMCPY2D, dstPitch));
SAME(offsetof(cuda::Memcpy2D, height), offsetof(CUDA_MEMCPY2D, Height));

TEST(CudaHeaderTest, TheStreamIsTheLegacyOne) {
  EXPECT_EQ(reinterpret_cast<uintptr_t>(CU_STREAM_LEGACY), cuda::kStreamLegacy);
}
