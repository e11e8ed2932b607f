// SPDX-License-Identifier: Apache-2.0
#include "core/mock_device.h"

#include "headrace/error.h"

#include "core/access.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace headrace::core {

namespace {

constexpr std::size_t kAlignment = 256;
constexpr int kFresh = 0xCD;
constexpr int kFreed = 0xDD;
constexpr std::chrono::milliseconds kLaunchPatience(50);

/// One stream of a mock device: a timeline, and the machine that knows the rest.
class MockStream final : public BackendStream {
 public:
  MockStream(std::shared_ptr<MockState> device, MockState::Timeline& timeline)
      : device_(std::move(device)), timeline_(timeline) {}

  void submit(std::shared_ptr<Submission> submission) override {
    device_->submit(timeline_, std::move(submission));
  }
  void signal(MarkerSerial serial) override { device_->signal(timeline_, serial); }
  MarkerSerial completed() override { return device_->completed(timeline_); }
  bool wait(MarkerSerial serial, std::chrono::nanoseconds timeout) override {
    return device_->host_wait(timeline_, serial, timeout);
  }
  void wait_for(BackendStream& producer, MarkerSerial serial) override {
    device_->wait_for(timeline_, static_cast<MockStream&>(producer).timeline_, serial);
  }
  [[nodiscard]] NativeHandle native_handle() override {
    return {HandleKind::stream, timeline_.queue, 0};
  }
  [[nodiscard]] bool is_private() const override { return true; }
  [[nodiscard]] bool is_capturing() const override { return device_->is_capturing(timeline_); }

 private:
  std::shared_ptr<MockState> device_;
  MockState::Timeline& timeline_;
};

MockCall call_of(const Command& command) {
  constexpr std::array kCalls{
      MockCall::copy, MockCall::fill, MockCall::convert, MockCall::expand, MockCall::launch};
  return kCalls.at(command.work.index());
}

bool has_launch(const Submission& submission) {
  return std::ranges::any_of(submission.commands, [](const Command& command) {
    return std::holds_alternative<LaunchCommand>(command.work);
  });
}

}  // namespace

MockState::MockState(const MockDeviceConfig& config)
    : config_(config), random_order_(config.random_order), random_(config.seed) {
  queues_.emplace_back();  // The default stream's, which is number 0 whenever it is first used.
}

MockState::~MockState() {
  for (const auto& [address, size] : allocations_) {
    ::operator delete (NativeHandle{HandleKind::pointer, address}.as_pointer(),
                       std::align_val_t{kAlignment});
  }
}

DeviceInfo MockState::info() const {
  DeviceInfo info;
  info.spec = "mock";
  info.backend = "mock";
  info.name = "mock device";
  info.total_bytes = config_.total_bytes;
  info.is_gpu = true;
  info.unified_memory = config_.unified_memory;
  return info;
}

DeviceCaps MockState::caps() const {
  return {.unified_memory = config_.unified_memory,
          .alignment = kAlignment,
          .granularity = config_.granularity};
}

void MockState::require_present_locked() const {
  if (lost_) {
    throw Error(ErrorCode::device_lost, "The mock device was lost.");
  }
}

void MockState::called_locked(MockCall call) {
  ++counts_.at(static_cast<std::size_t>(call));
  require_present_locked();
  std::optional<ErrorCode> failure;
  auto [fault, last] = faults_.equal_range(call);
  while (fault != last) {  // Each counts this call, also when an earlier one makes it fail.
    if (--fault->second.calls_left != 0) {
      ++fault;
      continue;
    }
    failure = fault->second.code;
    fault = faults_.erase(fault);
  }
  if (failure) {
    throw Error(*failure, "The mock device was told to fail this call.");
  }
}

MemoryBlock MockState::allocate(DeviceType device_type, std::size_t size) {
  const std::scoped_lock lock(mutex_);
  called_locked(MockCall::allocate);
  if (size > config_.total_bytes - live_bytes_) {
    throw Error(ErrorCode::out_of_memory, "The mock device has no memory left.");
  }
  void* memory = ::operator new (size, std::align_val_t{kAlignment}, std::nothrow);
  if (memory == nullptr) {
    throw Error(ErrorCode::out_of_memory, "The host of the mock device has no memory left.");
  }
  std::memset(memory, kFresh, size);
  const auto address = reinterpret_cast<std::uint64_t>(memory);
  try {
    allocations_[address] = size;
  } catch (...) {
    ::operator delete (memory, std::align_val_t{kAlignment});
    throw;
  }
  live_bytes_ += size;
  const bool host_visible = device_type == DeviceType::cpu || config_.unified_memory;
  return {
      address, host_visible ? static_cast<std::byte*>(memory) : nullptr, size, HandleKind::pointer};
}

