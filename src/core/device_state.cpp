// SPDX-License-Identifier: Apache-2.0
#include "core/device_state.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/log.h"
#include "core/memory_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <thread>
#include <utility>

namespace headrace::core {

namespace {
/// How often buried memory is looked at that nobody can wait for yet.
constexpr std::chrono::milliseconds kLook(1);

/// Waits until a use is over; on a lost device it is. \returns False when this thread cannot wait
/// for it: it runs work that it waits for, or the stream is being captured.
bool end_of_use(const Ticket& use) noexcept {
  try {
    use.stream->wait(use.serial);
    return true;
  } catch (const Error& error) {
    return error.code() != ErrorCode::invalid_argument;
  }
}

/// The same of all: when one is over because its device was lost, the others' may not be.
bool end_of_uses(const UseList& uses) noexcept {
  bool is_over = true;
  uses.for_each([&is_over](const Ticket& use) { is_over &= end_of_use(use); });
  return is_over;
}
}  // namespace

StreamLease::StreamLease(std::weak_ptr<DeviceState> device, std::shared_ptr<StreamState> stream)
    : device_(std::move(device)), stream_(std::move(stream)) {}

StreamLease::~StreamLease() {
  stream_->retire();
  if (const std::shared_ptr<DeviceState> device = device_.lock()) {
    device->retire(std::move(stream_));
  }
}

DeviceState::DeviceState(std::shared_ptr<BackendDevice> backend)
    : backend_(std::move(backend)), info_(backend_->info()), caps_(backend_->caps()) {}

DeviceState::~DeviceState() {
  std::vector<Grave> later;
  for (Grave& grave : graves_) {
    if (end_of_uses(grave.uses)) {
      grave.give_back_to(*backend_);
    } else {
      later.push_back(std::move(grave));
    }
  }
  if (!later.empty()) {
    std::thread([backend = backend_, graves = std::move(later)] {
      for (const Grave& grave : graves) {
        while (!end_of_uses(grave.uses)) {
          std::this_thread::sleep_for(kLook);
        }
        grave.give_back_to(*backend);
      }
    }).detach();
  }
}

Stream DeviceState::adopt(std::shared_ptr<BackendStream> backend, StreamState::Owner owner) {
  auto stream = make_shared_here<StreamState>(backend_, std::move(backend), owner);
  auto lease = make_shared_here<StreamLease>(weak_from_this(), stream);
  const std::scoped_lock lock(mutex_);
  std::erase_if(streams_, [](const std::weak_ptr<StreamState>& s) { return s.expired(); });
  streams_.push_back(stream);
  return StreamAccess::make(std::move(lease));
}

Stream DeviceState::default_stream() {
  require_current();
  std::call_once(default_made_, [this] {
    default_stream_ =
        StreamAccess::lease(adopt(backend_->default_stream(), StreamState::Owner::headrace));
  });
  return StreamAccess::make(default_stream_);
}

Stream DeviceState::make_stream() {
  require_current();
  reap();
  return adopt(backend_->make_stream(), StreamState::Owner::headrace);
}

Stream DeviceState::adopt_stream(NativeHandle handle) {
  require_current();
  return adopt(backend_->adopt_stream(handle), StreamState::Owner::adopted);
}

std::shared_ptr<StreamState> DeviceState::resolve(const Stream& stream) {
  require_current();
  if (!stream) {
    return resolve(default_stream());
  }
  const std::shared_ptr<StreamState>& state = StreamAccess::state(stream);
  state->require_current();
  if (&state->device() != backend_.get()) {
    throw Error(ErrorCode::invalid_argument,
                "Stream " + std::to_string(state->id()) + " is of " + state->device().info().spec +
                    "; a stream of " + info_.spec + " is needed.");
  }
  return state;
}

std::shared_ptr<StreamState> DeviceState::resolve_user(const Stream& stream) {
  require_current();
  if (stream && are_joined(StreamAccess::state(stream)->device(), *backend_)) {
    StreamAccess::state(stream)->require_current();
    return StreamAccess::state(stream);
  }
  return resolve(stream);
}

bool DeviceState::synchronize() {
  require_current();
  std::vector<std::shared_ptr<StreamState>> streams;
  {
    const std::scoped_lock lock(mutex_);
    for (const std::weak_ptr<StreamState>& weak : streams_) {
      if (std::shared_ptr<StreamState> stream = weak.lock()) {
        streams.push_back(std::move(stream));
      }
    }
  }
  bool is_all = true;
  for (const std::shared_ptr<StreamState>& stream : streams) {
    is_all &= stream->finish();
  }
  reap();
  return is_all;
}

MemoryBlock DeviceState::register_host(std::span<std::byte> memory, HostAccess access) {
  require_current();
  if (memory.empty()) {
    return {};
  }
  if (memory.data() == nullptr) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format(
            "{} bytes at no address were to be registered with {}.", memory.size(), info_.spec));
  }
  enter(memory);
  try {
    return backend_->register_host(memory.data(), memory.size(), access);
  } catch (...) {
    const std::scoped_lock lock(mutex_);
    registered_.erase(memory.data());
    throw;
  }
}

