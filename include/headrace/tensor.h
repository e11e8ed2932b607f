// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"
#include "headrace/device_type.h"
#include "headrace/export.h"
#include "headrace/host_registration.h"
#include "headrace/memory_manager.h"
#include "headrace/native_handle.h"
#include "headrace/shape.h"
#include "headrace/stream.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace headrace {

namespace core {
class Storage;
struct TensorAccess;
}  // namespace core

/// A dense array in device memory, elements in row-major order.
///
/// A cheap shared value: copies, `clone`, `retain`, `reshape` and `slice` share the storage, whose
/// buffer goes back to its pool with the last of them. Order: the storage knows the work that last
/// wrote it and the work that reads it; every operation of the library on it runs after those,
/// whatever streams they are on. Work launched through a native handle is known after `record_use`.
/// Threads: safe from any thread; two operations that both write, or one that writes while another
/// reads, must be ordered by the caller.
class HEADRACE_EXPORT Tensor {
 public:
  /// Empty: no storage, no elements.
  Tensor();

  /// A tensor of the global memory manager's; its elements are not set.
  ///
  /// \throws Error  `invalid_argument` when there is no such manager or the size overflows; else as
  ///                `MemoryManager::get_buffer`.
  Tensor(Shape shape, DataType dtype, DeviceType device_type = DeviceType::gpu);

  /// A tensor whose memory comes from `manager`; its elements are not set.
  ///
  /// \param stream  Stream that uses it first.
  /// \throws Error  `invalid_argument` when the size overflows; else as
  /// `MemoryManager::get_buffer`.
  Tensor(MemoryManager manager,
         Shape shape,
         DataType dtype,
         DeviceType device_type = DeviceType::gpu,
         const Stream& stream = {});

  /// Another tensor on the same storage.
  [[nodiscard]] Tensor clone() const;
  /// Another tensor on the same storage; the same as `clone`.
  [[nodiscard]] Tensor retain() const;
  /// A tensor with storage of its own and the same elements, copied on `stream`.
  [[nodiscard]] Tensor deep_copy(const Stream& stream = {}) const;
  /// Lets go of the storage; afterwards this is empty.
  void release() noexcept;
  /// Tensors that share the storage; 0 when empty.
  [[nodiscard]] int ref_count() const noexcept;

  /// The elements as `dtype`, converted on the device by the rules of docs/design/002-numerics.md:
  /// one rounding, to nearest even; to integers toward zero, saturating, NaN to 0. The same type
  /// shares the storage.
  ///
  /// Order: runs on `stream`; the host does not wait.
  [[nodiscard]] Tensor convert_to(DataType dtype, const Stream& stream = {}) const;

  /// The same elements in another shape. \throws Error  `invalid_argument` when the counts differ.
  [[nodiscard]] Tensor reshape(Shape shape) const;

  /// Rows `begin` to `end` (excluded) of the first dimension, sharing the storage.
  ///
  /// \throws Error  `invalid_argument` unless 0 <= begin <= end <= the first extent.
  [[nodiscard]] Tensor slice(std::int64_t begin, std::int64_t end) const;

  /// Copies `elements` into this tensor.
  ///
  /// Waits: until the host has read `elements` and, where it writes the device's memory in place,
  /// until earlier work on this tensor is done.
  /// Large ones go in chunks, which a few threads of the device's copy; see
  /// docs/design/005-command-buffers.md.
  /// \throws Error  `invalid_argument` when the element type is not `dtype()` or the count is not
  ///                this tensor's; nothing is changed. What a call of the device fails with: a
  ///                tensor of several chunks may then be written in part.
  template <std::ranges::contiguous_range R>
  void copy_from(const R& elements) {
    using T = std::ranges::range_value_t<R>;
    static_assert(Element<T>, "Headrace has no DataType for this element type");
    copy_from_host(
        std::as_bytes(std::span(std::ranges::data(elements), std::ranges::size(elements))),
        data_type_of<T>);
  }

