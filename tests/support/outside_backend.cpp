// SPDX-License-Identifier: Apache-2.0
#include "support/outside_backend.h"

#include "headrace/error.h"

#include "support/reference_convert.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace headrace::test {

namespace {

constexpr std::size_t kFence = 64;  // bytes around each block that nobody may write
constexpr int kFenceByte = 0xA5;
constexpr int kFreshByte = 0x5A;

/// Shared by the backend's objects and the functions of namespace `outside`.
struct Record {
  std::mutex mutex;
  std::vector<std::string> violations;
  std::vector<std::string> labels;
  std::map<std::uint64_t, MemoryBlock> blocks;  // by handle
  std::map<std::uint64_t, std::byte*> memory;   // by handle: the first byte of a block
  std::set<std::uint64_t> registered;           // handles of the library's users' own memory
  std::set<std::uint64_t> read_only;            // those that no work may write
  std::uint64_t last_handle = 0;
  std::atomic<std::size_t> submissions{0};
  std::atomic<bool> fail_copy{false};
};

Record& record() {
  static auto* instance = new Record;
  return *instance;
}

void violate(const std::string& text) {
  const std::scoped_lock lock(record().mutex);
  record().violations.push_back(text);
}

/// Where `bytes` bytes at `view` are; null, and a violation, when they are not all in a live block.
std::byte* resolve(const MemoryView& view, std::size_t bytes, const char* work) {
  const std::scoped_lock lock(record().mutex);
  const auto block = record().blocks.find(view.handle);
  if (block == record().blocks.end()) {
    record().violations.push_back(std::string(work) + (view.handle == 0 ? " has no memory at all"
                                                                        : " uses memory that was "
                                                                          "given back"));
    return nullptr;
  }
  if (view.offset > block->second.size || bytes > block->second.size - view.offset) {
    record().violations.push_back(std::string(work) + " goes beyond its block");
    return nullptr;
  }
  if (view.host != nullptr && view.host != block->second.host + view.offset) {
    record().violations.push_back(std::string(work) + " has the wrong host address");
  }
  return record().memory.at(view.handle) + view.offset;
}

/// The same for a place that is written.
std::byte* resolve_target(const MemoryView& view, std::size_t bytes, const char* work) {
  std::byte* place = resolve(view, bytes, work);
  const std::scoped_lock lock(record().mutex);
  if (record().read_only.contains(view.handle)) {
    record().violations.push_back(std::string(work) + " writes memory registered for reading");
    return nullptr;
  }
  return place;
}

std::uint64_t load(DataType dtype, const std::byte* from) {
  return reference::load(dtype, from);
}

void store(DataType dtype, std::uint64_t bits, std::byte* to) {
  std::memcpy(to, &bits, size_of(dtype));
}

void run(const CopyCommand& work) {
  const std::byte* from = resolve(work.from, work.bytes, "A copy");
  std::byte* to = resolve_target(work.to, work.bytes, "A copy");
  if (from == nullptr || to == nullptr) {
    return;
  }
  if (work.bytes == 0) {
    violate("A copy of 0 bytes was submitted");
  } else if (from < to + work.bytes && to < from + work.bytes) {
    violate("A copy overlaps itself");
    return;
  }
  if (record().fail_copy.exchange(false)) {
    throw Error(ErrorCode::internal, "The device outside was told to fail this copy.");
  }
  std::memcpy(to, from, work.bytes);
}

void run(const FillCommand& work) {
  std::byte* to = resolve_target(work.to, work.count * work.element_bytes, "A fill");
  for (std::size_t i = 0; to != nullptr && i < work.count; ++i) {
    std::memcpy(to + i * work.element_bytes, &work.pattern, work.element_bytes);
  }
}

void run(const ConvertCommand& work) {
  const std::size_t from_bytes = size_of(work.from_type);
  const std::size_t to_bytes = size_of(work.to_type);
  const std::byte* from = resolve(work.from, work.count * from_bytes, "A conversion");
  std::byte* to = resolve_target(work.to, work.count * to_bytes, "A conversion");
  for (std::size_t i = 0; from != nullptr && to != nullptr && i < work.count; ++i) {
    const std::uint64_t bits = load(work.from_type, from + i * from_bytes);
    store(work.to_type, reference::convert(work.from_type, bits, work.to_type), to + i * to_bytes);
  }
}

/// Element `bits` of channel `channel` after conversion, scaling and conversion.
std::uint64_t expanded(const ExpandSpec& spec, std::uint64_t bits, std::size_t channel) {
  if (spec.scale.empty()) {
    return reference::convert(spec.from, bits, spec.to);
  }
  const auto as_float =
      static_cast<std::uint32_t>(reference::convert(spec.from, bits, DataType::float32));
  float x = 0;
  std::memcpy(&x, &as_float, sizeof(x));
  const float scaled = x * spec.scale[channel];
  const float shifted = scaled + spec.bias[channel];
  std::uint32_t result = 0;
  std::memcpy(&result, &shifted, sizeof(result));
  return reference::convert(DataType::float32, result, spec.to);
}

void run(const ExpandCommand& work) {
  const ExpandSpec& spec = *work.spec;
  const auto pixels = static_cast<std::size_t>(spec.height * spec.width);
  const auto channels = static_cast<std::size_t>(spec.channels);
  const std::size_t count = static_cast<std::size_t>(work.samples) * pixels * channels;
  const std::byte* from = resolve(work.from, count * size_of(spec.from), "An expansion");
  std::byte* to = resolve_target(work.to, count * size_of(spec.to), "An expansion");
  for (std::size_t i = 0; from != nullptr && to != nullptr && i < count; ++i) {
    const std::size_t channel = i % channels;
    const std::size_t pixel = i / channels % pixels;
    const std::size_t sample = i / channels / pixels;
    const std::size_t place = spec.to_planar ? (sample * channels + channel) * pixels + pixel : i;
    store(spec.to,
          expanded(spec, load(spec.from, from + i * size_of(spec.from)), channel),
          to + place * size_of(spec.to));
  }
}

void run(Submission& submission, NativeHandle stream) {
  try {
    for (const Command& command : submission.commands) {
      {
        const std::scoped_lock lock(record().mutex);
        record().labels.push_back(command.label);
      }
      if (const auto* launch = std::get_if<LaunchCommand>(&command.work)) {
        launch->function(stream);
      } else if (const auto* copy = std::get_if<CopyCommand>(&command.work)) {
        run(*copy);
      } else if (const auto* fill = std::get_if<FillCommand>(&command.work)) {
        run(*fill);
      } else if (const auto* conversion = std::get_if<ConvertCommand>(&command.work)) {
        run(*conversion);
      } else {
        run(std::get<ExpandCommand>(command.work));
      }
    }
  } catch (...) {
    submission.outcome->fail(std::current_exception());
  }
}

/// What a stream, its thread and the streams that wait for it share.
struct Line {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> tasks;
  MarkerSerial completed = 0;
  bool closed = false;
};

class OutsideStream final : public BackendStream {
 public:
  explicit OutsideStream(std::uint64_t number)
      : number_(number), thread_([line = line_] { work_off(*line); }) {}
  OutsideStream(const OutsideStream&) = delete;
  OutsideStream& operator=(const OutsideStream&) = delete;
  ~OutsideStream() override {
    {
      const std::scoped_lock lock(line_->mutex);
      line_->closed = true;
    }
    line_->changed.notify_all();
    thread_.get_id() == std::this_thread::get_id() ? thread_.detach() : thread_.join();
  }

