// SPDX-License-Identifier: Apache-2.0
#include "headrace/backend.h"
#include "headrace/device.h"
#include "headrace/error.h"

#include "core/access.h"
#include "registry/table.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace headrace {

namespace {

/// The backends of this process and the devices that are open. Never destroyed: devices in static
/// objects may outlive any order of destruction.
class Registry {
 public:
  static Registry& instance() {
    static auto* registry = new Registry;
    return *registry;
  }

  void add(std::unique_ptr<Backend> backend) {
    if (!backend || backend->name().empty()) {
      throw Error(ErrorCode::invalid_argument,
                  "register_backend was given no backend, or no name.");
    }
    const std::scoped_lock lock(mutex_);
    for (const std::unique_ptr<Backend>& known : backends_) {
      if (known->name() == backend->name()) {
        throw Error(ErrorCode::invalid_argument,
                    "A backend named '" + std::string(backend->name()) + "' is there already.");
      }
    }
    backends_.push_back(std::move(backend));
  }

  std::vector<DeviceInfo> devices() {
    const std::scoped_lock lock(mutex_);
    return devices_locked();
  }

  Device open(std::string_view spec) {
    const std::scoped_lock lock(mutex_);
    const DeviceInfo info = find_locked(spec);
    std::weak_ptr<core::DeviceState>& known = open_[info.spec];
    std::shared_ptr<core::DeviceState> state = known.lock();
    if (!state) {
      const auto backend = std::ranges::find_if(
          backends_, [&info](const auto& b) { return b->name() == info.backend; });
      state = std::make_shared<core::DeviceState>((*backend)->open(info.index));
      known = state;
    }
    return core::DeviceAccess::make(std::move(state));
  }

 private:
  Registry() : backends_(registry::make_builtin_backends()) {}

  std::vector<DeviceInfo> devices_locked() {
    std::vector<DeviceInfo> all;
    for (const std::unique_ptr<Backend>& backend : backends_) {
      for (DeviceInfo& info : backend->devices()) {
        info.backend = backend->name();
        all.push_back(std::move(info));
      }
    }
    std::ranges::sort(all, [](const DeviceInfo& a, const DeviceInfo& b) {
      const auto rank = [](const DeviceInfo& info) {
        const std::uint64_t bytes = info.is_gpu ? info.total_bytes : 0;
        return std::tuple(!info.is_gpu, std::numeric_limits<std::uint64_t>::max() - bytes);
      };
      return std::tuple_cat(rank(a), std::tie(a.backend, a.index)) <
             std::tuple_cat(rank(b), std::tie(b.backend, b.index));
    });
    return all;
  }

  DeviceInfo find_locked(std::string_view spec) {
    const std::vector<DeviceInfo> all = devices_locked();
    std::string known;
    for (const DeviceInfo& info : all) {
      const std::string numbered = info.backend + ":" + std::to_string(info.index);
      if (spec == "auto" || spec == info.spec || spec == numbered ||
          (spec == info.backend && info.index == 0)) {
        return info;
      }
      known += (known.empty() ? "" : ", ") + info.spec;
    }
    throw Error(ErrorCode::invalid_argument,
                "There is no device '" + std::string(spec) + "'; there are: " + known + ".");
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Backend>> backends_;                // guarded by mutex_
  std::map<std::string, std::weak_ptr<core::DeviceState>> open_;  // guarded by mutex_
};

}  // namespace

void register_backend(std::unique_ptr<Backend> backend) {
  Registry::instance().add(std::move(backend));
}

std::vector<DeviceInfo> list_devices() {
  return Registry::instance().devices();
}

Device open_device(std::string_view spec) {
  return Registry::instance().open(spec);
}

}  // namespace headrace
