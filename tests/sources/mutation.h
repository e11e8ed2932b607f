// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

namespace headrace::test {

using Random = std::mt19937_64;

/// A number from 0 below `end`, which is at least 1.
inline std::size_t below(Random& random, std::size_t end) {
  return random() % end;
}

inline std::string random_bytes(Random& random, std::size_t count) {
  std::string bytes(count, '\0');
  std::ranges::generate(bytes, [&] { return static_cast<char>(random()); });
  return bytes;
}

/// Makes one random fault in `file`. \param specials  Texts that parsers of it treat specially.
/// \param header_bytes  About how many there are before the data.
inline void mutate(Random& random,
                   const std::vector<std::string>& specials,
                   std::size_t header_bytes,
                   std::string& file) {
  const std::size_t at = below(random, file.size() + 1);
  const std::size_t header_at = std::min(at, below(random, header_bytes));
  const std::size_t count = 1 + below(random, 8);
  switch (below(random, 9)) {
    case 0:  // Flip one bit.
      if (at < file.size()) {
        file[at] = static_cast<char>(file[at] ^ (1 << below(random, 8)));
      }
      return;
    case 1:
    case 2:
      file.replace(header_at,
                   std::min(count, file.size() - header_at),
                   specials[below(random, specials.size())]);
      return;
    case 3:
      file.insert(header_at, specials[below(random, specials.size())]);
      return;
    case 4:
      file.insert(at, random_bytes(random, count));
      return;
    case 5:
      file.erase(at, count);
      return;
    case 6:
      file.resize(at);
      return;
    case 7:
      file += random_bytes(random, count);
      return;
    default:  // Change one character of the same kind, which more often leaves a valid header.
      if (header_at < file.size()) {
        file[header_at] =
            static_cast<char>(file[header_at] + static_cast<char>(below(random, 3)) - 1);
      }
      return;
  }
}

}  // namespace headrace::test
