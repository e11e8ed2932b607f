// SPDX-License-Identifier: Apache-2.0
#include "cli/bus_error.h"

#include <csignal>
#include <cstdlib>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction is POSIX's
#include <string_view>
#include <unistd.h>

namespace headrace::cli {
namespace {

// Only calls that are safe in a handler.
void on_bus_error(int number, siginfo_t* info, void* /*context*/) {
  if (info->si_code != BUS_ADRERR) {
    // No matter of a file: the process ends as without this handler, once this returns.
    std::signal(number, SIG_DFL);
    std::raise(number);
    return;
  }
  constexpr std::string_view kLine =
      "headrace: A data file was shortened while it was read (SIGBUS).\n";
  static_cast<void>(!::write(STDERR_FILENO, kLine.data(), kLine.size()));
  std::_Exit(1);
}

}  // namespace

void tell_of_shortened_files() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace headrace::cli
