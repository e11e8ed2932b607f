// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace headrace::sources {

/// Asks the system to bring parts of mapped files in from storage, without waiting for them. Parts
/// that lie one behind another are asked for as one. What cannot be had is not told.
class ReadRequest {
 public:
  /// \param set_bytes  Of all files that may be asked for. Where they fit into a quarter of the
  ///                   machine's memory, what lies around a part is brought in with it: that is no
  ///                   dearer, and the rest of the set is wanted too.
  explicit ReadRequest(std::uint64_t set_bytes) noexcept;
  ReadRequest(const ReadRequest&) = delete;
  ReadRequest& operator=(const ReadRequest&) = delete;
  ~ReadRequest() { send(); }

  void add(std::span<const std::byte> part) noexcept;
  void send() noexcept;

 private:
  std::size_t unit_;  // requests begin and end at multiples of it
  std::span<const std::byte> joined_;
};

}  // namespace headrace::sources
