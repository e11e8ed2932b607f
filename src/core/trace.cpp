// SPDX-License-Identifier: Apache-2.0
#include "headrace/trace.h"

#include "headrace/error.h"

#include "core/process.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

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

struct Trace::State {
  struct Event {
    const std::string* stage;
    std::uint32_t track;
    std::int64_t begin_ns;
    std::int64_t length_ns;
    std::uint64_t batch;
  };

  explicit State(std::size_t most) : most_events(most) {}

  const core::ProcessStamp process;
  const Clock::time_point origin = Clock::now();
  const std::size_t most_events;
  std::mutex mutex;
  std::vector<std::string> tracks;            // guarded by mutex
  std::set<std::string, std::less<>> stages;  // guarded by mutex
  std::vector<Event> events;                  // guarded by mutex; a ring once it is full
  std::size_t oldest = 0;                     // guarded by mutex; index into events
  std::uint64_t dropped = 0;                  // guarded by mutex
};

Trace::Trace(std::size_t most_events) : state_(core::make_shared_here<State>(most_events)) {
  if (most_events == 0) {
    throw Error(ErrorCode::invalid_argument, "A trace of no events was asked for; 1 is the least.");
  }
}

Trace::~Trace() = default;

Trace::State& Trace::here() const {
  state_->process.require_current("The trace");
  return *state_;
}

std::uint32_t Trace::track(std::string_view name) {
  State& my = here();
  const std::scoped_lock lock(my.mutex);
  const auto known = std::ranges::find(my.tracks, name);
  const auto index = static_cast<std::uint32_t>(known - my.tracks.begin());
  if (known == my.tracks.end()) {
    my.tracks.emplace_back(name);
  }
  return index;
}

void Trace::record(std::uint32_t track,
                   std::string_view stage,
                   Clock::time_point begin,
                   Clock::time_point end,
                   std::uint64_t batch) {
  State& my = here();
  const std::scoped_lock lock(my.mutex);
  auto name = my.stages.find(stage);
  if (name == my.stages.end()) {
    name = my.stages.emplace(stage).first;
  }
  const State::Event event{
      &*name, track, nanoseconds(begin - my.origin), nanoseconds(end - begin), batch};
  if (my.events.size() < my.most_events) {
    my.events.push_back(event);
    return;
  }
  my.events[my.oldest] = event;
  my.oldest = (my.oldest + 1) % my.most_events;
  ++my.dropped;
}

std::size_t Trace::size() const {
  State& my = here();
  const std::scoped_lock lock(my.mutex);
  return my.events.size();
}

std::uint64_t Trace::dropped() const {
  State& my = here();
  const std::scoped_lock lock(my.mutex);
  return my.dropped;
}

void Trace::write(const std::filesystem::path& path) const {
  State& my = here();
  const std::scoped_lock lock(my.mutex);
  std::ofstream file(path);
  file << R"({"displayTimeUnit":"ms","traceEvents":[)";
  const char* separator = "\n";
  for (std::size_t track = 0; track < my.tracks.size(); ++track) {
    fmt::print(file,
               R"({}{{"ph":"M","pid":1,"tid":{},"name":"thread_name","args":{{"name":"{}"}}}})",
               separator,
               track,
               escaped(my.tracks[track]));
    separator = ",\n";
  }
  for (std::size_t i = 0; i < my.events.size(); ++i) {
    const State::Event& event = my.events[(my.oldest + i) % my.events.size()];
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
  fmt::print(file, "\n],\"otherData\":{{\"dropped_events\":{}}}}}\n", my.dropped);
  if (!file.flush()) {
    throw Error(ErrorCode::io, "The trace cannot be written to " + path.string() + ".");
  }
}

}  // namespace headrace
