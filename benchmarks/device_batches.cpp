// SPDX-License-Identifier: Apache-2.0
// Batches of 64 copies of 64 KiB on the device, as one submission of a CommandBufferPool: from the
// call until it returns, and until the device is done. Medians; devices take turns.
//
// usage: headrace_device_batches DEVICE...
#include "headrace/headrace.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace headrace;

constexpr int kOperations = 64;
constexpr std::int64_t kBytes = 64 << 10;
constexpr int kWarmUps = 20;
constexpr int kRounds = 300;

/// Half of the batches are of the same tensors each time, the others of two sets in turns.
class Contender {
 public:
  explicit Contender(const std::string& spec)
      : device_(open_device(spec)), manager_(device_), pool_(device_.make_stream(), 4) {
    for (std::vector<Tensor>* tensors : {&from_, &to_, &other_to_}) {
      for (int i = 0; i < kOperations; ++i) {
        tensors->emplace_back(manager_, Shape{kBytes}, DataType::uint8);
      }
    }
  }

  void run(int round) {
    measure(to_, same_, round);
    measure(round % 2 == 0 ? other_to_ : to_, changing_, round);
  }

  void print() {
    fmt::print(
        "{:<10} the same tensors: {:6.1f} us to submit, {:6.1f} us in all; others in turns: "
        "{:6.1f}, {:6.1f}\n",
        device_.info().spec,
        median(same_.submitted),
        median(same_.done),
        median(changing_.submitted),
        median(changing_.done));
  }

 private:
  struct Times {
    std::vector<double> submitted;
    std::vector<double> done;
  };

  static double median(std::vector<double>& microseconds) {
    std::ranges::sort(microseconds);
    return microseconds[microseconds.size() / 2];
  }

  void measure(const std::vector<Tensor>& to, Times& times, int round) {
    using Clock = std::chrono::steady_clock;
    using Microseconds = std::chrono::duration<double, std::micro>;
    const Clock::time_point begin = Clock::now();
    CommandBuffer commands = pool_.get_buffer();
    for (std::size_t i = 0; i < kOperations; ++i) {
      commands.copy(from_[i], to[i]);
    }
    const Completion completion = pool_.execute_async(std::move(commands));
    const Clock::time_point submitted = Clock::now();
    completion.wait();
    if (round >= 0) {
      times.submitted.push_back(Microseconds(submitted - begin).count());
      times.done.push_back(Microseconds(Clock::now() - begin).count());
    }
  }

  Device device_;
  MemoryManager manager_;
  CommandBufferPool pool_;
  std::vector<Tensor> from_;
  std::vector<Tensor> to_;
  std::vector<Tensor> other_to_;
  Times same_;
  Times changing_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: headrace_device_batches DEVICE...\n");
    return 2;
  }
  try {
    std::vector<std::unique_ptr<Contender>> all;
    for (int i = 1; i < argc; ++i) {
      all.push_back(std::make_unique<Contender>(argv[i]));
    }
    for (int round = -kWarmUps; round < kRounds; ++round) {
      for (const auto& contender : all) {
        contender->run(round);
      }
    }
    for (const auto& contender : all) {
      contender->print();
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "headrace_device_batches: {}\n", error.what());
    return 1;
  }
}
