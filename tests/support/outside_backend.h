// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace headrace::test {

/// A backend as a user of the library would write one: only the public header, memory of malloc's
/// that the host cannot see (handles are numbers, not addresses), conversion of its own (slow, from
/// reference_convert.h), and streams that are threads.
///
/// It also holds the library to the backend interface: work that touches memory which was given
/// back or lies outside its block, copies that overlap or are empty, calls of one stream from two
/// threads at once, serials that do not rise by one, waits for markers never recorded. What it
/// finds is in `violations`.
///
/// Its devices are "outside" and "outside:1", which reach each other.
std::unique_ptr<Backend> make_outside_backend();

/// What the device "outside" saw, and what it is told to do. Threads: safe from any thread.
namespace outside {

/// Registers the backend when that has not happened in this process.
void register_once();

/// Breaches of the interface so far; also forgets them.
std::vector<std::string> take_violations();

/// Labels of the commands run so far, in the order they ran; also forgets them.
std::vector<std::string> take_labels();

/// Submissions so far.
std::size_t submissions();

/// Allocations that were not given back.
std::size_t live_blocks();

/// Makes the next copy command, when it runs, fail with `internal`.
void fail_next_copy();

}  // namespace outside

}  // namespace headrace::test
