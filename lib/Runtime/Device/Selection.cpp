//===- Selection.cpp - Which device a call runs on ------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A call runs where its tensors are unless it says otherwise, and nothing is
// copied between devices behind the caller's back.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Device/Selection.h"

#include "attn/Runtime/Device/CudaDevice.h"
#include "attn/Runtime/Device/EmulatedDevice.h"
#include "attn/Runtime/Device/Report.h"

using namespace attn::rt;

/// Reads "cuda" (number -1) and "cuda:N".
static bool parseCuda(const std::string &name, int &number) {
  number = -1;
  if (name == "cuda")
    return true;
  if (name.compare(0, 5, "cuda:") != 0 || name.size() < 6 || name.size() > 9)
    return false;
  number = 0;
  for (size_t i = 5; i < name.size(); ++i) {
    if (name[i] < '0' || name[i] > '9')
      return false;
    number = 10 * number + (name[i] - '0');
  }
  return true;
}

static Status unknownDevice(const std::string &name) {
  return failure(ATTN_DEVICE_ERROR,
                 "a device expects to be 'cpu', 'cuda', 'cuda:N' or "
                 "'emulated', but got '%s'",
                 name.c_str());
}

static Status openCuda(int number, Device *&device) {
  CudaDevice *opened = nullptr;
  if (Status status = CudaDevice::open(number, opened); !status.ok())
    return status;
  device = opened;
  return Status();
}

static Status openEmulated(Device *&device) {
  EmulatedDevice *opened = nullptr;
  if (Status status = EmulatedDevice::open(opened); !status.ok())
    return status;
  device = opened;
  return Status();
}

Status attn::rt::openDevice(const std::string &name, Device *&device) {
  int number = 0;
  if (name == "emulated")
    return openEmulated(device);
  if (parseCuda(name, number))
    return openCuda(number < 0 ? 0 : number, device);
  return unknownDevice(name);
}

/// The first CUDA device that holds a tensor, or -1.
static int firstCudaDevice(TensorList list) {
  if (!list.tensors)
    return -1;
  for (int i = 0; i < list.count; ++i)
    if (list.tensors[i] && list.tensors[i]->device.device_type == kDLCUDA)
      return list.tensors[i]->device.device_id;
  return -1;
}

/// The number that managed memory, or nothing at all, leaves open.
static bool holdsManaged(TensorList list) {
  if (!list.tensors)
    return false;
  for (int i = 0; i < list.count; ++i)
    if (list.tensors[i] &&
        list.tensors[i]->device.device_type == kDLCUDAManaged)
      return true;
  return false;
}

Status attn::rt::selectDevice(const Signature &signature,
                              const AttnInvokeOptions &options, TensorList args,
                              TensorList results, Device *&device,
                              TensorPlace &place) {
  const std::string name = options.device ? options.device : "";
  int number = -1;
  const bool cuda = parseCuda(name, number);
  if (!name.empty() && name != "cpu" && name != "emulated" && !cuda)
    return unknownDevice(name);
  if (options.stream && (!signature.onGpu() || name == "emulated"))
    return failure(ATTN_DEVICE_ERROR,
                   "a stream expects a call on CUDA, but got one on %s",
                   name == "emulated" ? "the emulated device" : "the CPU");
  if (!signature.onGpu()) {
    if (name.empty() || name == "cpu")
      return Status();
    return failure(ATTN_DEVICE_ERROR,
                   "the package is compiled for the CPU ('%s') and expects "
                   "device 'cpu', but got '%s'; compile it for target 'cuda'",
                   signature.target.c_str(), name.c_str());
  }
  if (name == "cpu")
    return failure(ATTN_DEVICE_ERROR,
                   "the package is compiled for a GPU ('%s') and expects "
                   "device 'cuda' or 'emulated', but got 'cpu'; compile it for "
                   "target 'host' to run on the CPU",
                   signature.arch.c_str());
  if (name == "emulated") {
    place.kind = TensorPlace::HostForDevice;
    return openEmulated(device);
  }
  int held = firstCudaDevice(args);
  if (held < 0)
    held = firstCudaDevice(results);
  if (number < 0)
    number = held;
  if (number < 0 && name.empty() && !holdsManaged(args) &&
      !holdsManaged(results) && args.count + results.count > 0)
    return failure(ATTN_DEVICE_ERROR,
                   "the package is compiled for a GPU ('%s') and expects "
                   "tensors on a CUDA device, but got tensors on the CPU; copy "
                   "them there, or use device='emulated' to run on the CPU's "
                   "tensors",
                   signature.arch.c_str());
  place.kind = TensorPlace::Cuda;
  place.cudaDevice = number < 0 ? 0 : number;
  return openCuda(place.cudaDevice, device);
}

std::string attn::rt::devicesJson() {
  std::string text = "[{\"device\":\"cpu\",\"available\":true,\"name\":\"the "
                     "CPU\",\"arch\":\"\"}";
  auto add = [&](const std::string &name, const Status &status,
                 const Device *device) {
    text += ",";
    text += status.ok() ? device->json()
                        : format("{\"device\":%s,\"available\":false,"
                                 "\"reason\":%s}",
                                 quoted(name).c_str(),
                                 quoted(status.message()).c_str());
  };
  Device *device = nullptr;
  Status status = openEmulated(device);
  add("emulated", status, device);
  int devices = 0;
  status = CudaDevice::count(devices);
  if (!status.ok() || devices == 0) {
    if (status.ok())
      status = openCuda(0, device);
    add("cuda", status, device);
  }
  for (int number = 0; number < devices; ++number) {
    status = openCuda(number, device);
    add(format("cuda:%d", number), status, device);
  }
  return text + "]";
}
