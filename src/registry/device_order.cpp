// SPDX-License-Identifier: Apache-2.0
#include "registry/device_order.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>

namespace headrace::registry {

namespace {

/// What is the same for all entries of one card. Backends see it differently: a heap of Vulkan's is
/// not exactly what CUDA calls the memory of the device.
struct Card {
  std::uint64_t bytes = 0;
  bool unified_memory = false;

  void add(const DeviceInfo& entry) {
    bytes = std::max(bytes, entry.total_bytes);
    unified_memory = unified_memory || entry.unified_memory;
  }
};

using Cards = std::map<std::string, Card>;  // by UUID

Card card_of(const DeviceInfo& entry, const Cards& cards) {
  Card card;
  card.add(entry);
  const auto found = cards.find(entry.uuid);
  return found == cards.end() ? card : found->second;
}

bool is_better(const DeviceInfo& a, const DeviceInfo& b, const Cards& cards) {
  if (!a.is_gpu || !b.is_gpu) {
    return a.is_gpu && !b.is_gpu;
  }
  const Card of_a = card_of(a, cards);
  const Card of_b = card_of(b, cards);
  return std::tuple(of_a.unified_memory, of_b.bytes) < std::tuple(of_b.unified_memory, of_a.bytes);
}

}  // namespace

void put_best_first(std::vector<DeviceInfo>& devices) {
  Cards cards;
  for (const DeviceInfo& entry : devices) {
    if (!entry.uuid.empty()) {
      cards[entry.uuid].add(entry);
    }
  }
  const auto by_card = [&cards](const DeviceInfo& a, const DeviceInfo& b) {
    return is_better(a, b, cards);
  };
  // Each into its place behind its equals, of which the order stays; there are few.
  for (auto next = devices.begin(); next != devices.end(); ++next) {
    std::rotate(std::upper_bound(devices.begin(), next, *next, by_card), next, next + 1);
  }
}

}  // namespace headrace::registry
