// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"
#include "headrace/memory_manager.h"
#include "headrace/stream.h"
#include "headrace/tensor.h"

#include <filesystem>
#include <string>
#include <vector>

namespace headrace {

/// A tensor with the name it has in its file.
struct NamedTensor {
  std::string name = {};
  Tensor tensor = {};
};

/// Reads all tensors of a safetensors file into `persistent_gpu` memory, through a staging pool, in
/// the order of their data in the file. Types stay those of the file.
///
///     AsyncDataLoaderConfig config;
///     for (NamedTensor& weight : read_weights("model.safetensors", memory)) {
///       config.weights.push_back(std::move(weight.tensor));
///     }
///
/// Waits: until everything is on the device. The file is mapped meanwhile; it must not be shortened
/// in place, see `open_source`. Threads: safe from any thread.
///
/// \param stream  Stream that uses the tensors first; they may be used on any.
/// \throws Error  `io` when the file cannot be read; `corrupt_data` with path and offset when its
///                content is not what its header says; `unsupported` for an element type that
///                DataType lacks and more than 8 dimensions; else as `MemoryManager::get_buffer`.
HEADRACE_EXPORT std::vector<NamedTensor> read_weights(const std::filesystem::path& path,
                                                      const MemoryManager& manager,
                                                      const Stream& stream = {});

}  // namespace headrace
