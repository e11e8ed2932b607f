// SPDX-License-Identifier: Apache-2.0
// Submissions: each goes to the driver's one queue, with a number that says when it is done.
#include "vulkan_layer/objects.h"
#include "vulkan_layer/queue_order.h"

#include <algorithm>

namespace headrace::vulkan_layer {

namespace {

Queue& queue_of(VkQueue handle) {
  return *reinterpret_cast<Queue*>(handle);
}

/// One of Vulkan's submissions, written anew: it may wait for the gate, and signals its number.
struct RealSubmission {
  std::vector<VkSemaphore> waits;
  std::vector<std::uint64_t> wait_values;
  std::vector<VkPipelineStageFlags> stages;
  std::vector<VkSemaphore> signals;
  std::vector<std::uint64_t> signal_values;
  VkTimelineSemaphoreSubmitInfo values{};
  VkSubmitInfo info{};
};

/// The values of semaphores, zero where there are none as for binary ones.
std::vector<std::uint64_t> values_of(std::uint32_t count,
                                     std::uint32_t value_count,
                                     const std::uint64_t* values) {
  std::vector<std::uint64_t> all(values, values + (values == nullptr ? 0 : value_count));
  all.resize(count);
  return all;
}

void check_chain(const VkSubmitInfo& info) {
  for (auto* next = static_cast<const VkBaseInStructure*>(info.pNext); next != nullptr;
       next = next->pNext) {
    if (next->sType != VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO) {
      violate("vkQueueSubmit: this layer does not follow structure " + std::to_string(next->sType) +
              " in the chain of a submission");
    }
  }
}

RealSubmission copy_of(const VkSubmitInfo& info) {
  RealSubmission copy;
  check_chain(info);
  copy.waits.assign(info.pWaitSemaphores, info.pWaitSemaphores + info.waitSemaphoreCount);
  copy.stages.assign(info.pWaitDstStageMask, info.pWaitDstStageMask + info.waitSemaphoreCount);
  copy.signals.assign(info.pSignalSemaphores, info.pSignalSemaphores + info.signalSemaphoreCount);
  const auto* values = find_in_chain<VkTimelineSemaphoreSubmitInfo>(
      info.pNext, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
  copy.values = values == nullptr ? VkTimelineSemaphoreSubmitInfo{} : *values;
  copy.wait_values = values_of(info.waitSemaphoreCount,
                               copy.values.waitSemaphoreValueCount,
                               copy.values.pWaitSemaphoreValues);
  copy.signal_values = values_of(info.signalSemaphoreCount,
                                 copy.values.signalSemaphoreValueCount,
                                 copy.values.pSignalSemaphoreValues);
  copy.info = info;
  return copy;
}

/// Lets the copy point at its own parts; it stays where it is from now on.
void connect(RealSubmission& copy) {
  copy.values = VkTimelineSemaphoreSubmitInfo{};
  copy.values.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
  copy.values.waitSemaphoreValueCount = static_cast<std::uint32_t>(copy.wait_values.size());
  copy.values.pWaitSemaphoreValues = copy.wait_values.data();
  copy.values.signalSemaphoreValueCount = static_cast<std::uint32_t>(copy.signal_values.size());
  copy.values.pSignalSemaphoreValues = copy.signal_values.data();
  copy.info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
  copy.info.pNext = &copy.values;
  copy.info.waitSemaphoreCount = static_cast<std::uint32_t>(copy.waits.size());
  copy.info.pWaitSemaphores = copy.waits.data();
  copy.info.pWaitDstStageMask = copy.stages.data();
  copy.info.signalSemaphoreCount = static_cast<std::uint32_t>(copy.signals.size());
  copy.info.pSignalSemaphores = copy.signals.data();
}

/// The buffers that a command buffer uses. The lock is held.
std::set<VkBuffer> buffers_of(const Device& device, const Recording& recording) {
  std::set<VkBuffer> all = recording.buffers;
  for (const VkDescriptorSet set : recording.sets) {
    const auto known = device.sets.find(set);
    if (known != device.sets.end()) {
      for (const auto& [place, info] : known->second.buffers) {
        all.insert(info.buffer);
      }
    }
  }
  return all;
}

/// A buffer that is for one family at a time and goes to another has to be handed over; its
/// contents are anything otherwise, which the driver's one family does not show. The lock is held.
bool is_out_of_family(Buffer& buffer, std::uint32_t family) {
  const bool is_out =
      buffer.is_exclusive && !buffer.is_handed_over && buffer.family.value_or(family) != family;
  buffer.family = family;
  return is_out;
}

/// Adds what a command buffer uses. \returns How many buffers are used out of their family. The
/// lock is held.
int add_recording(Device& device,
                  VkCommandBuffer commands,
                  std::uint32_t family,
                  Submission& note) {
  const Recording& recording = device.recordings[commands];
  std::set<std::uint64_t>& uses = note.uses;
  note.accesses.insert(note.accesses.end(), recording.accesses.begin(), recording.accesses.end());
  uses.insert({number_of(commands), number_of(recording.pool)});
  for (const VkPipeline pipeline : recording.pipelines) {
    uses.insert(number_of(pipeline));
  }
  for (const VkDescriptorSet set : recording.sets) {
    uses.insert({number_of(set), number_of(device.sets[set].pool)});
  }
  int out_of_family = 0;
  for (const VkBuffer used : buffers_of(device, recording)) {
    Buffer& buffer = device.buffers[used];
    uses.insert({number_of(used), number_of(buffer.memory)});
    out_of_family += is_out_of_family(buffer, family) ? 1 : 0;
  }
  return out_of_family;
}

/// Adds what the command buffers of a submission use.
void add_recordings(Device& device,
                    std::uint32_t family,
                    const VkSubmitInfo& info,
                    Submission& note) {
  int out_of_family = 0;
  {
    const std::scoped_lock held(lock());
    for (std::uint32_t index = 0; index < info.commandBufferCount; ++index) {
      out_of_family += add_recording(device, info.pCommandBuffers[index], family, note);
    }
  }
  if (out_of_family != 0) {
    violate("vkQueueSubmit: family " + std::to_string(family) + " uses " +
            std::to_string(out_of_family) +
            " buffers that another family used and did not hand over");
  }
}

/// What the layer is to know of a submission until it is seen to be done. `submitting` is held.
Submission note_of(Device& device, const Queue& queue, const RealSubmission& copy) {
  Submission note;
  note.number = device.submitted + 1;
  note.queue = &queue;
  add_recordings(device, queue.family, copy.info, note);
  const std::scoped_lock held(lock());
  for (std::size_t index = 0; index < copy.waits.size(); ++index) {
    note.uses.insert(number_of(copy.waits[index]));
    if (device.promised.contains(copy.waits[index])) {
      note.waits.emplace_back(copy.waits[index], copy.wait_values[index]);
    }
  }
  for (std::size_t index = 0; index < copy.signals.size(); ++index) {
    note.uses.insert(number_of(copy.signals[index]));
    if (device.promised.contains(copy.signals[index])) {
      note.signals.emplace_back(copy.signals[index], copy.signal_values[index]);
    }
  }
  return note;
}

/// The driver's one queue stands still for ever when its next work waits for later work.
void check_waits(Device& device, const Submission& note) {
  for (const auto& [semaphore, value] : note.waits) {
    std::uint64_t promised = 0;
    {
      const std::scoped_lock held(lock());
      promised = device.promised[semaphore];
    }
    if (promised < value) {
      violate("vkQueueSubmit: waits for value " + std::to_string(value) +
              " of a semaphore that reaches " + std::to_string(promised) +
              " by what was submitted before");
    }
  }
}

/// Sets its clock. The driver's one queue has an order that the program may not count on.
void check_order(Device& device, Submission& note) {
  std::optional<std::string> unordered;
  {
    const std::scoped_lock held(lock());
    note.clock = clock_of(device.in_flight, note);
    unordered = unordered_use(device.in_flight, note);
  }
  if (unordered) {
    violate("vkQueueSubmit: " + *unordered);
  }
}

/// Numbers a submission and remembers it. `submitting` is held.
void accept(Device& device, Queue& queue, VkFence fence, bool is_last, RealSubmission& copy) {
  Submission note = note_of(device, queue, copy);
  check_waits(device, note);
  check_order(device, note);
  note.fence = is_last ? fence : VK_NULL_HANDLE;
  if (note.fence != VK_NULL_HANDLE) {
    note.uses.insert(number_of(fence));
  }
  device.submitted = note.number;
  if (is_holding()) {
    copy.waits.push_back(device.gate);
    copy.wait_values.push_back(device.opened + 1);
    copy.stages.push_back(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
  } else {
    device.free = note.number;
  }
  copy.signals.push_back(device.done);
  copy.signal_values.push_back(note.number);
  const std::scoped_lock held(lock());
  for (const auto& [semaphore, value] : note.signals) {
    std::uint64_t& promised = device.promised[semaphore];
    promised = std::max(promised, value);
  }
  device.in_flight.add(std::move(note));
}

/// The driver refused the submissions after `number`.
void take_back(Device& device, std::uint64_t number) {
  device.submitted = number;
  device.free = std::min(device.free, number);
  const std::scoped_lock held(lock());
  device.in_flight.drop_from(number + 1);
}

}  // namespace

VkResult layer_QueueSubmit(VkQueue handle,
                           std::uint32_t count,
                           const VkSubmitInfo* infos,
                           VkFence fence) {
  Queue& queue = queue_of(handle);
  Device& device = *queue.device;
  std::vector<RealSubmission> copies;
  for (std::uint32_t index = 0; index < count; ++index) {
    copies.push_back(copy_of(infos[index]));
  }
  if (copies.empty()) {
    copies.emplace_back();  // Signals the fence alone.
  }
  const std::scoped_lock submitting(device.submitting);
  if (device.is_lost) {
    return VK_ERROR_DEVICE_LOST;
  }
  const std::uint64_t before = device.submitted;
  std::vector<VkSubmitInfo> real;
  for (RealSubmission& copy : copies) {
    accept(device, queue, fence, &copy == &copies.back(), copy);
    connect(copy);
    real.push_back(copy.info);
  }
  const VkResult result = device.next.QueueSubmit(
      device.real_queue, static_cast<std::uint32_t>(real.size()), real.data(), fence);
  if (result != VK_SUCCESS) {
    take_back(device, before);
    return result;
  }
  queue.last = device.submitted;
  return VK_SUCCESS;
}

VkResult layer_QueueWaitIdle(VkQueue handle) {
  const Queue& queue = queue_of(handle);
  Device& device = *queue.device;
  std::uint64_t last = 0;
  {
    const std::scoped_lock submitting(device.submitting);
    last = queue.last;
  }
  const VkResult result =
      wait_for_submission(device, last, std::numeric_limits<std::uint64_t>::max());
  if (result == VK_SUCCESS) {
    const std::scoped_lock held(lock());
    device.in_flight.saw_idle(&queue);
  }
  return result;
}

VkResult layer_DeviceWaitIdle(VkDevice handle) {
  Device& device = device_of(handle);
  std::uint64_t last = 0;
  {
    const std::scoped_lock submitting(device.submitting);
    last = device.submitted;
  }
  const VkResult result =
      wait_for_submission(device, last, std::numeric_limits<std::uint64_t>::max());
  if (result == VK_SUCCESS) {
    const std::scoped_lock held(lock());
    device.in_flight.saw_all();
  }
  return result;
}

}  // namespace headrace::vulkan_layer
