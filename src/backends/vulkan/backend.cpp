// SPDX-License-Identifier: Apache-2.0
#include "headrace/backend.h"

#include "headrace/error.h"

#include "backends/vulkan/device.h"
#include "backends/vulkan/driver.h"
#include "backends/vulkan/facts.h"

#include <map>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace headrace::vulkan {

namespace {

/// No fork happens while the loader is called: it locks itself, and as it ends in a child it would
/// wait for a thread that is not there.
class LoaderCall {
 public:
  LoaderCall() {
    static const int registered = pthread_atfork(before_fork, after_fork, after_fork);
    static_cast<void>(registered);
    mutex.lock();
    is_here = true;
  }
  LoaderCall(const LoaderCall&) = delete;
  LoaderCall& operator=(const LoaderCall&) = delete;
  ~LoaderCall() {
    is_here = false;
    mutex.unlock();
  }

 private:
  /// Drivers start programs of their own from within a call.
  static void before_fork() {
    if (!is_here) {
      mutex.lock();
    }
  }
  static void after_fork() {
    if (!is_here) {
      mutex.unlock();
    }
  }

  static inline constinit std::mutex mutex;
  static inline constinit thread_local bool is_here = false;
};

/// What Vulkan is to one process. A child of a fork begins with another one.
struct Process {
  pid_t id = getpid();
  std::unique_ptr<const Driver> driver = Driver::open();
  /// The devices there are: the loader is asked once.
  std::vector<Facts> devices = driver ? Facts::all(*driver) : std::vector<Facts>();
  std::map<int, std::shared_ptr<Context>> contexts = {};
};

class Vulkan final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "vulkan"; }

  std::vector<DeviceInfo> devices() override {
    std::vector<DeviceInfo> all;
    for (const Facts& facts : process().devices) {
      all.push_back(facts.info);
    }
    return all;
  }

  /// Devices stay open for the life of the process, for opening one takes long. One that is lost
  /// and has no user left is given up for a new one.
  std::shared_ptr<BackendDevice> open(int index) override {
    const std::vector<Facts>& all = process().devices;
    std::shared_ptr<Context>& context = process_->contexts[index];
    const LoaderCall call;
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
  Process& process() {
    if (process_ == nullptr || process_->id != getpid()) {
      const LoaderCall call;
      process_ = new Process;  // The parent's, if there is one, is left as it is.
    }
    return *process_;
  }

  Process* process_ = nullptr;  // Never destroyed: threads of drivers outlive static objects.
};

}  // namespace

std::unique_ptr<Backend> make_backend() {
  return std::make_unique<Vulkan>();
}

}  // namespace headrace::vulkan