void DeviceState::enter(std::span<std::byte> memory) {
  const std::scoped_lock lock(mutex_);
  const std::less<> before;
  const auto next = registered_.lower_bound(memory.data() + memory.size());
  if (next != registered_.begin()) {
    const auto& [begin, bytes] = *std::prev(next);
    if (before(memory.data(), begin + bytes)) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{} bytes at {} overlap the {} at {}, which are registered with {} "
                              "already.",
                              memory.size(),
                              fmt::ptr(memory.data()),
                              bytes,
                              fmt::ptr(begin),
                              info_.spec));
    }
  }
  registered_.emplace(memory.data(), memory.size());
}

void DeviceState::unregister_host(const MemoryBlock& memory, UseList&& uses) noexcept {
  if (memory.size == 0) {
    return;
  }
  bury({memory, std::move(uses), true});
}

void DeviceState::give_back(const Grave& grave) noexcept {
  grave.give_back_to(*backend_);
  if (grave.is_registered) {
    const std::scoped_lock lock(mutex_);
    registered_.erase(grave.memory.host);
  }
}

void DeviceState::Grave::give_back_to(BackendDevice& backend) const noexcept {
  if (is_registered) {
    backend.unregister_host(memory);
  } else {
    backend.release(memory);
  }
}

void DeviceState::bury(const MemoryBlock& memory, UseList&& uses) noexcept {
  bury({memory, std::move(uses)});
}

void DeviceState::bury(Grave grave) noexcept {
  if (grave.uses.all_complete()) {
    give_back(grave);
    return;
  }
  const std::scoped_lock lock(mutex_);
  graves_.push_back(std::move(grave));
}

UseList DeviceState::buried_uses() {
  UseList uses;
  const std::scoped_lock reaping(reap_mutex_);  // Else some are in nobody's hands.
  const std::scoped_lock lock(mutex_);
  for (const Grave& grave : graves_) {
    uses.add(grave.uses);
  }
  return uses;
}

void DeviceState::enlist(const std::shared_ptr<PoolLink>& pool) {
  require_current();
  const std::scoped_lock lock(mutex_);
  std::erase_if(pools_, [](const std::weak_ptr<PoolLink>& link) { return link.expired(); });
  pools_.push_back(pool);
}

template <class Visit>
void DeviceState::for_each_pool(const Visit& visit) noexcept {
  std::vector<std::weak_ptr<PoolLink>> pools;
  {
    const std::scoped_lock lock(mutex_);
    pools = pools_;
  }
  for (const std::weak_ptr<PoolLink>& weak : pools) {
    if (const std::shared_ptr<PoolLink> link = weak.lock()) {
      const std::scoped_lock lock(link->mutex);
      if (link->pool != nullptr) {
        visit(*link->pool);
      }
    }
  }
}

void DeviceState::retire(std::shared_ptr<StreamState> stream) noexcept {
  for_each_pool([&stream](MemoryPool& pool) { pool.retire(*stream); });
  if (stream->reap()) {
    return;
  }
  const std::scoped_lock lock(mutex_);
  retired_.push_back(std::move(stream));
}

void DeviceState::reap() noexcept {
  if (backend_->sub_allocation_observer() != nullptr) {
    for_each_pool([](MemoryPool& pool) { pool.tell_what_is_over(); });
  }
  std::vector<std::shared_ptr<StreamState>> retired;
  std::vector<Grave> graves;
  // One at a time: whoever comes second must not find memory neither buried nor given back.
  const std::scoped_lock reaping(reap_mutex_);
  {
    const std::scoped_lock lock(mutex_);
    retired.swap(retired_);
    graves.swap(graves_);
  }
  std::erase_if(retired, [](const std::shared_ptr<StreamState>& s) { return s->reap(); });
  std::erase_if(graves, [this](Grave& grave) {
    if (!grave.uses.all_complete()) {
      return false;
    }
    give_back(grave);
    return true;
  });
  const std::scoped_lock lock(mutex_);
  std::ranges::move(retired, std::back_inserter(retired_));
  std::ranges::move(graves, std::back_inserter(graves_));
}

}  // namespace headrace::core
