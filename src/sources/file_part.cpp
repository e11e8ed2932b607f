// SPDX-License-Identifier: Apache-2.0
#include "sources/file_part.h"

#include <fmt/format.h>

namespace headrace::sources {

void FilePart::refuse(ErrorCode code, std::size_t offset, std::string_view reason) const {
  if (name_.empty()) {
    file_.refuse(code, begin_ + offset, reason);
  }
  file_.refuse(code, begin_ + offset, fmt::format("in member {}, {}", printable(name_), reason));
}

}  // namespace headrace::sources
