// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

// Amounts as people read them.

namespace headrace::cli {

/// "512 B", "1.50 MiB".
std::string bytes_text(std::uint64_t bytes);

/// "1797", "35.9 k", "4.47 M".
std::string count_text(double count);

/// "9.90 ns", "850 us", "12.3 ms", "1.23 s".
std::string time_text(double seconds);

/// "0:07", "12:34", "1:02:03".
std::string clock_text(double seconds);

}  // namespace headrace::cli
