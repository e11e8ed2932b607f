// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>

namespace headrace::fake_cuda {

/// A number no handle had before, so that one that was destroyed is never taken for another.
std::uintptr_t next_handle();

/// The living objects of one kind, by the handles that programs hold.
template <class Handle, class Object>
class Handles {
 public:
  Handle add(std::shared_ptr<Object> object) {
    const std::uintptr_t handle = next_handle();
    objects_.emplace(handle, std::move(object));
    return reinterpret_cast<Handle>(handle);
  }
  /// Null for a handle that names nothing, or nothing any more.
  [[nodiscard]] std::shared_ptr<Object> find(Handle handle) const {
    const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    return found == objects_.end() ? nullptr : found->second;
  }
  /// \returns The object, which its other users keep; null as `find`.
  std::shared_ptr<Object> remove(Handle handle) {
    const std::shared_ptr<Object> object = find(handle);
    objects_.erase(reinterpret_cast<std::uintptr_t>(handle));
    return object;
  }
  template <class Condition>
  void remove_if(Condition condition) {
    std::erase_if(objects_, [&](const auto& entry) { return condition(*entry.second); });
  }
  [[nodiscard]] int size() const { return static_cast<int>(objects_.size()); }

 private:
  std::map<std::uintptr_t, std::shared_ptr<Object>> objects_;
};

}  // namespace headrace::fake_cuda
