// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/facts.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

namespace headrace::vulkan {

namespace {

/// Streams share queues beyond these.
constexpr std::uint32_t kMostComputeQueues = 8;
constexpr std::uint32_t kMostTransferQueues = 2;

/// Of maxStorageBufferRange and the like: shaders compute offsets in 32 bits.
constexpr VkDeviceSize kMostBytesBound = VkDeviceSize{1} << 30;

std::vector<VkPhysicalDevice> physical_devices(const Driver& driver) {
  std::uint32_t count = 0;
  if (driver.vkEnumeratePhysicalDevices(driver.instance, &count, nullptr) != VK_SUCCESS) {
    return {};
  }
  std::vector<VkPhysicalDevice> all(count);
  if (driver.vkEnumeratePhysicalDevices(driver.instance, &count, all.data()) < VK_SUCCESS) {
    return {};
  }
  all.resize(count);
  return all;
}

/// Asks about one device.
struct Question {
  const Driver& driver;
  VkPhysicalDevice device;

  [[nodiscard]] VkPhysicalDeviceVulkan12Features features() const {
    VkPhysicalDeviceVulkan12Features features{
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceFeatures2 all{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                  .pNext = &features};
    driver.vkGetPhysicalDeviceFeatures2(device, &all);
    return features;
  }

  [[nodiscard]] std::vector<VkQueueFamilyProperties> families() const {
    std::uint32_t count = 0;
    driver.vkGetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
    std::vector<VkQueueFamilyProperties> all(count);
    driver.vkGetPhysicalDeviceQueueFamilyProperties(device, &count, all.data());
    return all;
  }

  [[nodiscard]] std::vector<VkExtensionProperties> extensions() const {
    std::uint32_t count = 0;
    if (driver.vkEnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr) !=
        VK_SUCCESS) {
      return {};
    }
    std::vector<VkExtensionProperties> all(count);
    driver.vkEnumerateDeviceExtensionProperties(device, nullptr, &count, all.data());
    all.resize(count);
    return all;
  }
};

/// The first family that does `wanted` and, if there is one, nothing of `unwanted`.
std::optional<QueueFamily> find_family(std::span<const VkQueueFamilyProperties> families,
                                       VkQueueFlags wanted,
                                       VkQueueFlags unwanted,
                                       std::uint32_t most_queues) {
  for (std::uint32_t i = 0; i < families.size(); ++i) {
    const VkQueueFamilyProperties& family = families[i];
    if ((family.queueFlags & wanted) == wanted && (family.queueFlags & unwanted) == 0 &&
        family.queueCount != 0) {
      return QueueFamily{i, std::min(family.queueCount, most_queues), family.timestampValidBits};
    }
  }
  return std::nullopt;
}

/// A compute queue that draws nothing runs beside the one of whoever looks at the screen.
bool find_families(const Question& ask, Facts& facts) {
  const std::vector<VkQueueFamilyProperties> families = ask.families();
  std::optional<QueueFamily> compute =
      find_family(families, VK_QUEUE_COMPUTE_BIT, VK_QUEUE_GRAPHICS_BIT, kMostComputeQueues);
  if (!compute) {
    compute = find_family(families, VK_QUEUE_COMPUTE_BIT, 0, kMostComputeQueues);
  }
  facts.transfer = find_family(
      families,
      VK_QUEUE_TRANSFER_BIT,
      ~VkQueueFlags{VK_QUEUE_TRANSFER_BIT | VK_QUEUE_SPARSE_BINDING_BIT | VK_QUEUE_PROTECTED_BIT},
      kMostTransferQueues);
  facts.compute = compute.value_or(QueueFamily{});
  return compute.has_value();
}

/// A memory type among those of `allowed`, a bit each, with all of `wanted` and as many of `liked`
/// and few of `disliked` as can be; the first of equals, for drivers list the fastest first.
std::optional<std::uint32_t> find_memory(const VkPhysicalDeviceMemoryProperties& memory,
                                         std::uint32_t allowed,
                                         VkMemoryPropertyFlags wanted,
                                         VkMemoryPropertyFlags liked,
                                         VkMemoryPropertyFlags disliked) {
  std::optional<std::uint32_t> best;
  int best_score = 0;
  for (std::uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    const VkMemoryPropertyFlags flags = memory.memoryTypes[i].propertyFlags;
    // Memory of a kind that wants rules of its own: protected, or not coherent on AMD's terms.
    constexpr VkMemoryPropertyFlags kOdd =
        VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT |
        VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;
    if ((allowed >> i & 1U) == 0 || (flags & wanted) != wanted || (flags & kOdd) != 0) {
      continue;
    }
    const int score = ((flags & liked) == liked ? 2 : 0) - ((flags & disliked) != 0 ? 1 : 0);
    if (!best || score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

constexpr VkMemoryPropertyFlags kDevice = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
/// Never memory that would have to be flushed: every device has some that need not.
constexpr VkMemoryPropertyFlags kHost =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

void find_extensions(const Question& ask, Facts& facts, bool& can_import) {
  for (const VkExtensionProperties& extension : ask.extensions()) {
    const auto is = [&extension](const char* name) {
      return std::strcmp(extension.extensionName, name) == 0;
    };
    facts.has_memory_budget |= is(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    facts.is_portability_subset |= is("VK_KHR_portability_subset");
    can_import |= is(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
  }
}

/// Whether host memory can be a buffer object's, and how.
bool find_import(const Question& ask, Facts& facts) {
  const VkPhysicalDeviceExternalBufferInfo buffer{
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
      .usage = kBufferUsage,
      .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT};
  VkExternalBufferProperties answer{.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
  ask.driver.vkGetPhysicalDeviceExternalBufferProperties(ask.device, &buffer, &answer);
  const VkExternalMemoryFeatureFlags features =
      answer.externalMemoryProperties.externalMemoryFeatures;
  facts.imports_are_dedicated = (features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0;
  return (features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) != 0;
}

std::string hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

FloatControls float_controls_of(const Question& ask,
                                const VkPhysicalDeviceFloatControlsProperties& floats) {
  if (ask.features().shaderFloat16 != VK_TRUE ||
      floats.shaderSignedZeroInfNanPreserveFloat32 != VK_TRUE ||
      floats.shaderSignedZeroInfNanPreserveFloat16 != VK_TRUE ||
      floats.shaderRoundingModeRTEFloat32 != VK_TRUE ||
      floats.shaderRoundingModeRTEFloat16 != VK_TRUE) {
    return FloatControls::none;
  }
  if (floats.roundingModeIndependence == VK_SHADER_FLOAT_CONTROLS_INDEPENDENCE_ALL) {
    return FloatControls::of_each_type;
  }
  return floats.shaderRoundingModeRTEFloat64 == VK_TRUE ? FloatControls::with_float64
                                                        : FloatControls::none;
}

void find_limits(const Question& ask, Facts& facts) {
  bool can_import = false;
  find_extensions(ask, facts, can_import);
  VkPhysicalDeviceExternalMemoryHostPropertiesEXT import{
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT};
  VkPhysicalDeviceFloatControlsProperties floats{
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES,
      .pNext = can_import ? &import : nullptr};
  VkPhysicalDeviceMaintenance3Properties sizes{
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, .pNext = &floats};
  VkPhysicalDeviceIDProperties identity{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
                                        .pNext = &sizes};
  VkPhysicalDeviceProperties2 all{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                  .pNext = &identity};
  ask.driver.vkGetPhysicalDeviceProperties2(ask.device, &all);
  const VkPhysicalDeviceLimits& limits = all.properties.limits;
  facts.info.name = all.properties.deviceName;
  facts.info.uuid = hex(identity.deviceUUID);
  facts.info.is_gpu = all.properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_CPU;
  facts.most_bytes = sizes.maxMemoryAllocationSize;
  facts.most_allocations = limits.maxMemoryAllocationCount;
  facts.most_bytes_bound = std::min<VkDeviceSize>(limits.maxStorageBufferRange, kMostBytesBound);
  facts.most_groups = limits.maxComputeWorkGroupCount[0];
  facts.nanoseconds_a_tick = limits.timestampPeriod;
  facts.import_alignment =
      can_import && find_import(ask, facts) ? import.minImportedHostPointerAlignment : 0;
  facts.float_controls = float_controls_of(ask, floats);
}

std::optional<Facts> facts_of(const Driver& driver, VkPhysicalDevice device) {
  VkPhysicalDeviceProperties properties{};
  driver.vkGetPhysicalDeviceProperties(device, &properties);
  const Question ask{driver, device};
  if (properties.apiVersion < VK_API_VERSION_1_2 || ask.features().timelineSemaphore != VK_TRUE) {
    return std::nullopt;
  }
  Facts facts;
  facts.handle = device;
  facts.shares_memory = properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU ||
                        properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
  VkPhysicalDeviceMemoryProperties2 memory{
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
  driver.vkGetPhysicalDeviceMemoryProperties2(device, &memory);
  facts.memory = memory.memoryProperties;
  if (!find_families(ask, facts) || !facts.choose_memory_types(~0U)) {
    return std::nullopt;
  }
  find_limits(ask, facts);
  const std::uint32_t heap = facts.memory.memoryTypes[facts.device_memory_type].heapIndex;
  facts.info.total_bytes = facts.memory.memoryHeaps[heap].size;
  return facts;
}

}  // namespace

bool Facts::choose_memory_types(std::uint32_t allowed) {
  const auto both = find_memory(memory, allowed, kDevice | kHost | kCached, 0, 0);
  info.unified_memory = shares_memory && both;
  const auto device = info.unified_memory ? both : find_memory(memory, allowed, kDevice, 0, kHost);
  const auto host =
      info.unified_memory ? both : find_memory(memory, allowed, kHost, kCached, kDevice);
  device_memory_type = device.value_or(0);
  host_memory_type = host.value_or(0);
  return device && host;
}

std::vector<Facts> Facts::all(const Driver& driver) {
  std::vector<Facts> all;
  for (VkPhysicalDevice device : physical_devices(driver)) {
    if (std::optional<Facts> facts = facts_of(driver, device)) {
      facts->info.backend = "vulkan";
      facts->info.index = static_cast<int>(all.size());
      facts->info.spec = "vulkan:" + std::to_string(all.size());
      all.push_back(*std::move(facts));
    }
  }
  return all;
}

}  // namespace headrace::vulkan
