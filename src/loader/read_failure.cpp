// SPDX-License-Identifier: Apache-2.0
#include "loader/read_failure.h"

#include "headrace/error.h"

#include <fmt/format.h>

#include <new>
#include <string>

namespace headrace::loader {

namespace {

/// Throws the exception being handled, with `what` put before its text.
[[noreturn]] void rethrow_about(const std::string& what, std::string& message) {
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
  std::throw_with_nested(Error(code, message));
}

/// The exception being handled, with what it is about put before its text; as it is when there is
/// no memory for that.
template <class What>
std::exception_ptr wrap_current(const What& what, std::string& message) noexcept {
  std::exception_ptr original = std::current_exception();
  try {
    rethrow_about(what(), message);
  } catch (const std::bad_alloc&) {
    return original;
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

RowFailure sample_failure(std::size_t row, std::uint64_t sample, std::string_view source) noexcept {
  RowFailure failure{row, sample, nullptr, {}};
  const auto what = [&] { return fmt::format("Sample {} of {}", sample, source); };
  failure.error = wrap_current(what, failure.message);
  return failure;
}

std::exception_ptr batch_failure(std::uint64_t batch) noexcept {
  std::string message;
  return wrap_current([batch] { return fmt::format("Batch {}", batch); }, message);
}

}  // namespace headrace::loader
