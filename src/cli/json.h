// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/loader.h"

#include "cli/bench/report.h"
#include "cli/inspection.h"
#include "cli/pack.h"
#include "cli/report.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

// The JSON of each command, one object with a line end.

namespace headrace::cli {

std::string to_json(std::span<const DeviceInfo> devices);
std::string to_json(const Inspection& inspection);
std::string to_json(const Report& report);
std::string to_json(const PackReport& report);
std::string to_json(const BenchReport& report);

/// What a state file says besides the LoaderState: whose state it is.
struct StateOwner {
  Shard shard;
  std::uint64_t batch_size = 0;
};

/// The text of a state file.
std::string to_json(const LoaderState& state, const StateOwner& owner);

/// The owner of a state file's text; nothing when it names none.
std::optional<StateOwner> state_owner(std::string_view text);

}  // namespace headrace::cli
