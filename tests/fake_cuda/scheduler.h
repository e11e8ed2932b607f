// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace headrace::fake_cuda {

/// Lets the thread that does the work know that there is some, and starts it if there is none.
void work_came();

void set_manual(bool is_manual);
int run(int count);
void set_seed(std::uint64_t seed);
int pending_work();

/// A number below `end`, of the scheduler's random ones.
std::uint64_t random_below(std::uint64_t end);

}  // namespace headrace::fake_cuda
