// SPDX-License-Identifier: Apache-2.0
#include "vulkan_layer/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace headrace::vulkan_layer {

namespace {

constexpr std::array<std::string_view, 11> kHideable{"shaderFloat64",
                                                     "shaderInt64",
                                                     "shaderInt16",
                                                     "shaderInt8",
                                                     "shaderFloat16",
                                                     "storage8",
                                                     "storage16",
                                                     "bufferDeviceAddress",
                                                     "floatControls",
                                                     "hostMemory",
                                                     "timestamps"};

void complain(const std::string& name, std::string_view value, std::string_view wanted) {
  std::fprintf(stderr,
               "VK_LAYER_HEADRACE_test: %s is \"%.*s\"; it must be %.*s\n",
               name.c_str(),
               static_cast<int>(value.size()),
               value.data(),
               static_cast<int>(wanted.size()),
               wanted.data());
}

/// Reads the variable `what`, from 0 to `limit`, unless it is not set. \returns Whether it is
/// sound.
bool read_number(const char* what, std::uint64_t limit, std::uint64_t& number) {
  const std::string name = std::string("HEADRACE_VULKAN_LAYER_") + what;
  const char* found = std::getenv(name.c_str());
  if (found == nullptr) {
    return true;
  }
  const std::string_view text(found);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number > limit) {
    complain(name, text, "a whole number up to " + std::to_string(limit));
    return false;
  }
  return true;
}

bool read_switch(const char* what, bool& is_on) {
  std::uint64_t number = is_on ? 1 : 0;
  const bool is_sound = read_number(what, 1, number);
  is_on = number == 1;
  return is_sound;
}

bool read_hidden(std::set<std::string, std::less<>>& hidden) {
  const char* found = std::getenv("HEADRACE_VULKAN_LAYER_HIDE");
  std::string_view rest = found == nullptr ? "all" : found;
  if (rest == "all") {
    hidden.insert(kHideable.begin(), kHideable.end());
    return true;
  }
  while (!rest.empty() && rest != "none") {
    const std::string_view name = rest.substr(0, rest.find(','));
    if (std::ranges::find(kHideable, name) == kHideable.end()) {
      std::string known = "\"all\", \"none\" or of";
      for (const std::string_view each : kHideable) {
        known.append(" ").append(each);
      }
      complain("a name in HEADRACE_VULKAN_LAYER_HIDE", name, known);
      return false;
    }
    hidden.emplace(name);
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
  }
  return true;
}

}  // namespace

std::optional<Settings> read_settings() {
  constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();
  constexpr std::uint64_t kWord = std::numeric_limits<std::uint32_t>::max();
  Settings settings;
  const bool is_sound =
      read_hidden(settings.hidden) && read_switch("PORTABILITY", settings.is_portability_subset) &&
      read_switch("QUEUES", settings.has_more_queues) &&
      read_number("DEVICE_HEAP", kAny, settings.device_heap) &&
      read_number("HOST_HEAP", kAny, settings.host_heap) &&
      read_number("MAX_STORAGE_BUFFER_RANGE", kWord, settings.max_storage_buffer_range) &&
      read_number("MAX_ALLOCATION_SIZE", kAny, settings.max_allocation_size) &&
      read_number("MAX_ALLOCATIONS", kWord, settings.max_allocations) &&
      read_number("MAX_GROUPS", kWord, settings.max_groups);
  return is_sound ? std::optional(settings) : std::nullopt;
}

}  // namespace headrace::vulkan_layer
