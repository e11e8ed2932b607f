// SPDX-License-Identifier: Apache-2.0
/// \file
/// Opt-in: not part of `headrace.h`. A MemoryManager as a memory resource of libcu++, where CUDA's
/// `<cuda/memory_resource>` is in the include path; empty where it is not. Before CCCL 3.1 that
/// header is experimental: define LIBCUDACXX_ENABLE_EXPERIMENTAL_MEMORY_RESOURCE for the program.
#pragma once

#if __has_include(<cuda/memory_resource>)

#include "headrace/device.h"
#include "headrace/error.h"
#include "headrace/memory_manager.h"
#include "headrace/native_handle.h"
#include "headrace/stream.h"

#include <cuda/memory_resource>
#include <cuda/stream_ref>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#if CCCL_VERSION < 3001000 && !defined(LIBCUDACXX_ENABLE_EXPERIMENTAL_MEMORY_RESOURCE)
#error "Define LIBCUDACXX_ENABLE_EXPERIMENTAL_MEMORY_RESOURCE to use cuda_memory_resource.h."
#endif

namespace headrace {

/// The `gpu` memory of a MemoryManager for code that takes a `cuda::mr` resource.
///
///     DeviceMemoryResource memory(manager);  // of a cuda device
///     void* rows = memory.allocate(stream, bytes);
///     kernel<<<grid, block, 0, stream>>>(rows);
///     memory.deallocate(stream, rows, bytes);
///
/// A cheap shared value; copies, and all resources of one manager, are equal: memory of one may go
/// back through another.
/// Order: memory is ready for the stream it is allocated on, and goes back as used by the work so
/// far of that stream and of the one it is deallocated on. The null stream is the device's default
/// stream, the legacy one, as `cudaStreamLegacy` is: also in code built with --default-stream
/// per-thread. `cudaStreamPerThread` means another stream on every thread and is refused. What is
/// deallocated on another stream than it was allocated on may still be used by the first one, too:
/// work on both comes before the next use.
///
/// Waits: `allocate_sync`, for earlier uses of the memory; else as `MemoryManager::get_buffer`.
///
/// Life: holds a handle of the manager. Streams stay known, so that memory is reused in their order
/// without a wait: each must live until it is given to `forget`, or until the last copy is gone,
/// and until what was allocated on it is deallocated.
///
/// Threads: safe from any thread.
/// Fork: in a child of the process that made it, allocation throws `unsupported` and deallocation
/// does nothing; see Device.
class DeviceMemoryResource {
 public:
  /// Of every address, and the most that can be asked for.
  static constexpr std::size_t kAlignment = 256;

  /// \throws Error  `invalid_argument` for no manager; `device_lost`.
  explicit DeviceMemoryResource(MemoryManager manager)
      : manager_(std::move(manager)),
        sync_stream_(manager_.device().make_stream()),
        streams_(std::make_shared<Streams>()) {
    // So that it is there when the device is lost.
    static_cast<void>(manager_.device().default_stream());
  }

  /// Takes memory that work submitted to `stream` from now on may use.
  ///
  /// \param bytes  0 gives null and takes nothing.
  /// \throws Error  As `MemoryManager::allocate_buffer`; `invalid_argument` for an alignment that
  ///                is no power of two or above `kAlignment`, and for `cudaStreamPerThread`; as
  ///                `Device::adopt_stream`.
  [[nodiscard]] void* allocate(cuda::stream_ref stream,
                               std::size_t bytes,
                               std::size_t alignment = kAlignment) {
    require_alignment(alignment);
    return manager_.allocate_buffer(bytes, adopted(stream));
  }

  /// Gives memory back, used by what `stream` has been given so far; null is ignored.
  ///
  /// On a lost device and in a child of fork() as everywhere: never an error. Else a failure ends
  /// the program with the text of its Error: a pointer that the manager did not give or has back,
  /// `cudaStreamPerThread`, or a stream whose marker fails.
  void deallocate(cuda::stream_ref stream,
                  void* pointer,
                  std::size_t /*bytes*/,
                  std::size_t /*alignment*/ = kAlignment) noexcept {
    unless_lost([&] { release(pointer, stream); });
  }

  /// Takes memory that any stream, and the host, may use at once.
  ///
  /// \throws Error  As `allocate`.
  [[nodiscard]] void* allocate_sync(std::size_t bytes, std::size_t alignment = kAlignment) {
    require_alignment(alignment);
    void* const pointer = manager_.allocate_buffer(bytes, sync_stream_);
    if (pointer == nullptr) {
      return nullptr;
    }
    try {
      // Nothing runs there but waits for the memory's earlier uses.
      sync_stream_.synchronize();
    } catch (...) {
      deallocate_sync(pointer, bytes);
      throw;
    }
    return pointer;
  }

