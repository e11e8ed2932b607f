// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"

#include <stdexcept>
#include <string>
#include <string_view>

namespace headrace {

/// What kind of failure an Error reports; a program may branch on it, the text is for people.
enum class ErrorCode {
  invalid_argument,  ///< The caller's mistake; nothing was changed.
  out_of_memory,     ///< The device or the manager's byte limit has no room left.
  capacity,          ///< A count limit (a pool's buffers, a loader's budget) is used up.
  unsupported,       ///< A legal request that this object, backend or format cannot serve.
  device_lost,       ///< The device is gone; every later call on it says so, frees still work.
  io,                ///< The operating system could not read or write.
  corrupt_data,      ///< A file does not hold what its format promises.
  stopped,           ///< `AsyncDataLoader::stop` ended the call.
  internal,          ///< A fault of Headrace itself.
};

/// Name of `code` as written in the enumeration, for logs and reports.
HEADRACE_EXPORT std::string_view to_string(ErrorCode code) noexcept;

/// The one exception type of the library.
///
/// The text is a whole sentence that says what was asked, the value, the limit and the object.
class HEADRACE_EXPORT Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message);
  Error(const Error&) = default;
  Error& operator=(const Error&) = default;
  ~Error() override;

  /// The kind of failure.
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace headrace
