// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/loader_state.h"

#include <cstdint>
#include <string>
#include <vector>

namespace headrace::loader {

/// Sorts `ranges` and makes one of those that overlap or touch; the places they cover stay.
void join(std::vector<LoaderState::Early>& ranges);

/// What contradicts the promises of LoaderState for epochs of `samples` samples, as a sentence;
/// empty when nothing does.
std::string fault_of(const LoaderState& state, std::uint64_t samples);

}  // namespace headrace::loader
