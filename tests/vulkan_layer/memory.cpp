// SPDX-License-Identifier: Apache-2.0
#include "vulkan_layer/heaps.h"
#include "vulkan_layer/objects.h"

#include <algorithm>

namespace headrace::vulkan_layer {

namespace {

/// Why an allocation may not be, or success; then the heap has given its bytes.
VkResult take(Device& device, const Memory& memory) {
  std::size_t count = 0;
  {
    const std::scoped_lock held(lock());
    count = device.memories.size();
  }
  if (count >= device.settings.max_allocations) {
    return VK_ERROR_TOO_MANY_OBJECTS;
  }
  if (memory.is_imported) {
    return VK_SUCCESS;
  }
  const std::uint32_t heap = heap_of_type(memory.type);
  if (memory.size > device.settings.max_allocation_size ||
      !take_from_heap(device.physical, device.settings, heap, memory.size)) {
    return heap_of_type(memory.type) == 0 ? VK_ERROR_OUT_OF_DEVICE_MEMORY
                                          : VK_ERROR_OUT_OF_HOST_MEMORY;
  }
  return VK_SUCCESS;
}

}  // namespace

void give_back(const Device& device, const Memory& memory) {
  if (!memory.is_imported) {
    give_to_heap(device.physical, heap_of_type(memory.type), memory.size);
  }
}

VkResult layer_AllocateMemory(VkDevice handle,
                              const VkMemoryAllocateInfo* info,
                              const VkAllocationCallbacks* allocator,
                              VkDeviceMemory* made) {
  Device& device = device_of(handle);
  const Memory memory{
      .type = info->memoryTypeIndex,
      .size = info->allocationSize,
      .is_imported =
          find_in_chain<VkImportMemoryHostPointerInfoEXT>(
              info->pNext, VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT) != nullptr};
  if (memory.type >= kMemoryTypes || (memory.is_imported && memory.type != kImportType)) {
    violate("vkAllocateMemory: memory type " + std::to_string(memory.type) +
            (memory.is_imported ? " is not for memory of the program's" : " is none"));
    return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  }
  if (const VkResult refused = take(device, memory); refused != VK_SUCCESS) {
    return refused;
  }
  VkMemoryAllocateInfo real = *info;
  real.memoryTypeIndex = 0;  // The driver's one type is everything at once.
  const VkResult result = device.next.AllocateMemory(handle, &real, allocator, made);
  if (result != VK_SUCCESS) {
    give_back(device, memory);
    return result;
  }
  add_object(device, *made, "memory");
  const std::scoped_lock held(lock());
  device.memories[*made] = memory;
  return VK_SUCCESS;
}

void layer_FreeMemory(VkDevice handle,
                      VkDeviceMemory memory,
                      const VkAllocationCallbacks* allocator) {
  Device& device = device_of(handle);
  remove_object(device, memory, "vkFreeMemory");
  Memory freed{.is_imported = true};
  {
    const std::scoped_lock held(lock());
    const auto found = device.memories.find(memory);
    if (found != device.memories.end()) {
      freed = found->second;
      device.memories.erase(found);
    }
  }
  device.next.FreeMemory(handle, memory, allocator);
  give_back(device, freed);
}

VkResult layer_MapMemory(VkDevice handle,
                         VkDeviceMemory memory,
                         VkDeviceSize offset,
                         VkDeviceSize size,
                         VkMemoryMapFlags flags,
                         void** data) {
  Device& device = device_of(handle);
  bool is_mappable = false;
  {
    const std::scoped_lock held(lock());
    const auto found = device.memories.find(memory);
    is_mappable = found != device.memories.end() && heap_of_type(found->second.type) != 0;
  }
  if (!is_mappable) {
    violate("vkMapMemory: the host cannot touch memory of type 0");
    return VK_ERROR_MEMORY_MAP_FAILED;
  }
  return device.next.MapMemory(handle, memory, offset, size, flags, data);
}

VkResult layer_GetMemoryHostPointerPropertiesEXT(VkDevice handle,
                                                 VkExternalMemoryHandleTypeFlagBits type,
                                                 const void* pointer,
                                                 VkMemoryHostPointerPropertiesEXT* properties) {
  const VkResult result =
      device_of(handle).next.GetMemoryHostPointerPropertiesEXT(handle, type, pointer, properties);
  if (result == VK_SUCCESS && properties->memoryTypeBits != 0) {
    properties->memoryTypeBits = 1U << kImportType;
  }
  return result;
}

}  // namespace headrace::vulkan_layer