  void submit(std::shared_ptr<Submission> submission) override {
    const OneAtATime guard(*this);
    ++record().submissions;
    push([submission = std::move(submission), handle = native_handle()] {
      run(*submission, handle);
    });
  }

  void signal(MarkerSerial serial) override {
    const OneAtATime guard(*this);
    if (serial != signalled_.exchange(serial) + 1) {
      violate("A marker's serial does not follow the last one");
    }
    push([line = line_.get(), serial] {
      const std::scoped_lock lock(line->mutex);
      line->completed = serial;
      line->changed.notify_all();
    });
  }

  MarkerSerial completed() override {
    const std::scoped_lock lock(line_->mutex);
    return line_->completed;
  }

  bool wait(MarkerSerial serial, std::chrono::nanoseconds timeout) override {
    if (serial > signalled_) {
      violate("The host waits for a marker that was never recorded");
      return false;
    }
    std::unique_lock lock(line_->mutex);
    if (std::this_thread::get_id() == thread_.get_id() && line_->completed < serial) {
      throw Error(ErrorCode::invalid_argument, "Work waits for the stream that it is on.");
    }
    return line_->changed.wait_for(
        lock, timeout, [this, serial] { return line_->completed >= serial; });
  }

  void wait_for(BackendStream& producer, MarkerSerial serial) override {
    const OneAtATime guard(*this);
    auto* outside = dynamic_cast<OutsideStream*>(&producer);
    if (outside == nullptr) {
      violate("A stream waits for one of another backend");
      return;
    }
    if (serial > outside->signalled_) {
      violate("A stream waits for a marker that was never recorded");
      return;
    }
    push([line = outside->line_, serial] {
      std::unique_lock lock(line->mutex);
      line->changed.wait(lock, [&line, serial] { return line->completed >= serial; });
    });
  }

  [[nodiscard]] NativeHandle native_handle() override { return {HandleKind::stream, number_, 0}; }

 private:
  class OneAtATime {
   public:
    explicit OneAtATime(OutsideStream& stream) : stream_(stream) {
      if (stream_.busy_.exchange(true)) {
        violate("Two threads call one stream at once");
      }
    }
    OneAtATime(const OneAtATime&) = delete;
    OneAtATime& operator=(const OneAtATime&) = delete;
    ~OneAtATime() { stream_.busy_ = false; }

   private:
    OutsideStream& stream_;
  };

  void push(std::function<void()> task) {
    {
      const std::scoped_lock lock(line_->mutex);
      line_->tasks.push_back(std::move(task));
    }
    line_->changed.notify_all();
  }

