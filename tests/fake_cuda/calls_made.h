// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda.h>

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace headrace::fake_cuda {

/// Counts a call. \returns The result that a test wants it to fail with, or success.
CUresult count_call(std::string_view name);

/// Whether the driver is to lack a call.
bool is_hidden(std::string_view name);

/// The process that called cuInit; 0 before. Needs no lock.
pid_t initialised_in();

void fail_call(const std::string& name, int nth, int result);
bool has_failed_here();
void hide_call(const std::string& name);
void reset_calls();
int calls_made(const std::string& name);
std::vector<std::string> names_of_calls_made();
std::vector<std::string> take_violations();

}  // namespace headrace::fake_cuda
