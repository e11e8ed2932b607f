// SPDX-License-Identifier: Apache-2.0
// What is still taken when nobody can ask any more.
#include "core/log.h"
#include "core/memory_pool.h"
#include "core/memory_snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace headrace::core {

namespace {
/// Tags that have a line of their own.
constexpr std::size_t kLines = 16;
}  // namespace

void MemoryPool::report_leaks() const noexcept {
  if (!config_.report_leaks) {
    return;
  }
  try {
    const std::map<std::string, MemoryTagStats> sums = sums_by_tag(snapshot());
    std::vector<std::pair<std::string, MemoryTagStats>> tags(sums.begin(), sums.end());
    std::ranges::sort(tags, [](const auto& a, const auto& b) {
      return std::tie(b.second.bytes, a.first) < std::tie(a.second.bytes, b.first);
    });
    const std::string manager =
        fmt::format("memory manager '{}' on {}", config_.name, device_state_->info().spec);
    for (std::size_t i = 0; i < std::min(tags.size(), kLines); ++i) {
      const auto& [name, sum] = tags.at(i);
      log_error(fmt::format("{}: still taken: {} buffers, {} bytes, {}",
                            manager,
                            sum.buffers,
                            sum.bytes,
                            name.empty() ? "without a tag" : fmt::format("tag '{}'", name)));
    }
    if (tags.size() > kLines) {
      log_error(fmt::format("{}: ... and {} more tags", manager, tags.size() - kLines));
    }
  } catch (const std::exception& error) {
    log_error(error.what());
  }
}

}  // namespace headrace::core