void MockState::release(const MemoryBlock& block) noexcept {
  const std::scoped_lock lock(mutex_);
  ++counts_.at(static_cast<std::size_t>(MockCall::release));
  allocations_.erase(block.handle);
  live_bytes_ -= block.size;
  void* memory = NativeHandle{HandleKind::pointer, block.handle}.as_pointer();
  std::memset(memory, kFreed, block.size);
  ::operator delete (memory, std::align_val_t{kAlignment});
}

MemoryBlock MockState::register_host(std::byte* memory, std::size_t size, HostAccess) {
  const std::scoped_lock lock(mutex_);
  called_locked(MockCall::register_host);
  return {reinterpret_cast<std::uint64_t>(memory), memory, size, HandleKind::pointer};
}

void MockState::unregister_host(const MemoryBlock& /*block*/) noexcept {
  const std::scoped_lock lock(mutex_);
  ++counts_.at(static_cast<std::size_t>(MockCall::unregister_host));
}

std::shared_ptr<BackendStream> MockState::make_stream_locked(std::size_t queue) {
  timelines_.push_back({queue, 0});
  return std::make_shared<MockStream>(shared_from_this(), timelines_.back());
}

std::shared_ptr<BackendStream> MockState::default_stream() {
  const std::scoped_lock lock(mutex_);
  require_present_locked();
  return make_stream_locked(0);
}

std::shared_ptr<BackendStream> MockState::make_stream() {
  const std::scoped_lock lock(mutex_);
  called_locked(MockCall::make_stream);
  queues_.emplace_back();
  return make_stream_locked(queues_.size() - 1);
}

std::shared_ptr<BackendStream> MockState::adopt_stream(NativeHandle handle) {
  const std::scoped_lock lock(mutex_);
  if (handle.kind != HandleKind::stream || handle.value >= queues_.size()) {
    throw Error(ErrorCode::invalid_argument, "The handle is of no stream of the mock device.");
  }
  return make_stream_locked(handle.value);
}

void MockState::submit(const Timeline& timeline, std::shared_ptr<Submission> submission) {
  const std::scoped_lock lock(mutex_);
  called_locked(MockCall::submit);
  for (const Command& command : submission->commands) {
    called_locked(call_of(command));
  }
  queues_[timeline.queue].work.emplace_back(std::move(submission));
  changed_.notify_all();
}

void MockState::signal(Timeline& timeline, MarkerSerial serial) {
  const std::scoped_lock lock(mutex_);
  called_locked(MockCall::signal);
  broken_captures_ += is_capturing_locked(timeline) ? 1U : 0U;
  queues_[timeline.queue].work.emplace_back(Marker{&timeline, serial});
  changed_.notify_all();
}

void MockState::wait_for(const Timeline& timeline, const Timeline& producer, MarkerSerial serial) {
  const std::scoped_lock lock(mutex_);
  called_locked(MockCall::wait_for);
  broken_captures_ += is_capturing_locked(timeline) ? 1U : 0U;
  queues_[timeline.queue].work.emplace_back(Wait{&producer, serial});
  changed_.notify_all();
}

MarkerSerial MockState::completed(const Timeline& timeline) {
  std::unique_lock lock(mutex_);
  require_present_locked();
  if (random_order_ && random_() % 2 == 0) {
    step_on_poll_locked(lock);
    require_present_locked();
  }
  return timeline.completed;
}

bool MockState::host_wait(const Timeline& timeline,
                          MarkerSerial serial,
                          std::chrono::nanoseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::unique_lock lock(mutex_);
  called_locked(MockCall::host_wait);
  while (timeline.completed < serial) {
    const Queue& queue = queues_[timeline.queue];
    if (queue.running && queue.runner == std::this_thread::get_id()) {
      throw Error(ErrorCode::invalid_argument,
                  "Work launched on a mock stream waits for that stream, which would never end.");
    }
    if (random_order_ && step_any_locked(lock)) {
      require_present_locked();
      continue;
    }
    const std::cv_status status = changed_.wait_until(lock, deadline);
    require_present_locked();
    if (status == std::cv_status::timeout) {
      return timeline.completed >= serial;
    }
  }
  return true;
}

