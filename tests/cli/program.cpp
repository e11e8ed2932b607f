// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#include "cli/paths.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace headrace::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{60};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> result;
  for (const char* const* entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    if (name != "RANK" && name != "WORLD_SIZE" && !changes.contains(name)) {
      result.push_back(text);
    }
  }
  for (const auto& [name, value] : changes) {
    result.push_back(fmt::format("{}={}", name, value));
  }
  return result;
}

template <class Condition>
bool wait_until(Condition condition) {
  const Clock::time_point end = Clock::now() + std::chrono::seconds(10);
  while (!condition() && Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return condition();
}

}  // namespace

Program::Program(const Arguments& arguments,
                 const std::map<std::string, std::string>& environment,
                 int terminal) {
  std::vector<std::string> words{HEADRACE_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = environment_with(environment);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC;
  const std::string out = folder_ / "out";
  const std::string err = folder_ / "err";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), kFlags, 0600);
  if (terminal < 0) {
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), kFlags, 0600);
  } else {
    posix_spawn_file_actions_adddup2(&actions, terminal, STDERR_FILENO);
  }
  const int error = posix_spawn(&pid_,
                                HEADRACE_PROGRAM,
                                &actions,
                                nullptr,
                                pointers_to(words).data(),
                                pointers_to(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), HEADRACE_PROGRAM);
  }
}

Program::~Program() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
  }
}

void Program::signal(int number) const {
  ::kill(pid_, number);
}

bool Program::wait_for_err() const {
  return wait_until([this] { return !content_of(folder_ / "err").empty(); });
}

bool Program::try_wait() {
  if (::waitpid(pid_, &status_, WNOHANG) != pid_) {
    return false;
  }
  pid_ = -1;
  return true;
}

Finished Program::wait() {
  const Clock::time_point end = Clock::now() + kPatience;
  while (!try_wait()) {
    if (Clock::now() > end) {
      signal(SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return {.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_),
          .out = content_of(folder_ / "out"),
          .err = content_of(folder_ / "err")};
}

Finished run_program(const Arguments& arguments,
                     const std::map<std::string, std::string>& environment) {
  return Program(arguments, environment).wait();
}

std::string digits() {
  return HEADRACE_DATA_DIR "/digits";
}

std::string content_of(const std::filesystem::path& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

std::filesystem::path quick_folder() {
  const std::filesystem::path memory = "/dev/shm";
  return ::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
}

bool wait_for_file(const std::filesystem::path& path) {
  return wait_until([&path] { return std::filesystem::exists(path); });
}

}  // namespace headrace::test
