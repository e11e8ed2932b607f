// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace headrace::cli {

/// What `headrace inspect` found.
struct Inspection {
  std::string source;
  std::uint64_t samples = 0;
  SampleSpec spec;
  std::uint64_t bytes = 0;
  /// How often each label occurs; unset unless labels are integer scalars and counting is cheap.
  std::optional<std::map<std::int64_t, std::uint64_t>> labels;
};

}  // namespace headrace::cli
