// SPDX-License-Identifier: Apache-2.0
// Headrace behind C functions, for interop.py, which uses it beside PyTorch in one process. Each
// returns 0, or -1 after a failure, whose text `hr_error` gives.
#include "headrace/headrace.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace headrace;

thread_local std::string last_error;

template <class Work>
int guarded(const Work& work) {
  try {
    work();
    return 0;
  } catch (const std::exception& error) {
    last_error = error.what();
    return -1;
  }
}

/// What a script works with.
struct Session {
  Device device = open_device("cuda:0");
  MemoryManager manager{device};
};

Session& session() {
  static Session session;
  return session;
}

Stream adopted(std::uint64_t handle) {
  return session().device.adopt_stream({HandleKind::stream, handle, 0});
}

/// Takes, fills, reads and gives back memory from a thread of its own until it is destroyed.
class Bustle {
 public:
  Bustle() : thread_([this] { run(); }) {}
  Bustle(const Bustle&) = delete;
  Bustle& operator=(const Bustle&) = delete;
  ~Bustle() { end(); }

  std::uint64_t stop() {
    end();
    if (!failure_.empty()) {
      throw Error(ErrorCode::internal, failure_);
    }
    return rounds_;
  }

 private:
  void end() {
    is_over_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  void run() {
    try {
      MemoryManager manager(session().device);
      const Stream stream = session().device.make_stream();
      for (; !is_over_; ++rounds_) {
        const Tensor tensor(manager, {100'000}, DataType::float32, DeviceType::gpu, stream);
        const Tensor half = tensor.convert_to(DataType::float16, stream);
        stream.synchronize();
        if (rounds_ % 16 == 0) {
          manager.trim();
        }
      }
    } catch (const std::exception& error) {
      failure_ = error.what();
    }
  }

  std::atomic<bool> is_over_{false};
  std::uint64_t rounds_ = 0;
  std::string failure_;
  std::thread thread_;
};

std::unique_ptr<Bustle> bustle;

/// A graph's memory, and the tensors taken for it.
struct Captured {
  CaptureScope scope;
  Tensor from;
  std::optional<Tensor> to = {};
};

}  // namespace

extern "C" {

__attribute__((visibility("default"))) const char* hr_error() {
  return last_error.c_str();
}

/// A tensor of `count` floats: 0, 1, 2...
__attribute__((visibility("default"))) int hr_iota(std::int64_t count, void** tensor) {
  return guarded([&] {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(i);
    }
    auto made = std::make_unique<Tensor>(session().manager, Shape{count}, DataType::float32);
    made->copy_from(values);
    *tensor = made.release();
  });
}

__attribute__((visibility("default"))) int hr_free(void* tensor) {
  return guarded([&] { delete static_cast<Tensor*>(tensor); });
}

__attribute__((visibility("default"))) std::uint64_t hr_address(void* tensor) {
  return static_cast<Tensor*>(tensor)->native_handle().value;
}

__attribute__((visibility("default"))) int hr_read(void* tensor, float* values) {
  return guarded([&] {
    const std::vector<float> read = static_cast<Tensor*>(tensor)->to_vector<float>();
    std::copy(read.begin(), read.end(), values);
  });
}

__attribute__((visibility("default"))) int hr_record_use(void* tensor, std::uint64_t stream) {
  return guarded([&] { static_cast<Tensor*>(tensor)->record_use(adopted(stream)); });
}

/// Converts to float16 and back on a stream that PyTorch made, or its default one.
__attribute__((visibility("default"))) int hr_round(void* tensor,
                                                    std::uint64_t stream,
                                                    void** result) {
  return guarded([&] {
    const Stream on = adopted(stream);
    const Tensor half = static_cast<Tensor*>(tensor)->convert_to(DataType::float16, on);
    *result = new Tensor(half.convert_to(DataType::float32, on));
  });
}

__attribute__((visibility("default"))) int hr_bustle_begin() {
  return guarded([] { bustle = std::make_unique<Bustle>(); });
}

/// \returns Rounds that went on meanwhile, or -1.
__attribute__((visibility("default"))) std::int64_t hr_bustle_end() {
  std::int64_t rounds = -1;
  guarded([&] {
    const std::unique_ptr<Bustle> ended = std::move(bustle);
    rounds = static_cast<std::int64_t>(ended->stop());
  });
  return rounds;
}

/// Before a capture of `stream`: begins to keep its memory.
__attribute__((visibility("default"))) int hr_capture_begin(void* from,
                                                            std::uint64_t stream,
                                                            void** captured) {
  return guarded([&] {
    *captured =
        new Captured{CaptureScope(session().manager, adopted(stream)), *static_cast<Tensor*>(from)};
  });
}

/// During it: takes memory for a tensor as large. \returns Its address in `address`.
__attribute__((visibility("default"))) int hr_capture_take(void* captured,
                                                           std::uint64_t stream,
                                                           std::uint64_t* address) {
  return guarded([&] {
    Captured& of = *static_cast<Captured*>(captured);
    of.to.emplace(
        session().manager, of.from.shape(), DataType::float32, DeviceType::gpu, adopted(stream));
    *address = of.to->native_handle().value;
  });
}

__attribute__((visibility("default"))) int hr_capture_end(void* captured) {
  return guarded([&] { static_cast<Captured*>(captured)->scope.end_capture(); });
}

__attribute__((visibility("default"))) int hr_capture_free(void* captured) {
  return guarded([&] { delete static_cast<Captured*>(captured); });
}

/// A loader of a data set, and the batch that is held.
struct HrLoader {
  AsyncDataLoader loader;
  std::optional<GPUBatch> batch = {};
};

__attribute__((visibility("default"))) int hr_loader(const char* path, HrLoader** loader) {
  return guarded([&] {
    auto made = std::make_unique<HrLoader>(HrLoader{AsyncDataLoader(
        open_source(path),
        {.batch_size = 100, .memory_manager = session().manager, .output = {DataType::float32}})});
    made->loader.start();
    *loader = made.release();
  });
}

/// The next batch for `stream`: its inputs' address and rows, or 0 rows at the end.
__attribute__((visibility("default"))) int hr_next(HrLoader* loader,
                                                   std::uint64_t stream,
                                                   std::uint64_t* address,
                                                   std::int64_t* elements) {
  return guarded([&] {
    loader->batch = loader->loader.get_batch(adopted(stream));
    *elements =
        loader->batch ? static_cast<std::int64_t>(loader->batch->input_tensor.size_bytes() / 4) : 0;
    *address = loader->batch ? loader->batch->input_tensor.native_handle().value : 0;
  });
}

__attribute__((visibility("default"))) int hr_loader_free(HrLoader* loader) {
  return guarded([&] { delete loader; });
}

}  // extern "C"