  /// Copies `source`'s elements into this tensor, on `stream`: one of this tensor's device or of
  /// `source`'s; `Stream{}` is the former's.
  ///
  /// Order: the host does not wait, also between two devices that reach each other, as all of
  /// `cuda` do. Between others the copy goes through the host, which waits.
  /// \throws Error  `invalid_argument` when type or shape differ, or `stream` is of a third device;
  ///                nothing is changed. `device_lost`, also when `source`'s device is.
  void copy_from(const Tensor& source, const Stream& stream = {});

  /// Copies bytes of `source`, as many as this tensor has, from `offset` on, directly: in one copy
  /// of the device's, or where the host sees this tensor's memory by the host.
  ///
  /// Waits: until they are copied.
  /// \throws Error  `invalid_argument` when `source` is empty, of another device or too short, or
  ///                the device's default stream is captured; nothing is changed. What the copy
  ///                fails with.
  void copy_from(const HostRegistration& source, std::size_t offset = 0);

  /// Copies the elements to `offset` of `target`, likewise. Waits: until they are there.
  ///
  /// Throws what the last copy, transfer or conversion into the tensor's storage failed with.
  /// \throws Error  as `copy_from`; `invalid_argument` also when `target` is for reading alone.
  void copy_to(const HostRegistration& target, std::size_t offset = 0) const;

  /// The elements, on the host. Waits: until work that writes this tensor is done.
  ///
  /// Throws what the last copy, transfer or conversion into the tensor's storage failed with.
  /// \throws Error  `invalid_argument` when `T` is not the type of the elements.
  template <class T>
  [[nodiscard]] std::vector<T> to_vector() const {
    static_assert(Element<T>, "Headrace has no DataType for this element type");
    if constexpr (std::is_same_v<T, bool>) {
      const std::vector<std::byte> bytes = to_bytes(DataType::boolean);
      std::vector<bool> values(bytes.size());
      std::transform(bytes.begin(), bytes.end(), values.begin(), [](std::byte b) {
        return b != std::byte{0};
      });
      return values;
    } else {
      const std::size_t count = element_count_of(data_type_of<T>);
      std::vector<T> values;
      values.reserve(count);
      touch_host(values.data(), count * sizeof(T));
      values.resize(count);
      copy_to_host(std::as_writable_bytes(std::span(values)));
      return values;
    }
  }

  /// Says that work submitted to `stream` so far reads or writes this tensor.
  ///
  /// \throws Error  `invalid_argument` when `stream` is of a device that this one does not reach;
  ///                `device_lost`.
  void record_use(const Stream& stream) const;

  /// Address or buffer object of the first element, for work of the caller's own on a stream that
  /// waits for this tensor's; see `wait_on`.
  [[nodiscard]] NativeHandle native_handle() const;

  /// Makes `stream` wait for the work that uses this tensor, before work of the caller's own.
  ///
  /// \throws Error  as `record_use`; `invalid_argument` for a stream that is being captured.
  void wait_on(const Stream& stream) const;

  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] DataType dtype() const noexcept { return dtype_; }
  [[nodiscard]] DeviceType device_type() const noexcept;
  /// Bytes of the elements.
  [[nodiscard]] std::size_t size_bytes() const noexcept { return size_bytes_; }
  /// "Tensor [2, 3] float32 gpu on cuda:0, 24 bytes".
  [[nodiscard]] std::string to_string() const;
  /// False when empty.
  explicit operator bool() const noexcept { return storage_ != nullptr; }

 private:
  friend struct core::TensorAccess;

  void copy_from_host(std::span<const std::byte> bytes, DataType dtype);
  void copy_to_host(std::span<std::byte> bytes) const;
  /// Makes new host memory, which has no elements yet, quick to fill.
  void touch_host(void* place, std::size_t bytes) const;
  [[nodiscard]] std::vector<std::byte> to_bytes(DataType dtype) const;
  [[nodiscard]] std::size_t element_count_of(DataType dtype) const;

  std::shared_ptr<core::Storage> storage_;
  std::size_t offset_bytes_ = 0;
  std::size_t size_bytes_ = 0;
  Shape shape_{0};
  DataType dtype_ = DataType::float32;
};

}  // namespace headrace
