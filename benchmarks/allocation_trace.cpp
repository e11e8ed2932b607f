// SPDX-License-Identifier: Apache-2.0
#include "allocation_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace replay {

namespace {

using headrace::DeviceType;

constexpr std::string_view kHeader = "headrace allocation log 1";
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 62;

/// A fault of the line that is being read.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::uint64_t number_of(std::string_view text, const char* what) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Fault(fmt::format("the {} '{}' is no number", what, text));
  }
  return value;
}

DeviceType kind_of(std::string_view text) {
  for (const DeviceType kind : {DeviceType::cpu, DeviceType::gpu, DeviceType::persistent_gpu}) {
    if (text == headrace::to_string(kind)) {
      return kind;
    }
  }
  throw Fault(
      fmt::format("there is no kind of memory '{}'; there are cpu, gpu and persistent_gpu", text));
}

class Reader {
 public:
  explicit Reader(std::string name) { trace_.name = std::move(name); }

  void read_line(const std::string& line) {
    if (line.empty() || line.front() == '#') {
      return;
    }
    std::istringstream words(line);
    std::array<std::string, 7> fields;
    std::size_t count = 0;
    for (std::string word; words >> word; ++count) {
      if (count < fields.size()) {
        fields[count] = word;
      }
    }
    if (count != fields.size()) {
      throw Fault(fmt::format("{} fields, where an event has {}", count, fields.size()));
    }
    const auto& [event, time, thread, buffer, bytes, kind, stream] = fields;
    advance(number_of(time, "time"));
    number_of(thread, "thread");
    Operation operation;
    operation.bytes = number_of(bytes, "size");
    operation.kind = kind_of(kind);
    operation.stream = streams_.emplace(number_of(stream, "stream"), streams_.size()).first->second;
    if (event == "take") {
      operation.is_take = true;
      operation.buffer = number_of(buffer, "buffer");
      take(operation);
    } else if (event == "return") {
      operation.buffer = number_of(buffer, "buffer");
      give(operation);
    } else if (event == "fail") {
      ++trace_.failures;
    } else {
      throw Fault(fmt::format("there is no event '{}'; there are take, return and fail", event));
    }
  }

  AllocationTrace finish() {
    trace_.buffers = taken_.size();
    trace_.streams = streams_.size();
    return std::move(trace_);
  }

 private:
  void advance(std::uint64_t time) {
    if (time < time_) {
      throw Fault(fmt::format("the time {} is before that of the line above, {}", time, time_));
    }
    time_ = time;
  }
  void take(const Operation& operation) {
    if (operation.buffer != taken_.size()) {
      throw Fault(fmt::format(
          "buffer {} is taken where the next number is {}", operation.buffer, taken_.size()));
    }
    if (operation.bytes > kMostBytes - live_) {
      throw Fault(
          fmt::format("{} bytes more than the {} taken are too many", operation.bytes, live_));
    }
    live_ += operation.bytes;
    trace_.peak_live_bytes = std::max(trace_.peak_live_bytes, live_);
    taken_.emplace_back(operation);
    trace_.operations.push_back(operation);
  }
  void give(const Operation& operation) {
    if (operation.buffer >= taken_.size() || !taken_[operation.buffer]) {
      throw Fault(fmt::format("buffer {} is returned and was not taken, or is back already",
                              operation.buffer));
    }
    const Operation take = *taken_[operation.buffer];
    if (take.bytes != operation.bytes || take.kind != operation.kind ||
        take.stream != operation.stream) {
      throw Fault(
          fmt::format("buffer {} was taken with another size, kind or stream", operation.buffer));
    }
    live_ -= operation.bytes;
    taken_[operation.buffer].reset();
    trace_.operations.push_back(operation);
  }

  AllocationTrace trace_;
  std::vector<std::optional<Operation>> taken_;  // none: it is back
  std::map<std::uint64_t, std::size_t> streams_;
  std::uint64_t live_ = 0;
  std::uint64_t time_ = 0;
};

}  // namespace

AllocationTrace read_trace(std::istream& from, const std::string& name) {
  std::string line;
  if (!std::getline(from, line) || line != kHeader) {
    throw std::runtime_error(
        fmt::format("{}:1: '{}' is not the first line of a log, '{}'", name, line, kHeader));
  }
  Reader reader(std::filesystem::path(name).stem().string());
  for (std::size_t number = 2; std::getline(from, line); ++number) {
    try {
      reader.read_line(line);
    } catch (const Fault& fault) {
      throw std::runtime_error(fmt::format("{}:{}: {}", name, number, fault.what()));
    }
  }
  AllocationTrace trace = reader.finish();
  if (trace.peak_live_bytes == 0) {
    throw std::runtime_error(name + ": no memory is taken");
  }
  return trace;
}

AllocationTrace read_trace(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) {
    throw std::runtime_error(path.string() + ": cannot be opened");
  }
  return read_trace(file, path.string());
}

}  // namespace replay
