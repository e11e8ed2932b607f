// SPDX-License-Identifier: Apache-2.0
// A program whose static and thread-local objects hold everything the library has. It ends as
// programs end, and writes nothing.
//
// Usage: static_order ORDER [main|exit|threads]
//   ORDER    letters of kMakers: the order in which the static objects are made; they are destroyed
//            in the opposite one
//   main     main returns; exit: a thread ends the program; threads: main returns while detached
//            threads go on taking and giving back
#include "headrace/headrace.h"
#include "headrace/testing.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace headrace;

constexpr std::size_t kBytes = 4000;

/// Made before main, by whichever file comes first.
struct Early {
  MemoryManager manager{open_device("host")};
  Buffer buffer = manager.get_buffer(kBytes);
  Buffer cached = manager.get_buffer(kBytes);
  Early() { cached.reset(); }
};
const Early early;

/// Takes memory when it is destroyed, and gives it back.
struct Late {
  MemoryManager manager;
  ~Late() {
    if (manager) {
      manager.get_buffer(kBytes).reset();
    }
  }
};

/// One float a sample.
class Ones : public SampleSource {
 public:
  [[nodiscard]] SampleSpec spec() const override {
    return {.input_shape = Shape{1},
            .input_dtype = DataType::float32,
            .label_shape = {},
            .label_dtype = DataType::int64,
            .fields = {}};
  }
  [[nodiscard]] std::size_t size() const override { return 1000; }
  void read(const ReadContext&, SampleView& into) const override {
    std::memset(into.input.data(), 0, into.input.size());
    std::memset(into.label.data(), 0, into.label.size());
  }
};

AsyncDataLoaderConfig config(const MemoryManager& manager) {
  AsyncDataLoaderConfig config;
  config.batch_size = 8;
  config.epochs = 0;
  config.memory_manager = manager;
  return config;
}

/// A static object of the type, made the first time it is asked for.
template <class T>
T& the() {
  static T object;
  return object;
}

struct Maker {
  char letter;
  void (*make)();
};
constexpr Maker kMakers[] = {
    {'d', [] { the<Device>(); }},
    {'s', [] { the<Stream>(); }},
    {'m', [] { the<MemoryManager>(); }},
    {'p', [] { the<std::optional<BufferPool>>(); }},
    {'b', [] { the<std::vector<Buffer>>(); }},
    {'t', [] { the<std::vector<Tensor>>(); }},
    {'c', [] { the<std::optional<CommandBufferPool>>(); }},
    {'C', [] { the<Completion>(); }},
    {'g', [] { the<std::optional<StagingBufferPool>>(); }},
    {'G', [] { the<std::optional<StagingBuffer>>(); }},
    {'l', [] { the<std::optional<AsyncDataLoader>>(); }},
    {'B', [] { the<std::optional<GPUBatch>>(); }},
    {'k', [] { the<std::optional<MockDevice>>(); }},
    {'z', [] { the<Late>(); }},
};

bool make_static_objects(std::string_view order) {
  std::size_t made = 0;
  for (const char letter : order) {
    for (const Maker& maker : kMakers) {
      if (maker.letter == letter) {
        maker.make();
        ++made;
      }
    }
  }
  return made == std::size(kMakers) && order.size() == made;
}

void fill_static_objects() {
  const Device& device = the<Device>() = open_device("host");
  const Stream& stream = the<Stream>() = device.make_stream();
  MemoryManager& manager = the<MemoryManager>() = MemoryManager(device);
  the<Late>().manager = manager;
  initialize_global_memory_manager(device);
  auto& pool = the<std::optional<BufferPool>>();
  pool.emplace(device, kBytes, 4);
  auto& buffers = the<std::vector<Buffer>>();
  buffers.push_back(manager.get_buffer(kBytes));
  buffers.push_back(manager.get_buffer(kBytes, DeviceType::cpu, stream));
  buffers.push_back(manager.get_buffer(std::size_t{4} << 20));
  buffers.push_back(manager.get_buffer(0));
  buffers.push_back(pool->get());
  auto& tensors = the<std::vector<Tensor>>();
  tensors.emplace_back(manager, Shape{1000}, DataType::float32);
  tensors.emplace_back(Shape{1000}, DataType::float32);
  tensors.push_back(tensors.front().convert_to(DataType::int32, stream));
  auto& commands = the<std::optional<CommandBufferPool>>();
  commands.emplace(stream, 4);
  CommandBuffer command = commands->get_buffer();
  command.fill(tensors.front(), 1);
  the<Completion>() = commands->execute_async(std::move(command), [](const std::exception_ptr&) {});
  auto& staging = the<std::optional<StagingBufferPool>>();
  staging.emplace(manager, 2, kBytes);
  the<std::optional<StagingBuffer>>() = staging->get_buffer();
  staging->transfer_to_gpu(std::vector<float>(1000), tensors.front());
  auto& loader = the<std::optional<AsyncDataLoader>>();
  loader.emplace(std::make_shared<Ones>(), config(manager));
  loader->start();
  the<std::optional<GPUBatch>>() = loader->get_batch();
  auto& mock = the<std::optional<MockDevice>>();
  mock.emplace();
  MemoryManager mocked(mock->device());
  buffers.push_back(mocked.get_buffer(kBytes));
  tensors.emplace_back(mocked, Shape{4}, DataType::float32);
  tensors.back().copy_from(std::vector<float>(4));  // Work that nobody makes run.
}

/// The thread's own objects, of which the first is destroyed after the library's.
void fill_thread_objects() {
  thread_local Late late;
  thread_local std::vector<Buffer> before;
  late.manager = the<MemoryManager>();
  before.push_back(late.manager.get_buffer(kBytes));
  thread_local std::vector<Buffer> after;
  after.push_back(late.manager.get_buffer(kBytes));
  after.push_back(early.manager.device() ? late.manager.get_buffer(kBytes) : Buffer());
}

/// Takes and gives back for ever, from objects that the thread shares.
void start_detached_threads() {
  static std::atomic<int> busy;
  for (int i = 0; i < 3; ++i) {
    std::thread([manager = the<MemoryManager>()]() mutable {
      fill_thread_objects();
      for (std::size_t round = 0;; ++round) {
        std::vector<Buffer> buffers;
        for (std::size_t k = 0; k < 100; ++k) {
          buffers.push_back(manager.get_buffer(kBytes + k * 100));
        }
        const Tensor tensor(manager, Shape{16}, DataType::float32);
        busy += round == 0 ? 1 : 0;
      }
    }).detach();
  }
  while (busy != 3) {
    std::this_thread::yield();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view ending = argc > 2 ? argv[2] : "main";
  if (argc < 2 || !make_static_objects(argv[1])) {
    return 2;
  }
  fill_static_objects();
  fill_thread_objects();
  if (ending == "exit") {
    std::thread([] {
      fill_thread_objects();
      std::exit(0);
    }).join();
  }
  if (ending == "threads") {
    start_detached_threads();
  }
  return 0;
}
