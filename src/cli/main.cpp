// SPDX-License-Identifier: Apache-2.0
// The program headrace.
#include "cli/bus_error.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/values.h"

#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <variant>

namespace {

constexpr int kFailure = 1;
constexpr int kBadUsage = 2;

int complain(std::string_view text, int exit_code) {
  const std::string line = "headrace: " + headrace::cli::one_line(text) + "\n";
  std::fputs(line.c_str(), stderr);
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  headrace::cli::tell_of_shortened_files();
  try {
    const auto command = headrace::cli::parse_command_line(argc, argv);
    return std::visit([](const auto& options) { return headrace::cli::run(options); }, command);
  } catch (const headrace::cli::UsageError& error) {
    return complain(error.what() + (" " + headrace::cli::help_hint(argc, argv)), kBadUsage);
  } catch (const std::bad_alloc&) {
    return complain("The host has no memory left for this.", kFailure);
  } catch (const std::exception& error) {
    return complain(error.what(), kFailure);
  }
}
