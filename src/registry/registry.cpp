// SPDX-License-Identifier: Apache-2.0
#include "headrace/backend.h"
#include "headrace/device.h"
#include "headrace/error.h"

#include "core/access.h"
#include "core/process.h"
#include "registry/device_order.h"
#include "registry/table.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace headrace {

namespace {

/// The backends of this process and the devices that are open. Never destroyed: devices in static
/// objects may outlive any order of destruction. Fork: a child has the backends and no device.
///
/// Lock order: `calls_`, which is held while a backend is called, before the tables' mutex.
class Registry {
 public:
  static Registry& instance() {
    static constinit Registry* registry = nullptr;
    const std::scoped_lock lock(core::tables_mutex());
    if (registry == nullptr) {
      registry = new Registry;
    }
    return *registry;
  }

  void add(std::unique_ptr<Backend> backend) {
    if (!backend || backend->name().empty()) {
      throw Error(ErrorCode::invalid_argument,
                  "register_backend was given no backend, or no name.");
    }
    const std::scoped_lock lock(core::tables_mutex());
    for (const std::shared_ptr<Backend>& known : backends_) {
      if (known->name() == backend->name()) {
        throw Error(ErrorCode::invalid_argument,
                    "A backend named '" + std::string(backend->name()) + "' is there already.");
      }
    }
    backends_.push_back(std::move(backend));
  }

  std::vector<DeviceInfo> devices() {
    const std::shared_ptr<std::mutex> calls = calls_of_this_process();
    const std::scoped_lock lock(*calls);
    return all_devices();
  }

  Device open(std::string_view spec) {
    const std::shared_ptr<std::mutex> calls = calls_of_this_process();
    const std::scoped_lock lock(*calls);
    const DeviceInfo info = find(spec);
    std::shared_ptr<core::DeviceState> state = known(info);
    if (!state) {
      const auto all = backends();
      const auto backend =
          std::ranges::find_if(all, [&info](const auto& b) { return b->name() == info.backend; });
      state = core::make_shared_here<core::DeviceState>((*backend)->open(info.index));
      const std::scoped_lock tables(core::tables_mutex());
      open_[info.spec] = state;
    }
    return core::DeviceAccess::make(std::move(state));
  }

 private:
  Registry() {
    std::vector<std::unique_ptr<Backend>> builtin = registry::make_builtin_backends();
    for (std::unique_ptr<Backend>& backend : builtin) {
      backends_.push_back(std::move(backend));
    }
  }

  /// One call of a backend's at a time. A child begins with a mutex of its own, for the parent's
  /// may be held, and with no device open.
  std::shared_ptr<std::mutex> calls_of_this_process() {
    const std::scoped_lock lock(core::tables_mutex());
    if (!process_.is_current()) {
      calls_ = std::make_shared<std::mutex>();
      open_.clear();
      process_ = {};
    }
    return calls_;
  }

  std::vector<std::shared_ptr<Backend>> backends() {
    const std::scoped_lock lock(core::tables_mutex());
    return backends_;
  }

  std::shared_ptr<core::DeviceState> known(const DeviceInfo& info) {
    const std::scoped_lock lock(core::tables_mutex());
    const auto found = open_.find(info.spec);
    return found == open_.end() ? nullptr : found->second.lock();
  }

  static void add_devices(Backend& backend, std::vector<DeviceInfo>& all) {
    for (DeviceInfo& info : backend.devices()) {
      info.backend = backend.name();
      all.push_back(std::move(info));
    }
  }

  /// Those of the built-in table before those that were registered.
  std::vector<DeviceInfo> all_devices() {
    std::vector<DeviceInfo> all;
    for (const std::shared_ptr<Backend>& backend : backends()) {
      add_devices(*backend, all);
    }
    registry::put_best_first(all);
    return all;
  }

  /// Those of the backend that `spec` names; none when it names none.
  std::vector<DeviceInfo> devices_of_named(std::string_view spec) {
    const std::string_view name = spec.substr(0, spec.find(':'));
    std::vector<DeviceInfo> all;
    for (const std::shared_ptr<Backend>& backend : backends()) {
      if (backend->name() == name) {
        add_devices(*backend, all);
      }
    }
    return all;
  }

  static bool is_named(const DeviceInfo& info, std::string_view spec) {
    const std::string numbered = info.backend + ":" + std::to_string(info.index);
    return spec == info.spec || spec == numbered || (spec == info.backend && info.index == 0);
  }

  /// A backend that `spec` does not name is asked only when no device is found without it: its
  /// driver may take long to start.
  DeviceInfo find(std::string_view spec) {
    const auto is_wanted = [spec](const DeviceInfo& info) { return is_named(info, spec); };
    const std::vector<DeviceInfo> named = devices_of_named(spec);
    if (const auto found = std::ranges::find_if(named, is_wanted); found != named.end()) {
      return *found;
    }
    const std::vector<DeviceInfo> all = all_devices();
    if (spec == "auto" && !all.empty()) {
      return all.front();
    }
    if (const auto found = std::ranges::find_if(all, is_wanted); found != all.end()) {
      return *found;
    }
    throw Error(ErrorCode::invalid_argument,
                "There is no device '" + std::string(spec) + "'; " + what_there_is(all));
  }

  /// "there are: host; backends without a device here: cuda, vulkan."
  std::string what_there_is(const std::vector<DeviceInfo>& all) {
    std::string devices;
    for (const DeviceInfo& info : all) {
      devices += (devices.empty() ? "" : ", ") + info.spec;
    }
    std::string without;
    for (const std::shared_ptr<Backend>& backend : backends()) {
      if (std::ranges::find(all, backend->name(), &DeviceInfo::backend) == all.end()) {
        without += (without.empty() ? "" : ", ") + std::string(backend->name());
      }
    }
    return "there are: " + devices +
           (without.empty() ? "." : "; backends without a device here: " + without + ".");
  }

  // All of them guarded by the tables' mutex.
  core::ProcessStamp process_;
  std::shared_ptr<std::mutex> calls_ = std::make_shared<std::mutex>();
  std::vector<std::shared_ptr<Backend>> backends_;
  std::map<std::string, std::weak_ptr<core::DeviceState>> open_;
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
