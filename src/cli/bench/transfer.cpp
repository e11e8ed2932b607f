// SPDX-License-Identifier: Apache-2.0
// Moving bytes to the device and back, beside one plain copy of pinned memory: the link itself.
#include "headrace/command_buffer.h"
#include "headrace/error.h"
#include "headrace/host_registration.h"
#include "headrace/staging.h"

#include "cli/bench/groups.h"
#include "cli/bench/mapped_npy.h"
#include "cli/files.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace headrace::cli {
namespace {

constexpr std::int64_t kBytes = std::int64_t{64} << 20;
constexpr std::int64_t kChunk = std::int64_t{4} << 20;
constexpr std::int64_t kOperations = 64;
constexpr std::int64_t kOperationBytes = std::int64_t{64} << 10;

/// Records something and waits until the device has done it.
template <class Record>
void run(CommandBufferPool& pool, Record&& record) {
  CommandBuffer commands = pool.get_buffer();
  record(commands);
  pool.execute_async(std::move(commands)).wait();
}

/// Registered memory, or none where the device takes no such memory: then what needs it is left
/// out, and the reason said.
HostRegistration registered_if_taken(const std::function<HostRegistration()>& call) {
  try {
    return call();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) {
      throw;
    }
    print_warning(std::string("what copies such memory is left out. ") + error.what());
    return {};
  }
}

/// What all of the group's measurements copy between.
class Ends {
 public:
  explicit Ends(const Bench& bench)
      : pageable(kBytes, 1),
        pinned(bench.memory, {kBytes}, DataType::uint8, DeviceType::cpu),
        target(bench.memory, {kBytes}, DataType::uint8),
        commands(bench.device.make_stream(), 2),
        staging(bench.memory, 4, kChunk),
        file(kBytes),
        registered(registered_if_taken([&] { return bench.device.register_host(file.bytes()); })),
        own(kBytes, 1),
        registered_own(registered_if_taken([&] {
          return bench.device.register_host_writable(std::as_writable_bytes(std::span(own)));
        })) {
    run(commands, [&](CommandBuffer& buffer) {
      buffer.fill(pinned, 1);
      buffer.fill(target, 1);
    });
  }

  /// Copies `count` pieces of `bytes` bytes each.
  void copy_pieces(CommandBuffer& buffer, std::int64_t begin, std::int64_t count) const {
    for (std::int64_t i = begin; i < begin + count; ++i) {
      const std::int64_t at = i * kOperationBytes;
      buffer.copy(pinned.slice(at, at + kOperationBytes), target.slice(at, at + kOperationBytes));
    }
  }

  /// Ships staging buffers that somebody has filled: nothing is copied on the host.
  void ship_filled() {
    std::vector<Completion> pending;
    for (std::int64_t at = 0; at < kBytes; at += kChunk) {
      pending.push_back(
          staging.transfer_to_gpu(staging.get_buffer(), target.slice(at, at + kChunk)));
    }
    std::ranges::for_each(pending, [](const Completion& copy) { copy.wait(); });
  }

  std::vector<std::uint8_t> pageable;
  Tensor pinned;
  Tensor target;
  CommandBufferPool commands;
  StagingBufferPool staging;
  MappedNpy file;
  HostRegistration registered;
  std::vector<std::uint8_t> own;
  HostRegistration registered_own;
};

template <class Call>
Work repeated(Call call) {
  return [call](std::uint64_t calls) { return time_of(calls, call); };
}

void bench_rates(const Bench& bench, Ends& ends) {
  const auto to_device = [&] {
    run(ends.commands, [&](CommandBuffer& buffer) { buffer.copy(ends.pinned, ends.target); });
  };
  const auto to_host = [&] {
    run(ends.commands, [&](CommandBuffer& buffer) { buffer.copy(ends.target, ends.pinned); });
  };
  const auto pageable = [&] { ends.staging.transfer_to_gpu_sync(ends.pageable, ends.target); };
  const auto read_back = [&] {
    const std::vector<std::uint8_t> values = ends.target.to_vector<std::uint8_t>();
    if (values.size() != static_cast<std::size_t>(kBytes)) {
      throw Error(ErrorCode::internal, "bench: to_vector gave another number of bytes.");
    }
  };
  const auto compare = [&](std::string name, const Work& ours, std::string peer, const Work& link) {
    const std::vector<double> times = seconds_a_call(bench.effort, {ours, link});
    bench.tell({"transfer",
                std::move(name),
                Unit::bytes_per_second,
                kBytes / times[0],
                std::move(peer),
                kBytes / times[1]});
  };
  compare("64 MiB to the device, staged", repeated(pageable), "pinned copy", repeated(to_device));
  compare("64 MiB to the device, in filled buffers",
          repeated([&] { ends.ship_filled(); }),
          "pinned copy",
          repeated(to_device));
  if (ends.registered) {
    compare("64 MiB to the device, a registered .npy",
            repeated([&] {
              ends.staging.transfer_to_gpu(ends.registered, ends.file.begin(), ends.target).wait();
            }),
            "pinned copy",
            repeated(to_device));
  }
  compare("64 MiB to the host, to_vector", repeated(read_back), "pinned copy", repeated(to_host));
  if (ends.registered_own) {
    compare("64 MiB to the host, registered memory",
            repeated([&] { ends.target.copy_to(ends.registered_own); }),
            "pinned copy",
            repeated(to_host));
  }
}

/// What a submission costs: many small operations in one, and one by one.
void bench_batch(const Bench& bench, Ends& ends) {
  const auto together = [&] {
    run(ends.commands, [&](CommandBuffer& buffer) { ends.copy_pieces(buffer, 0, kOperations); });
  };
  const auto one_by_one = [&] {
    for (std::int64_t i = 0; i < kOperations; ++i) {
      run(ends.commands, [&](CommandBuffer& buffer) { ends.copy_pieces(buffer, i, 1); });
    }
  };
  const std::vector<double> times =
      seconds_a_call(bench.effort, {repeated(together), repeated(one_by_one)});
  bench.tell({"transfer",
              "64 copies of 64 KiB, one submission",
              Unit::seconds,
              times[0],
              "a submission each",
              times[1]});
}

/// What it costs to make a mapped file one that the device copies from, and to end that.
void bench_registration(const Bench& bench, Ends& ends) {
  if (!ends.registered) {
    return;
  }
  ends.registered.reset();
  const auto registering = [&] {
    static_cast<void>(bench.device.register_host(ends.file.bytes()));
  };
  const std::vector<double> times = seconds_a_call(bench.effort, {repeated(registering)});
  bench.tell(
      {"transfer", "register and let go 64 MiB of page cache", Unit::seconds, times[0], "", 0});
}

}  // namespace

void bench_transfer(const Bench& bench) {
  Ends ends(bench);
  bench_rates(bench, ends);
  bench_batch(bench, ends);
  bench_registration(bench, ends);
}

}  // namespace headrace::cli