  static void work_off(Line& line) {
    std::unique_lock lock(line.mutex);
    while (true) {
      line.changed.wait(lock, [&line] { return !line.tasks.empty() || line.closed; });
      if (line.tasks.empty()) {
        return;
      }
      std::function<void()> task = std::move(line.tasks.front());
      line.tasks.pop_front();
      lock.unlock();
      task();
      task = nullptr;
      lock.lock();
    }
  }

  const std::uint64_t number_;
  const std::shared_ptr<Line> line_ = std::make_shared<Line>();
  std::atomic<bool> busy_{false};
  std::atomic<MarkerSerial> signalled_{0};
  std::thread thread_;
};

class OutsideDevice final : public BackendDevice {
 public:
  explicit OutsideDevice(int index) : index_(index) {}

  [[nodiscard]] DeviceInfo info() const override { return describe(index_); }
  [[nodiscard]] DeviceCaps caps() const override { return {}; }

  MemoryBlock allocate(DeviceType device_type, std::size_t size) override {
    auto* memory = size > info().total_bytes
                       ? nullptr
                       : static_cast<std::byte*>(std::malloc(size + 2 * kFence));
    if (memory == nullptr) {
      throw Error(ErrorCode::out_of_memory, "The device outside has no memory left.");
    }
    std::memset(memory, kFenceByte, size + 2 * kFence);
    std::memset(memory + kFence, kFreshByte, size);
    const std::scoped_lock lock(record().mutex);
    MemoryBlock block;
    block.handle = ++record().last_handle;
    block.host = device_type == DeviceType::cpu ? memory + kFence : nullptr;
    block.size = size;
    block.kind = HandleKind::buffer;
    record().blocks[block.handle] = block;
    record().memory[block.handle] = memory + kFence;
    return block;
  }

  MemoryBlock register_host(std::byte* memory, std::size_t size, HostAccess access) override {
    const std::scoped_lock lock(record().mutex);
    const MemoryBlock block{++record().last_handle, memory, size, HandleKind::buffer};
    record().blocks[block.handle] = block;
    record().memory[block.handle] = memory;
    record().registered.insert(block.handle);
    if (access == HostAccess::read_only) {
      record().read_only.insert(block.handle);
    }
    return block;
  }

  void unregister_host(const MemoryBlock& block) noexcept override {
    const std::scoped_lock lock(record().mutex);
    if (record().registered.erase(block.handle) == 0) {
      record().violations.emplace_back("Memory was unregistered that is not registered");
      return;
    }
    record().read_only.erase(block.handle);
    record().blocks.erase(block.handle);
    record().memory.erase(block.handle);
  }

  void release(const MemoryBlock& block) noexcept override {
    const std::scoped_lock lock(record().mutex);
    if (record().blocks.erase(block.handle) == 0) {
      record().violations.emplace_back("Memory was given back twice");
      return;
    }
    std::byte* memory = record().memory.extract(block.handle).mapped() - kFence;
    for (std::size_t i = 0; i < kFence; ++i) {
      if (memory[i] != std::byte{kFenceByte} ||
          memory[kFence + block.size + i] != std::byte{kFenceByte}) {
        record().violations.emplace_back("Memory beside a block was written");
        break;
      }
    }
    std::free(memory);
  }

  std::shared_ptr<BackendStream> default_stream() override { return make_stream(); }
  std::shared_ptr<BackendStream> make_stream() override {
    return std::make_shared<OutsideStream>(++last_stream_);
  }
  [[nodiscard]] bool reaches(const BackendDevice& other) const override {
    return dynamic_cast<const OutsideDevice*>(&other) != nullptr;
  }

  static DeviceInfo describe(int index) {
    DeviceInfo info;
    info.spec = index == 0 ? "outside" : "outside:" + std::to_string(index);
    info.index = index;
    info.backend = "outside";
    info.name = "memory of malloc's";
    info.total_bytes = std::uint64_t{1} << 30;
    return info;
  }

 private:
  const int index_;
  std::atomic<std::uint64_t> last_stream_{0};
};

class OutsideBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "outside"; }
  std::vector<DeviceInfo> devices() override {
    return {OutsideDevice::describe(0), OutsideDevice::describe(1)};
  }
  std::shared_ptr<BackendDevice> open(int index) override {
    return std::make_shared<OutsideDevice>(index);
  }
};

}  // namespace

std::unique_ptr<Backend> make_outside_backend() {
  return std::make_unique<OutsideBackend>();
}

namespace outside {

void register_once() {
  static std::once_flag registered;
  std::call_once(registered, [] { register_backend(make_outside_backend()); });
}

std::vector<std::string> take_violations() {
  const std::scoped_lock lock(record().mutex);
  return std::exchange(record().violations, {});
}

std::vector<std::string> take_labels() {
  const std::scoped_lock lock(record().mutex);
  return std::exchange(record().labels, {});
}

std::size_t submissions() {
  return record().submissions;
}

std::size_t live_blocks() {
  const std::scoped_lock lock(record().mutex);
  return record().blocks.size();
}

void fail_next_copy() {
  record().fail_copy = true;
}

}  // namespace outside

}  // namespace headrace::test