bool MockState::is_capturing(const Timeline& timeline) const {
  const std::scoped_lock lock(mutex_);
  return is_capturing_locked(timeline);
}

bool MockState::is_capturing_locked(const Timeline& timeline) const {
  return all_capturing_ || queues_[timeline.queue].capturing;
}

bool MockState::can_step_locked(std::size_t stream) const {
  if (stream >= queues_.size() || losing_) {
    return false;
  }
  const Queue& queue = queues_[stream];
  if (queue.running || queue.work.empty()) {
    return false;
  }
  const Wait* wait = std::get_if<Wait>(&queue.work.front());
  return wait == nullptr || wait->producer->completed >= wait->serial;
}

void MockState::run_submission(std::size_t stream, std::shared_ptr<Submission> submission) {
  run_on_host(*submission, {HandleKind::stream, stream, 0});
  submission.reset();
  const std::scoped_lock lock(mutex_);
  queues_[stream].running = false;
  changed_.notify_all();
}

void MockState::step_locked(std::size_t stream, std::unique_lock<std::mutex>& lock) {
  Queue& queue = queues_[stream];
  Work work = std::move(queue.work.front());
  queue.work.pop_front();
  if (const Marker* marker = std::get_if<Marker>(&work)) {
    marker->timeline->completed = marker->serial;
  } else if (auto* submission = std::get_if<std::shared_ptr<Submission>>(&work)) {
    queue.running = true;
    queue.runner = std::this_thread::get_id();
    lock.unlock();
    run_submission(stream, std::move(*submission));
    lock.lock();
  }
  changed_.notify_all();
}

std::optional<std::size_t> MockState::pick_locked() {
  std::vector<std::size_t> ready;
  for (std::size_t stream = 0; stream < queues_.size(); ++stream) {
    if (can_step_locked(stream)) {
      ready.push_back(stream);
    }
  }
  if (ready.empty()) {
    return std::nullopt;
  }
  return random_order_ ? ready[random_() % ready.size()] : ready.front();
}

bool MockState::step_any_locked(std::unique_lock<std::mutex>& lock) {
  const std::optional<std::size_t> stream = pick_locked();
  if (stream) {
    step_locked(*stream, lock);
  }
  return stream.has_value();
}

void MockState::step_on_poll_locked(std::unique_lock<std::mutex>& lock) {
  const std::optional<std::size_t> stream = pick_locked();
  if (!stream) {
    return;
  }
  Queue& queue = queues_[*stream];
  const auto* submission = std::get_if<std::shared_ptr<Submission>>(&queue.work.front());
  if (submission == nullptr || !has_launch(**submission)) {
    step_locked(*stream, lock);
    return;
  }
  // Whoever polls may hold locks that launched work wants, so it runs on a thread of its own. Work
  // that wants none is done before the poll returns: the order stays that of the seed.
  queue.running = true;
  std::thread runner([self = shared_from_this(), stream = *stream, work = *submission]() mutable {
    self->run_submission(stream, std::move(work));
  });
  queue.runner = runner.get_id();
  queue.work.pop_front();
  runner.detach();
  changed_.wait_for(lock, kLaunchPatience, [&queue] { return !queue.running; });
}

bool MockState::step_any() {
  std::unique_lock lock(mutex_);
  return step_any_locked(lock);
}

bool MockState::step(std::size_t stream) {
  std::unique_lock lock(mutex_);
  if (!can_step_locked(stream)) {
    return false;
  }
  step_locked(stream, lock);
  return true;
}

bool MockState::others_run_locked() const {
  return std::ranges::any_of(queues_, [](const Queue& queue) {
    return queue.running && queue.runner != std::this_thread::get_id();
  });
}

void MockState::complete_all() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (step_any_locked(lock)) {
      continue;
    }
    if (!others_run_locked()) {
      return;
    }
    changed_.wait(lock);
  }
}

void MockState::wait_for_running() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !others_run_locked(); });
}

void MockState::run_by_itself() {
  const std::scoped_lock lock(mutex_);
  random_order_ = true;
  changed_.notify_all();
}

std::size_t MockState::pending() const {
  const std::scoped_lock lock(mutex_);
  std::size_t pieces = 0;
  for (const Queue& queue : queues_) {
    pieces += queue.work.size() + (queue.running ? 1 : 0);
  }
  return pieces;
}

