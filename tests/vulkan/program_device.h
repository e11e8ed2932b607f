// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/command_buffer.h"
#include "headrace/device.h"
#include "headrace/memory_manager.h"
#include "headrace/tensor.h"

#include <utility>

namespace headrace::test {

/// Fills a tensor and waits for it. \throws Error
inline void use(const Device& device) {
  const MemoryManager manager(device);
  const Stream stream = device.make_stream();
  CommandBufferPool pool(stream, 1);
  CommandBuffer buffer = pool.get_buffer();
  buffer.fill(Tensor(manager, Shape{10}, DataType::int32, DeviceType::gpu, stream), 1);
  pool.execute_async(std::move(buffer)).wait();
}

/// The device as programs open it. The layer loses every device at once, this one too, which only
/// its next use finds out; then it is opened anew.
inline Device open_program_device() {
  try {
    use(open_device("vulkan:0"));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::device_lost) {
      throw;
    }
  }
  return open_device("vulkan:0");
}

}  // namespace headrace::test
