// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/buffer.h"

#include <mutex>
#include <string_view>
#include <unordered_map>

namespace headrace::core {

/// Buffers held for callers that know them by a bare pointer. Threads: safe from any thread.
class PointerTable {
 public:
  /// Keeps `buffer`. \returns Its key: the address, or the block's where the device has no
  /// addresses.
  void* insert(Buffer buffer);

  /// Gives up the buffer of `pointer`.
  ///
  /// \throws Error  `invalid_argument` when there is none; `device` is for the text.
  Buffer extract(void* pointer, std::string_view device);

 private:
  std::mutex mutex_;
  std::unordered_map<void*, Buffer> buffers_;
};

}  // namespace headrace::core
