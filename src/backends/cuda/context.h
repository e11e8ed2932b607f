// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/cuda/coefficients.h"
#include "backends/cuda/driver.h"
#include "backends/cuda/event_pool.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/nvtx_memory.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace headrace::cuda {

/// A device's primary context, retained.
class PrimaryContext {
 public:
  PrimaryContext(const Driver& driver, CUdevice device) noexcept
      : driver_(driver), device_(device) {}
  PrimaryContext(const PrimaryContext&) = delete;
  PrimaryContext& operator=(const PrimaryContext&) = delete;
  ~PrimaryContext();

  CUresult retain() noexcept { return driver_.cuDevicePrimaryCtxRetain(&handle_, device_); }
  [[nodiscard]] CUcontext get() const noexcept { return handle_; }

 private:
  const Driver& driver_;
  const CUdevice device_;
  CUcontext handle_ = nullptr;
};

/// The primary context of a device, and what its streams share. Design: docs/design/017-cuda.md.
///
/// Threads: safe from any thread. Calls that need it current say so; `Entered` makes it current.
class Context {
 public:
  /// \throws Error  as the driver says; `device_lost` when others hold the context and it is lost.
  Context(const Driver& driver, CUdevice device, DeviceInfo info);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  [[nodiscard]] const Driver& driver() const noexcept { return driver_; }
  [[nodiscard]] const DeviceInfo& info() const noexcept { return info_; }
  [[nodiscard]] CUcontext handle() const noexcept { return primary_.get(); }

  /// Turns what the driver's `call` returned into an Error, unless it is success.
  void check(CUresult result, const char* call) {
    if (result != CUDA_SUCCESS) [[unlikely]] {
      fail(result, call);
    }
  }
  [[noreturn]] void fail(CUresult result, const char* call);
  /// The same for a call that named something of `peer`'s too: whichever of the two can do no more
  /// is lost. Null: there was nothing of anybody else's.
  void check(CUresult result, const char* call, Context* peer) {
    if (result != CUDA_SUCCESS) [[unlikely]] {
      (peer != nullptr && peer->is_broken() ? *peer : *this).fail(result, call);
    }
  }
  /// Takes note of a result after which the context can do no more.
  void note(CUresult result) noexcept {
    if (is_fatal(result)) {
      is_lost_.store(true, std::memory_order_relaxed);
    }
  }

  [[nodiscard]] bool is_lost() const noexcept { return is_lost_.load(std::memory_order_relaxed); }
  /// \throws Error  `device_lost` once a call has said that the context can do no more.
  void require_alive() const;

  EventPool& markers() noexcept { return markers_; }
  EventPool& timed_events() noexcept { return timed_events_; }
  Kernels& kernels() noexcept { return kernels_; }
  Coefficients& coefficients() noexcept { return coefficients_; }
  /// A tool that is told what pools hand out, or null.
  [[nodiscard]] NvtxMemory* nvtx_memory() const noexcept { return nvtx_memory_.get(); }

  /// Has copies by this device's streams go straight to `peer`'s memory and from it, where there is
  /// a way; where there is none the driver takes them through the host. The context is current.
  /// \throws Error  `device_lost`.
  void open_way_to(const std::shared_ptr<Context>& peer);

  /// A stream for the backend's own purposes, on which nothing runs. The context is current.
  CUstream take_stream();
  void give_back(CUstream stream) noexcept;

 private:
  /// Asks the driver whether the context can do no more.
  bool is_broken() noexcept;
  void enable_access_to(Context& peer);

  const Driver& driver_;
  const CUdevice device_;
  const DeviceInfo info_;
  PrimaryContext primary_;  // Outlives what is below, which belongs to it.
  std::atomic<bool> is_lost_{false};
  EventPool markers_{*this, EventPool::Kind::marker};
  EventPool timed_events_{*this, EventPool::Kind::timed};
  Kernels kernels_{*this};
  Coefficients coefficients_{*this};
  std::unique_ptr<NvtxMemory> nvtx_memory_;
  std::mutex mutex_;
  std::vector<CUstream> idle_streams_;  // guarded by mutex_; room for all
  std::size_t streams_ = 0;             // guarded by mutex_; made so far
  std::mutex peers_mutex_;
  std::vector<std::weak_ptr<Context>> peers_;  // guarded by peers_mutex_; that were asked about
};

/// Makes a context current on this thread, and this thread's calls harmless to captures that go on
/// elsewhere in the process, until the end of the scope.
class Entered {
 public:
  explicit Entered(const Context& context) noexcept;
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
  ~Entered();

 private:
  const Driver& driver_;
  bool is_pushed_ = false;
  bool is_exchanged_ = false;
  CUstreamCaptureMode mode_ = CU_STREAM_CAPTURE_MODE_RELAXED;
};

/// One of a context's own streams, for as long as it is in scope.
class BorrowedStream {
 public:
  explicit BorrowedStream(Context& context) : context_(context), stream_(context.take_stream()) {}
  BorrowedStream(const BorrowedStream&) = delete;
  BorrowedStream& operator=(const BorrowedStream&) = delete;
  ~BorrowedStream() { context_.give_back(stream_); }
  [[nodiscard]] CUstream get() const noexcept { return stream_; }

 private:
  Context& context_;
  CUstream stream_;
};

}  // namespace headrace::cuda
