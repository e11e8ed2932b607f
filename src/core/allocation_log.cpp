// SPDX-License-Identifier: Apache-2.0
#include "core/allocation_log.h"

#include "headrace/error.h"

#include "core/log.h"

#include <fmt/format.h>

#include <cerrno>
#include <exception>
#include <iterator>
#include <system_error>
#include <utility>

namespace headrace::core {

namespace {

constexpr std::size_t kWriteBytes = std::size_t{64} << 10;
constexpr const char* kHeader =
    "headrace allocation log 1\n"
    "# event microseconds thread buffer bytes kind stream\n";

std::string reason(int error) {
  return std::generic_category().message(error);
}

}  // namespace

AllocationLog::AllocationLog(const std::filesystem::path& path)
    : path_(path.string()), file_(std::fopen(path_.c_str(), "w")), text_(kHeader) {
  if (!file_) {
    throw Error(ErrorCode::io,
                fmt::format("The allocation log '{}' cannot be opened: {}.", path_, reason(errno)));
  }
  // A process that forks must not write twice what is not yet written; `text_` is the buffer.
  std::setvbuf(file_.get(), nullptr, _IONBF, 0);
}

AllocationLog::~AllocationLog() {
  flush();
}

void AllocationLog::taken(const void* block, const Request& request) noexcept {
  const std::scoped_lock lock(mutex_);
  unless_broken([&] {
    const Taken& taken = taken_[block] = {buffers_++, request};
    write_line("take", fmt::to_string(taken.number), request);
  });
}

void AllocationLog::returned(const void* block) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto found = taken_.find(block);
  if (found == taken_.end()) {
    return;
  }
  const Taken taken = found->second;
  taken_.erase(found);
  unless_broken([&] { write_line("return", fmt::to_string(taken.number), taken.request); });
}

void AllocationLog::failed(const Request& request) noexcept {
  const std::scoped_lock lock(mutex_);
  unless_broken([&] { write_line("fail", "-", request); });
}

void AllocationLog::flush() noexcept {
  const std::scoped_lock lock(mutex_);
  unless_broken([this] { write_out(); });
}

void AllocationLog::write_line(const char* event,
                               const std::string& buffer,
                               const Request& request) {
  const auto time = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begin_);
  const std::size_t thread =
      threads_.emplace(std::this_thread::get_id(), threads_.size()).first->second;
  fmt::format_to(std::back_inserter(text_),
                 "{} {} {} {} {} {} {}\n",
                 event,
                 time.count(),
                 thread,
                 buffer,
                 request.bytes,
                 to_string(request.device_type),
                 request.stream);
  if (text_.size() >= kWriteBytes) {
    write_out();
  }
}

void AllocationLog::write_out() {
  if (std::fwrite(text_.data(), 1, text_.size(), file_.get()) != text_.size()) {
    throw Error(ErrorCode::io, reason(errno));
  }
  text_.clear();
}

template <class F>
void AllocationLog::unless_broken(const F& write) noexcept {
  if (is_broken()) {
    return;
  }
  try {
    write();
  } catch (const std::exception& error) {
    is_broken_ = true;
    taken_.clear();
    log_error("The allocation log '" + path_ + "' ends here: " + error.what() + ".");
  }
}

}  // namespace headrace::core
