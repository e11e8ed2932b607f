// SPDX-License-Identifier: Apache-2.0
#include "headrace/trace.h"

#include "headrace/error.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <fstream>

namespace headrace {

namespace {
std::int64_t nanoseconds(Trace::Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

/// `text` as JSON writes it between its quotes.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char character : text) {
    if (character == '"' || character == '\\') {
      result += '\\';
    }
    if (static_cast<unsigned char>(character) < 0x20) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(character));
    } else {
      result += character;
    }
  }
  return result;
}
}  // namespace

Trace::Trace(std::size_t most_events) : origin_(Clock::now()), most_events_(most_events) {
  if (most_events == 0) {
    throw Error(ErrorCode::invalid_argument, "A trace of no events was asked for; 1 is the least.");
  }
}

std::uint32_t Trace::track(std::string_view name) {
  const std::scoped_lock lock(mutex_);
  const auto known = std::ranges::find(tracks_, name);
  const auto index = static_cast<std::uint32_t>(known - tracks_.begin());
  if (known == tracks_.end()) {
    tracks_.emplace_back(name);
  }
  return index;
}

void Trace::record(std::uint32_t track,
                   std::string_view stage,
                   Clock::time_point begin,
                   Clock::time_point end,
                   std::uint64_t batch) {
  const std::scoped_lock lock(mutex_);
  auto name = stages_.find(stage);
  if (name == stages_.end()) {
    name = stages_.emplace(stage).first;
  }
  const Event event{&*name, track, nanoseconds(begin - origin_), nanoseconds(end - begin), batch};
  if (events_.size() < most_events_) {
    events_.push_back(event);
    return;
  }
  events_[oldest_] = event;
  oldest_ = (oldest_ + 1) % most_events_;
  ++dropped_;
}

std::size_t Trace::size() const {
  const std::scoped_lock lock(mutex_);
  return events_.size();
}

std::uint64_t Trace::dropped() const {
  const std::scoped_lock lock(mutex_);
  return dropped_;
}

void Trace::write(const std::filesystem::path& path) const {
  const std::scoped_lock lock(mutex_);
  std::ofstream file(path);
  file << R"({"displayTimeUnit":"ms","traceEvents":[)";
  const char* separator = "\n";
  for (std::size_t track = 0; track < tracks_.size(); ++track) {
    fmt::print(file,
               R"({}{{"ph":"M","pid":1,"tid":{},"name":"thread_name","args":{{"name":"{}"}}}})",
               separator,
               track,
               escaped(tracks_[track]));
    separator = ",\n";
  }
  for (std::size_t i = 0; i < events_.size(); ++i) {
    const Event& event = events_[(oldest_ + i) % events_.size()];
    fmt::print(
        file,
        R"({}{{"ph":"X","pid":1,"tid":{},"name":"{}","ts":{:.3f},"dur":{:.3f}{}}})",
        separator,
        event.track,
        escaped(*event.stage),
        static_cast<double>(event.begin_ns) / 1e3,
        static_cast<double>(event.length_ns) / 1e3,
        event.batch == kNoBatch ? "" : fmt::format(R"(,"args":{{"batch":{}}})", event.batch));
  }
  fmt::print(file, "\n],\"otherData\":{{\"dropped_events\":{}}}}}\n", dropped_);
  if (!file.flush()) {
    throw Error(ErrorCode::io, "The trace cannot be written to " + path.string() + ".");
  }
}

}  // namespace headrace
