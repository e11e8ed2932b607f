// SPDX-License-Identifier: Apache-2.0
// What memory the process has, as a driver that locks its pages finds out.
#include "fake_cuda/mappings.h"

#include <fstream>
#include <sstream>
#include <string>

namespace headrace::fake_cuda {

bool is_mapped(std::uintptr_t address, std::size_t size, bool is_to_be_written) {
  std::ifstream maps("/proc/self/maps");
  const std::uintptr_t end = address + size;
  for (std::string line; std::getline(maps, line) && address < end;) {
    std::istringstream fields(line);
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    char dash = 0;
    std::string permissions;
    fields >> std::hex >> from >> dash >> to >> permissions;
    if (address >= to) {
      continue;
    }
    if (address < from || permissions[0] != 'r' || (is_to_be_written && permissions[1] != 'w')) {
      return false;
    }
    address = to;
  }
  return address >= end;
}

}  // namespace headrace::fake_cuda
