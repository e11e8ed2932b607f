// SPDX-License-Identifier: Apache-2.0
#include "headrace/backend.h"

#include "headrace/error.h"

#include "backends/vulkan/device.h"
#include "backends/vulkan/driver.h"
#include "backends/vulkan/facts.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace headrace::vulkan {

namespace {

/// What Vulkan is to one process. A child of a fork begins with another one.
struct Process {
  pid_t id = getpid();
  std::unique_ptr<const Driver> driver = Driver::open();
  std::map<int, std::shared_ptr<Context>> contexts = {};
};

class Vulkan final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "vulkan"; }

  std::vector<DeviceInfo> devices() override {
    std::vector<DeviceInfo> all;
    for (const Facts& facts : known()) {
      all.push_back(facts.info);
    }
    return all;
  }

  /// Devices stay open for the life of the process, for opening one takes long. One that is lost
  /// and has no user left is given up for a new one.
  std::shared_ptr<BackendDevice> open(int index) override {
    const std::vector<Facts> all = known();
    std::shared_ptr<Context>& context = process_->contexts[index];
    if (context && context->is_lost() && context.use_count() == 1) {
      context.reset();
    }
    if (!context) {
      if (static_cast<std::size_t>(index) >= all.size()) {
        throw Error(ErrorCode::device_lost, "vulkan:" + std::to_string(index) + " is gone.");
      }
      context = std::make_shared<Context>(*process_->driver, all[static_cast<std::size_t>(index)]);
    }
    return std::make_shared<Device>(context);
  }

 private:
  std::vector<Facts> known() {
    if (!process_ || process_->id != getpid()) {
      process_ = new Process;  // The parent's, if there is one, is left as it is.
    }
    return process_->driver ? Facts::all(*process_->driver) : std::vector<Facts>();
  }

  Process* process_ = nullptr;  // Never destroyed: threads of drivers outlive static objects.
};

}  // namespace

std::unique_ptr<Backend> make_backend() {
  return std::make_unique<Vulkan>();
}

}  // namespace headrace::vulkan
