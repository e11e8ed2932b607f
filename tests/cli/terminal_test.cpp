// SPDX-License-Identifier: Apache-2.0
// What standard error shows while a run goes on, on a terminal and elsewhere.
#include "stream_report.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>

namespace headrace::test {
namespace {

using testing::HasSubstr;
using testing::Not;

using Clock = std::chrono::steady_clock;

// A pseudo-terminal of 60 columns.
class Terminal {
 public:
  Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    ::grantpt(master_);
    ::unlockpt(master_);
    slave_ = ::open(::ptsname(master_), O_RDWR | O_NOCTTY | O_CLOEXEC);
    winsize size{};
    size.ws_row = 24;
    size.ws_col = 60;
    ::ioctl(slave_, TIOCSWINSZ, &size);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    ::close(slave_);
    ::close(master_);
  }

  [[nodiscard]] int descriptor() const { return slave_; }

  // Reads on until the text holds `wanted`, at most ten seconds.
  const std::string& read_until(std::string_view wanted) {
    const Clock::time_point end = Clock::now() + std::chrono::seconds(10);
    while (text_.find(wanted) == std::string::npos && Clock::now() < end) {
      read();
    }
    return text_;
  }

  // Reads what there is, and gives all that was read.
  const std::string& read() {
    char piece[4096];
    pollfd ready{.fd = master_, .events = POLLIN, .revents = 0};
    while (::poll(&ready, 1, 50) == 1 && (ready.revents & POLLIN) != 0) {
      const ssize_t count = ::read(master_, piece, sizeof(piece));
      text_.append(piece, count > 0 ? static_cast<std::size_t>(count) : 0);
    }
    return text_;
  }

 private:
  int master_ = -1;
  int slave_ = -1;
  std::string text_;
};

Arguments endless() {
  return {"stream", digits(), "--epochs", "0"};
}

TEST(Terminal, HasOneLiveLineThatGoesAway) {
  Terminal terminal;
  const Clock::time_point start = Clock::now();
  Program program(endless(), {{"TERM", "xterm"}}, terminal.descriptor());
  EXPECT_THAT(terminal.read_until("samples/s"), HasSubstr("samples/s"));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  program.signal(SIGINT);
  const Finished run = program.wait();
  EXPECT_EQ(run.exit_code, 130);
  const auto tenths = (Clock::now() - start) / std::chrono::milliseconds(100);
  const std::string text = terminal.read();
  EXPECT_THAT(text, testing::AllOf(testing::EndsWith("\r\x1b[K"), Not(HasSubstr("\n"))));
  std::int64_t drawn = 0;
  for (std::size_t at = 0; at < text.size(); ++drawn) {
    const std::size_t end = std::min(text.find('\r', at + 1), text.size());
    EXPECT_LE(end - at, 60 + std::string("\r\x1b[K").size());
    at = end;
  }
  EXPECT_LE(drawn, tenths + 2);
  EXPECT_THAT(run.out, testing::AllOf(HasSubstr("order digest"), Not(HasSubstr("\r"))));
}

TEST(Terminal, DumbTerminalGetsNoEscapes) {
  Terminal terminal;
  Program program(endless(), {{"TERM", "dumb"}}, terminal.descriptor());
  EXPECT_THAT(terminal.read_until("samples/s"),
              testing::AllOf(HasSubstr("samples/s"), Not(HasSubstr("\x1b"))));
  program.signal(SIGINT);
  EXPECT_EQ(program.wait().exit_code, 130);
}

TEST(Terminal, FileGetsPlainLines) {
  const Clock::time_point start = Clock::now();
  Program program(endless());
  ASSERT_TRUE(program.wait_for_err());
  EXPECT_GE(Clock::now() - start, std::chrono::seconds(2));
  program.signal(SIGINT);
  const Finished run = program.wait();
  EXPECT_EQ(run.exit_code, 130);
  EXPECT_TRUE(is_one_line(run.err)) << run.err;
  EXPECT_THAT(run.err, testing::AllOf(HasSubstr("samples/s"), Not(HasSubstr("\r"))));
}

TEST(Terminal, ShortRunShowsNothing) {
  EXPECT_EQ(run_program({"stream", digits()}).err, "");
}

}  // namespace
}  // namespace headrace::test
