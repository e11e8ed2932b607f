// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <poll.h>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

// Children of the test program: what they find out, and that they end.

namespace headrace::test {

/// How a child ends when it has done what it should: with static destructors or without.
enum class Ending { exit, quick };

/// Throws what a child is to report.
inline void require(bool holds, const std::string& what) {
  if (!holds) {
    throw std::runtime_error(what);
  }
}

/// Reads what the child says until it ends, at most `patience` long.
/// \returns nullopt when it did not end.
inline std::optional<std::string> read_until_closed(int from, std::chrono::seconds patience) {
  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd descriptor{from, POLLIN, 0};
    if (left.count() <= 0 || poll(&descriptor, 1, static_cast<int>(left.count())) == 0) {
      return std::nullopt;
    }
    std::array<char, 512> buffer;
    const ssize_t bytes = read(from, buffer.data(), buffer.size());
    if (bytes > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(bytes));
    } else if (bytes == 0 || errno != EINTR) {
      return text;
    }
  }
}

/// Runs `body` in a child made by fork(). \returns What was wrong: what it threw, how it ended, or
/// that it did not; empty when nothing was.
inline std::string fault_of_child(const std::function<void()>& body,
                                  Ending ending = Ending::quick,
                                  std::chrono::seconds patience = std::chrono::seconds(60)) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return "no pipe could be made";
  }
  std::fflush(nullptr);  // Or the child's exit would write it a second time.
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    std::string fault;
    try {
      body();
    } catch (const std::exception& error) {
      fault = error.what();
    }
    const bool is_told = write(ends[1], fault.data(), fault.size()) >= 0;
    const int code = fault.empty() && is_told ? 0 : 1;
    ending == Ending::exit ? std::exit(code) : _exit(code);
  }
  close(ends[1]);
  std::optional<std::string> said = read_until_closed(ends[0], patience);
  close(ends[0]);
  if (!said) {
    kill(child, SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!said) {
    return "the child hangs";
  }
  if (WIFSIGNALED(status)) {
    return "the child died of signal " + std::to_string(WTERMSIG(status));
  }
  if (said->empty() && WEXITSTATUS(status) != 0) {
    return "the child ended with exit code " + std::to_string(WEXITSTATUS(status));
  }
  return *said;
}

/// Runs a program. \returns What was wrong: its exit code and what it wrote to standard error.
inline std::string fault_of_program(const std::string& command) {
  std::string text;
  FILE* output = popen((command + " 2>&1").c_str(), "r");
  if (output == nullptr) {
    return "the program could not be run";
  }
  std::array<char, 512> buffer;
  while (std::fgets(buffer.data(), buffer.size(), output) != nullptr) {
    text += buffer.data();
  }
  const int status = pclose(output);
  if (status == 0 && text.empty()) {
    return {};
  }
  return "status " + std::to_string(status) + ": " + text;
}

}  // namespace headrace::test
