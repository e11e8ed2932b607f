// SPDX-License-Identifier: Apache-2.0
#include "loader/read_failure.h"

#include "headrace/error.h"

#include <fmt/format.h>

#include <string>

namespace headrace::loader {

namespace {

/// The exception being handled, with `what` put before its text.
std::exception_ptr wrap_current(const std::string& what, std::string& message) noexcept {
  ErrorCode code = ErrorCode::io;
  try {
    throw;
  } catch (const Error& error) {
    code = error.code();
    message = fmt::format("{} cannot be read: {}", what, error.what());
  } catch (const std::exception& error) {
    message = fmt::format("{} cannot be read: {}", what, error.what());
  } catch (...) {
    message = what + " cannot be read: the source threw something that is no std::exception.";
  }
  try {
    std::throw_with_nested(Error(code, message));
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

RowFailure sample_failure(std::size_t row, std::uint64_t sample, std::string_view source) noexcept {
  RowFailure failure{row, sample, nullptr, {}};
  failure.error = wrap_current(fmt::format("Sample {} of {}", sample, source), failure.message);
  return failure;
}

std::exception_ptr batch_failure(std::uint64_t batch) noexcept {
  std::string message;
  return wrap_current(fmt::format("Batch {}", batch), message);
}

}  // namespace headrace::loader