void MockState::fail(MockCall call, std::uint64_t nth, ErrorCode code) {
  const std::scoped_lock lock(mutex_);
  faults_.insert({call, {nth, code}});
}

void MockState::lose() {
  {
    // What has begun ends first: on a lost device nothing runs.
    std::unique_lock lock(mutex_);
    losing_ = true;
    changed_.wait_for(lock, std::chrono::seconds(1), [this] { return !others_run_locked(); });
    lost_ = true;
    changed_.notify_all();
  }
  drop_submissions();
}

void MockState::drop_submissions() {
  // They hold objects of the caller's, which may call back as they go: not under the lock.
  std::vector<std::shared_ptr<Submission>> dropped;
  const std::scoped_lock lock(mutex_);
  for (Queue& queue : queues_) {
    std::deque<Work> kept;
    for (Work& work : queue.work) {
      if (auto* submission = std::get_if<std::shared_ptr<Submission>>(&work)) {
        dropped.push_back(std::move(*submission));
        dropped.back()->outcome->fail(
            std::make_exception_ptr(Error(ErrorCode::device_lost, "The mock device is gone.")));
      } else {
        kept.push_back(std::move(work));
      }
    }
    queue.work = std::move(kept);
  }
}

void MockState::set_capturing(bool capturing) {
  const std::scoped_lock lock(mutex_);
  all_capturing_ = capturing;
  for (Queue& queue : queues_) {
    queue.capturing = false;
  }
}

void MockState::set_capturing(std::size_t stream, bool capturing) {
  const std::scoped_lock lock(mutex_);
  queues_.at(stream).capturing = capturing;
}

std::uint64_t MockState::broken_captures() const {
  const std::scoped_lock lock(mutex_);
  return broken_captures_;
}

std::uint64_t MockState::count(MockCall call) const {
  const std::scoped_lock lock(mutex_);
  return counts_.at(static_cast<std::size_t>(call));
}

std::size_t MockState::live_allocations() const {
  const std::scoped_lock lock(mutex_);
  return allocations_.size();
}

std::size_t MockState::live_bytes() const {
  const std::scoped_lock lock(mutex_);
  return live_bytes_;
}

}  // namespace headrace::core

namespace headrace {

namespace {
core::MockState& here(const std::shared_ptr<core::MockState>& state) {
  state->process().require_current("The mock device");
  return *state;
}
}  // namespace

MockDevice::MockDevice(MockDeviceConfig config)
    : state_(core::make_shared_here<core::MockState>(config)),
      device_(core::DeviceAccess::make(core::make_shared_here<core::DeviceState>(state_))) {}

MockDevice::~MockDevice() {
  if (!state_->process().is_current()) {
    return;
  }
  state_->run_by_itself();
  state_->wait_for_running();
  const std::weak_ptr<core::DeviceState> users = core::DeviceAccess::state(device_);
  device_ = Device();
  if (users.expired()) {
    // Nobody will make it run any more, and what is launched may hold a stream, which holds it.
    state_->drop_submissions();
  }
}

bool MockDevice::step() {
  return here(state_).step_any();
}
bool MockDevice::step(std::size_t stream_number) {
  return here(state_).step(stream_number);
}
void MockDevice::complete_all() {
  here(state_).complete_all();
}
std::size_t MockDevice::pending() const {
  return here(state_).pending();
}
void MockDevice::fail(MockCall call, std::uint64_t nth, ErrorCode code) {
  here(state_).fail(call, nth, code);
}
void MockDevice::lose() {
  here(state_).lose();
}
void MockDevice::set_capturing(bool capturing) {
  here(state_).set_capturing(capturing);
}
void MockDevice::set_capturing(const Stream& stream, bool capturing) {
  core::MockState& state = here(state_);
  const auto captured = core::DeviceAccess::state(device_)->resolve(stream);
  state.set_capturing(captured->native_handle().value, capturing);
}
std::uint64_t MockDevice::broken_captures() const {
  return here(state_).broken_captures();
}
std::uint64_t MockDevice::count(MockCall call) const {
  return here(state_).count(call);
}
std::size_t MockDevice::live_allocations() const {
  return here(state_).live_allocations();
}
std::size_t MockDevice::live_bytes() const {
  return here(state_).live_bytes();
}

}  // namespace headrace
