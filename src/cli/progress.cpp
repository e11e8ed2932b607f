// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include "cli/amounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace headrace::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLiveEvery{100};
constexpr milliseconds kFirstLine{2000};
constexpr milliseconds kLineEvery{5000};
constexpr std::size_t kPlainWidth = 100;
constexpr std::size_t kMaxBar = 30;
constexpr std::size_t kMinBar = 8;

bool is_terminal() {
  const char* const kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
}

std::size_t terminal_width() {
  winsize size{};
  const bool is_known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? size.ws_col : 80;
}

std::string bar(double share, std::size_t width) {
  const auto done = static_cast<std::size_t>(share * static_cast<double>(width));
  std::string result(width, ' ');
  std::fill_n(result.begin(), done, '=');
  if (done < width) {
    result[done] = '>';
  }
  return "[" + result + "] ";
}

}  // namespace

std::string progress_line(const Standing& standing, std::size_t width) {
  const double seconds = std::max(standing.seconds, 1e-9);
  const auto own = static_cast<double>(standing.samples - standing.before);
  const double rate = own / seconds;
  std::string head = count_text(static_cast<double>(standing.samples)) + " samples";
  std::vector<std::string> parts;
  double share = 0;
  if (standing.total > 0) {
    share = static_cast<double>(standing.samples) / static_cast<double>(standing.total);
    share = std::min(share, 1.0);
    head = fmt::format("{:3.0f} %", share * 100);
    if (own > 0) {
      const double left =
          static_cast<double>(standing.total) - static_cast<double>(standing.samples);
      parts.push_back("ETA " + clock_text(std::max(left, 0.0) / rate));
    }
  }
  parts.push_back(count_text(rate) + " samples/s");
  parts.push_back(fmt::format("{:.2f} GB/s", static_cast<double>(standing.bytes) / seconds / 1e9));
  if (standing.capacity > 0) {
    parts.push_back(fmt::format("queue {}/{}", standing.queued, standing.capacity));
  }
  std::string rest;
  for (const std::string& part : parts) {
    if (head.size() + rest.size() + 2 + part.size() <= width) {
      rest += "  " + part;
    }
  }
  const std::size_t room = width - std::min(width, head.size() + 3 + rest.size());
  if (standing.total > 0 && room >= kMinBar) {
    head += " " + bar(share, std::min(room, kMaxBar));
    rest.erase(0, std::min<std::size_t>(rest.size(), 1));
  }
  return (head + rest).substr(0, width);
}

Progress::Progress(std::function<Standing()> look)
    : look_(std::move(look)), is_live_(is_terminal()), next_line_(start_ + kFirstLine) {
  periodic_.emplace(kLiveEvery, [this] { show(); });
}

void Progress::show() {
  const Clock::time_point now = Clock::now();
  if (!is_live_ && now < next_line_) {
    return;
  }
  Standing standing = look_();
  standing.seconds = std::chrono::duration<double>(now - start_).count();
  if (is_live_) {
    // A full last column would make some terminals go to the next line.
    const std::string line = progress_line(standing, terminal_width() - 1);
    std::fputs(fmt::format("\r{}\x1b[K", line).c_str(), stderr);
    is_shown_ = true;
  } else {
    std::fputs((progress_line(standing, kPlainWidth) + "\n").c_str(), stderr);
    next_line_ = now + kLineEvery;
  }
  std::fflush(stderr);
}

void Progress::stop() noexcept {
  if (periodic_) {
    periodic_->stop();
    periodic_.reset();
    if (is_shown_) {
      std::fputs("\r\x1b[K", stderr);
      std::fflush(stderr);
    }
  }
}

}  // namespace headrace::cli
