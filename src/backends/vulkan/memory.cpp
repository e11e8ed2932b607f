// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/memory.h"

#include "headrace/error.h"

#include "backends/vulkan/context.h"
#include "backends/vulkan/geometry.h"

#include <fmt/format.h>

#include <array>
#include <unistd.h>
#include <utility>

namespace headrace::vulkan {

namespace {

constexpr VkExternalMemoryHandleTypeFlagBits kHostMemory =
    VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;

VkDeviceSize round_up(VkDeviceSize value, VkDeviceSize multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Whether a failed import says more than that the driver does not take the memory: NVIDIA's says
/// that with VK_ERROR_OUT_OF_DEVICE_MEMORY.
bool is_fault(VkResult result) {
  return result == VK_ERROR_DEVICE_LOST || result == VK_ERROR_OUT_OF_HOST_MEMORY;
}

}  // namespace

/// A buffer object and its memory, given back unless they are kept.
class Memory::Making {
 public:
  /// A buffer object without memory. `next` extends its description.
  Making(Context& context, VkDeviceSize size, const void* next) : context_(context) {
    const Facts& facts = context.facts();
    const std::array families{facts.compute.index, facts.transfer.value_or(facts.compute).index};
    const VkBufferCreateInfo info{
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = next,
        .size = size,
        .usage = kBufferUsage,
        .sharingMode = facts.transfer ? VK_SHARING_MODE_CONCURRENT : VK_SHARING_MODE_EXCLUSIVE,
        .queueFamilyIndexCount = facts.transfer ? 2U : 0U,
        .pQueueFamilyIndices = families.data()};
    context.check(context.calls().vkCreateBuffer(context.device(), &info, nullptr, &buffer_),
                  "vkCreateBuffer");
    context.calls().vkGetBufferMemoryRequirements(context.device(), buffer_, &requirements_);
  }
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;
  ~Making() {
    context_.calls().vkDestroyBuffer(context_.device(), buffer_, nullptr);
    context_.calls().vkFreeMemory(context_.device(), memory_, nullptr);
  }

  [[nodiscard]] const VkMemoryRequirements& requirements() const noexcept { return requirements_; }

  VkResult allocate(std::uint32_t memory_type, VkDeviceSize size, const void* next) {
    const VkMemoryAllocateInfo info{.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                    .pNext = next,
                                    .allocationSize = size,
                                    .memoryTypeIndex = memory_type};
    const VkResult result =
        context_.calls().vkAllocateMemory(context_.device(), &info, nullptr, &memory_);
    if (result == VK_SUCCESS) {
      context_.check(context_.calls().vkBindBufferMemory(context_.device(), buffer_, memory_, 0),
                     "vkBindBufferMemory");
    }
    return result;
  }

  std::byte* map() {
    void* host = nullptr;
    context_.check(
        context_.calls().vkMapMemory(context_.device(), memory_, 0, VK_WHOLE_SIZE, 0, &host),
        "vkMapMemory");
    return static_cast<std::byte*>(host);
  }

  [[nodiscard]] VkBuffer buffer() const noexcept { return buffer_; }
  [[nodiscard]] std::uint64_t handle() const noexcept {
    return reinterpret_cast<std::uint64_t>(buffer_);
  }
  VkDeviceMemory keep() noexcept {
    buffer_ = VK_NULL_HANDLE;
    return std::exchange(memory_, VK_NULL_HANDLE);
  }