  /// Gives memory back that no work uses any more, but work of the stream it was allocated on; null
  /// is ignored. Failures as those of `deallocate`.
  void deallocate_sync(void* pointer,
                       std::size_t /*bytes*/,
                       std::size_t /*alignment*/ = kAlignment) noexcept {
    unless_lost([&] { manager_.release_buffer(pointer); });
  }

#if CCCL_VERSION < 3001000
  // What CCCL called the four before 3.1.
  [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment = kAlignment) {
    return allocate_sync(bytes, alignment);
  }
  void deallocate(void* pointer, std::size_t bytes, std::size_t alignment = kAlignment) noexcept {
    deallocate_sync(pointer, bytes, alignment);
  }
  [[nodiscard]] void* allocate_async(std::size_t bytes,
                                     std::size_t alignment,
                                     cuda::stream_ref stream) {
    return allocate(stream, bytes, alignment);
  }
  void deallocate_async(void* pointer,
                        std::size_t bytes,
                        std::size_t alignment,
                        cuda::stream_ref stream) noexcept {
    deallocate(stream, pointer, bytes, alignment);
  }
#endif

  /// Lets go of a stream that is about to be destroyed. One that is not known is ignored.
  void forget(cuda::stream_ref stream) noexcept {
    Stream last;  // Goes when the lock is no longer held.
    unless_lost([&] {
      static_cast<void>(manager_.device().default_stream());  // As in `adopted`.
      const std::scoped_lock lock(streams_->mutex);
      if (auto node = streams_->adopted.extract(stream.get()); !node.empty()) {
        last = std::move(node.mapped());
      }
    });
  }

  /// The manager that gives the memory.
  [[nodiscard]] const MemoryManager& manager() const noexcept {
    return manager_;
  }

  friend bool operator==(const DeviceMemoryResource& a, const DeviceMemoryResource& b) noexcept {
    return a.manager_ == b.manager_;
  }
  friend void get_property(const DeviceMemoryResource& /*resource*/,
                           cuda::mr::device_accessible /*property*/) noexcept {}

 private:
  struct Streams {
    std::mutex mutex;
    std::unordered_map<cudaStream_t, Stream> adopted;
  };

  static void require_alignment(std::size_t alignment) {
    if (alignment == 0 || alignment > kAlignment || (alignment & (alignment - 1)) != 0) {
      throw Error(ErrorCode::invalid_argument,
                  "An alignment of " + std::to_string(alignment) +
                      " bytes was asked of a DeviceMemoryResource; it must be a power of two, at "
                      "most " +
                      std::to_string(kAlignment) + ".");
    }
  }

  Stream adopted(cuda::stream_ref stream) {
    // Before the lock: in a child of fork() it throws, and the lock may be held by nobody.
    Stream default_stream = manager_.device().default_stream();
    if (stream.get() == nullptr || stream.get() == cudaStreamLegacy) {
      return default_stream;
    }
    if (stream.get() == cudaStreamPerThread) {
      throw Error(
          ErrorCode::invalid_argument,
          "A DeviceMemoryResource was given cudaStreamPerThread, which is another stream on "
          "every thread; make a stream and name that.");
    }
    const std::scoped_lock lock(streams_->mutex);
    Stream& known = streams_->adopted[stream.get()];
    if (!known) {
      const auto value = reinterpret_cast<std::uintptr_t>(stream.get());
      known = manager_.device().adopt_stream({HandleKind::stream, value, 0});
    }
    return known;
  }

  void release(void* pointer, cuda::stream_ref stream) {
    Stream user;
    if (pointer != nullptr) {
      unless_lost([&] { user = adopted(stream); });
      manager_.release_buffer(pointer, user);
    }
  }

  // Where nothing runs any more, no marker is needed either, and the memory is back all the same.
  template <class Call>
  static void unless_lost(const Call& call) {
    try {
      call();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::device_lost && error.code() != ErrorCode::unsupported) {
        throw;
      }
    }
  }

  MemoryManager manager_;
  Stream sync_stream_;
  std::shared_ptr<Streams> streams_;
};

#if CCCL_VERSION < 3001000
static_assert(cuda::mr::async_resource_with<DeviceMemoryResource, cuda::mr::device_accessible>);
#else
static_assert(cuda::mr::resource_with<DeviceMemoryResource, cuda::mr::device_accessible>);
static_assert(
    cuda::mr::synchronous_resource_with<DeviceMemoryResource, cuda::mr::device_accessible>);
#endif

}  // namespace headrace

#endif  // __has_include(<cuda/memory_resource>)