 private:
  Context& context_;
  VkBuffer buffer_ = VK_NULL_HANDLE;
  VkDeviceMemory memory_ = VK_NULL_HANDLE;
  VkMemoryRequirements requirements_{};
};

MemoryBlock Memory::allocate(DeviceType device_type, std::size_t size) {
  context_.require_alive();
  const Facts& facts = context_.facts();
  const std::uint32_t type =
      device_type == DeviceType::cpu ? facts.host_memory_type : facts.device_memory_type;
  require_size(size);
  Making making(context_, round_up(size, kBindAlignment), nullptr);
  const VkDeviceSize whole = making.requirements().size;
  const std::scoped_lock one_at_a_time(allocating_);
  require_count();
  require_budget(type, whole);
  const VkResult result = making.allocate(type, whole, nullptr);
  if (result != VK_SUCCESS) {
    fail_to_allocate(result, type, size);
  }
  const bool is_host_visible = (facts.flags_of(type) & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
  std::byte* host = is_host_visible && (device_type == DeviceType::cpu || facts.info.unified_memory)
                        ? making.map()
                        : nullptr;
  return keep(making, 0, host, size);
}

// The driver may not refuse these: more than its heap has room for may be paged out, and more
// allocations than it can follow are undefined.

void Memory::require_size(VkDeviceSize size) const {
  const Facts& facts = context_.facts();
  if (size > facts.most_bytes) {
    throw Error(ErrorCode::out_of_memory,
                fmt::format("{} allocates at most {} bytes at a time, not {}.",
                            facts.info.spec,
                            facts.most_bytes,
                            size));
  }
}

void Memory::require_count() const {
  const Facts& facts = context_.facts();
  const std::scoped_lock lock(mutex_);
  if (allocations_.size() >= facts.most_allocations) {
    throw Error(ErrorCode::out_of_memory,
                fmt::format("{} has {} allocations, which is as many as it can have.",
                            facts.info.spec,
                            allocations_.size()));
  }
}

void Memory::require_budget(std::uint32_t memory_type, VkDeviceSize size) const {
  const Facts& facts = context_.facts();
  if (!facts.has_memory_budget) {
    return;
  }
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
  VkPhysicalDeviceMemoryProperties2 all{
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = &budget};
  context_.driver().vkGetPhysicalDeviceMemoryProperties2(facts.handle, &all);
  const std::uint32_t heap = facts.memory.memoryTypes[memory_type].heapIndex;
  const VkDeviceSize limit = budget.heapBudget[heap];
  const VkDeviceSize used = budget.heapUsage[heap];
  if (limit != 0 && (used > limit || size > limit - used)) {
    throw Error(
        ErrorCode::out_of_memory,
        fmt::format("{} has no {} bytes left: {} of {} that this process may have are in use.",
                    facts.info.spec,
                    size,
                    used,
                    limit));
  }
}

void Memory::fail_to_allocate(VkResult result, std::uint32_t memory_type, std::size_t size) {
  if (code_of(result) != ErrorCode::out_of_memory) {
    context_.fail(result, "vkAllocateMemory");
  }
  const Facts& facts = context_.facts();
  const std::uint32_t heap = facts.memory.memoryTypes[memory_type].heapIndex;
  throw Error(ErrorCode::out_of_memory,
              fmt::format("{} has no {} bytes left in its memory of {} bytes ({}).",
                          facts.info.spec,
                          size,
                          facts.memory.memoryHeaps[heap].size,
                          name_of(result)));
}

MemoryBlock Memory::keep(Making& making, VkDeviceSize begin, std::byte* host, std::size_t size) {
  const MemoryBlock block{making.handle(), host, size, HandleKind::buffer};
  {
    const std::scoped_lock lock(mutex_);
    allocations_.try_emplace(block.handle);
    allocations_[block.handle] = {making.keep(), begin};
  }
  if (begin != 0) {
    imports_.fetch_add(1, std::memory_order_release);
  }
  return block;
}

// Also on a lost device.
void Memory::release(const MemoryBlock& block) noexcept {
  releases_.fetch_add(1, std::memory_order_release);
  Allocation allocation;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = allocations_.find(block.handle);
    allocation = found->second;
    allocations_.erase(found);
  }
  if (allocation.begin != 0) {
    imports_.fetch_sub(1, std::memory_order_release);
  }
  context_.calls().vkDestroyBuffer(context_.device(), buffer_of(block.handle), nullptr);
  context_.calls().vkFreeMemory(context_.device(), allocation.memory, nullptr);
}

/// A type of memory that the device can use `size` bytes at `memory` as, or
/// facts().memory.memoryTypeCount. \throws Error  as the driver says, but for memory that it does
/// not take.
std::uint32_t Memory::type_for_import(const Making& making, void* memory, VkDeviceSize size) {
  const Facts& facts = context_.facts();
  VkMemoryHostPointerPropertiesEXT allowed{
      .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
  const VkResult result = context_.calls().vkGetMemoryHostPointerPropertiesEXT(
      context_.device(), kHostMemory, memory, &allowed);
  if (is_fault(result)) {
    context_.fail(result, "vkGetMemoryHostPointerPropertiesEXT");
  }
  if (result != VK_SUCCESS || making.requirements().size > size) {
    return facts.memory.memoryTypeCount;
  }
  const std::uint32_t types = allowed.memoryTypeBits & making.requirements().memoryTypeBits;
  std::uint32_t type = 0;
  while (type < facts.memory.memoryTypeCount &&
         ((types >> type & 1U) == 0 ||
          (facts.flags_of(type) & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) == 0)) {
    ++type;
  }
  return type;
}

MemoryBlock Memory::import(std::byte* memory, std::size_t size) {
  context_.require_alive();
  const Facts& facts = context_.facts();
  const auto refuse = [&](std::string_view reason) {
    throw Error(ErrorCode::unsupported,
                fmt::format("The {} bytes at {} cannot be registered with {}: {}.",
                            size,
                            fmt::ptr(memory),
                            facts.info.spec,
                            reason));
  };
  if (facts.import_alignment == 0) {
    refuse("it uses no memory of the host's in place");
  }
  const VkDeviceSize begin = reinterpret_cast<std::uintptr_t>(memory) % facts.import_alignment;
  const VkDeviceSize whole = round_up(begin + size, facts.import_alignment);
  if (facts.import_alignment > static_cast<VkDeviceSize>(sysconf(_SC_PAGESIZE)) &&
      (begin != 0 || whole != size)) {
    refuse(fmt::format("it takes multiples of {} bytes only", facts.import_alignment));
  }
  const VkExternalMemoryBufferCreateInfo external{
      .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO, .handleTypes = kHostMemory};
  Making making(context_, whole, &external);
  const std::uint32_t type = type_for_import(making, memory - begin, whole);
  if (type == facts.memory.memoryTypeCount) {
    refuse("the driver does not take it");
  }
  const VkMemoryDedicatedAllocateInfo dedicated{
      .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, .buffer = making.buffer()};
  const VkImportMemoryHostPointerInfoEXT import{
      .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
      .pNext = facts.imports_are_dedicated ? &dedicated : nullptr,
      .handleType = kHostMemory,
      .pHostPointer = memory - begin};
  const std::scoped_lock one_at_a_time(allocating_);
  require_count();
  const VkResult result = making.allocate(type, whole, &import);
  if (is_fault(result)) {
    context_.fail(result, "vkAllocateMemory");
  }
  if (result != VK_SUCCESS) {
    refuse(fmt::format("the driver does not take it ({})", name_of(result)));
  }
  return keep(making, begin, memory, size);
}

Place Memory::find(const MemoryView& view) const {
  Place place{buffer_of(view.handle), view.offset, view.host != nullptr};
  if (imports_.load(std::memory_order_acquire) != 0) {
    const std::scoped_lock lock(mutex_);
    place.offset += allocations_.at(view.handle).begin;
  }
  return place;
}

}  // namespace headrace::vulkan
