// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"
#include "support/npy_writer.h"
#include "support/temp_dir.h"
#include "support/vulkan_device.h"

#include <cstring>
#include <fcntl.h>
#include <limits>
#include <span>
#include <sys/mman.h>
#include <unistd.h>

// Memory of the caller's own that the device copies from and to directly.

namespace headrace::test {
namespace {

std::vector<std::uint8_t> pattern(std::size_t count, unsigned seed = 0) {
  std::vector<std::uint8_t> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<std::uint8_t>((i + seed) * 2654435761U >> 13);
  }
  return values;
}

std::span<const std::byte> bytes_of(const std::vector<std::uint8_t>& values) {
  return std::as_bytes(std::span(values));
}

/// A `.npy` file of `values`, mapped read-only; its elements begin at `kElements`.
class MappedNpy {
 public:
  static constexpr std::size_t kElements = 128;

  explicit MappedNpy(const std::vector<std::uint8_t>& values) {
    const std::string content =
        npy_file(npy_dictionary("|u1", Shape{static_cast<std::int64_t>(values.size())}),
                 {reinterpret_cast<const char*>(values.data()), values.size()});
    size_ = content.size();
    EXPECT_EQ(size_, kElements + values.size());
    write_file(folder_ / "rows.npy", content);
    const int file = open((folder_ / "rows.npy").c_str(), O_RDONLY | O_CLOEXEC);
    place_ = mmap(nullptr, size_, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    EXPECT_NE(place_, MAP_FAILED);
  }
  MappedNpy(const MappedNpy&) = delete;
  MappedNpy& operator=(const MappedNpy&) = delete;
  ~MappedNpy() { munmap(place_, size_); }

  [[nodiscard]] std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(place_), size_};
  }

 private:
  TempDir folder_;
  void* place_ = nullptr;
  std::size_t size_ = 0;
};

class HostRegistrationTest : public DeviceTest {
 protected:
  static constexpr std::size_t kBytes = 10'000;

  void SetUp() override {
    DeviceTest::SetUp();
    if (GetParam() == "vulkan" && !IsSkipped() && !HasFatalFailure() &&
        !first_vulkan_device().imports_host_memory) {
      GTEST_SKIP() << device_.info().name << " uses no memory of the host's in place";
    }
  }

  [[nodiscard]] Tensor tensor(std::size_t count) const {
    return {manager_, {static_cast<std::int64_t>(count)}, DataType::uint8};
  }
  /// Why the device's driver takes no memory such as `bytes`; empty where it does. NVIDIA's takes
  /// but small ranges, and no mapped files.
  [[nodiscard]] std::string reason_to_skip(std::span<const std::byte> bytes) const {
    if (GetParam() != "vulkan" || device_.info().name.find("NVIDIA") == std::string::npos) {
      return {};
    }
    try {
      static_cast<void>(device_.register_host(bytes));
    } catch (const Error& error) {
      return error.code() == ErrorCode::unsupported ? error.what() : std::string();
    }
    return {};
  }
  /// What registering `bytes` throws.
  [[nodiscard]] std::optional<ErrorCode> refusal(std::span<const std::byte> bytes) const {
    return code_of([&] { static_cast<void>(device_.register_host(bytes)); });
  }
};
HEADRACE_ON_EVERY_DEVICE(HostRegistrationTest);

TEST_P(HostRegistrationTest, AMappedFileArrivesFromAnyOffset) {
  const std::vector<std::uint8_t> values = pattern(3 << 20);
  const MappedNpy file(values);
  if (const std::string reason = reason_to_skip(file.bytes()); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  const HostRegistration registration = device_.register_host(file.bytes());
  EXPECT_EQ(registration.bytes().data(), file.bytes().data());
  EXPECT_EQ(registration.bytes().size(), file.bytes().size());
  EXPECT_EQ(registration.access(), HostAccess::read_only);
  StagingBufferPool staging(manager_, 1, 64);
  const Tensor all = tensor(values.size());
  staging.transfer_to_gpu(registration, MappedNpy::kElements, all).wait();
  EXPECT_EQ(all.to_vector<std::uint8_t>(), values);
  Tensor some = tensor(1001);
  some.copy_from(registration, MappedNpy::kElements + 777);
  EXPECT_EQ(some.to_vector<std::uint8_t>(),
            std::vector<std::uint8_t>(values.begin() + 777, values.begin() + 1778));
}

TEST_P(HostRegistrationTest, TakesNeitherStagingNorBounceBuffers) {
  std::vector<std::uint8_t> values = pattern(5 << 20);
  if (const std::string reason = reason_to_skip(bytes_of(values)); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  const HostRegistration registration =
      device_.register_host_writable(std::as_writable_bytes(std::span(values)));
  StagingBufferPool staging(manager_, 1, 64);
  Tensor target = tensor(values.size());
  const std::uint64_t taken = manager_.stats().hits + manager_.stats().misses;
  staging.transfer_to_gpu(registration, 0, target).wait();
  target.copy_from(registration);
  target.copy_to(registration);
  EXPECT_EQ(manager_.stats().hits + manager_.stats().misses, taken);
  EXPECT_EQ(staging.stats().total_buffers, 0U);
  EXPECT_EQ(staging.stats().transfers, 1U);
  EXPECT_EQ(staging.stats().transferred_bytes, values.size());
  EXPECT_EQ(values, pattern(5 << 20));
}

TEST_P(HostRegistrationTest, TheEndWaitsForTheCopiesOutOfIt) {
  for_each_order([&] {
    std::vector<std::uint8_t> values = pattern(kBytes);
    StagingBufferPool staging(manager_, 1, 64);
    const Stream other = device_.make_stream();
    Tensor target = tensor(kBytes);
    target.copy_from(tensor_of(pattern(kBytes, 5)), other);  // The transfer comes behind it.
    HostRegistration registration = device_.register_host(bytes_of(values));
    const Completion done = staging.transfer_to_gpu(registration, 0, target);
    registration.reset();
    EXPECT_FALSE(registration);
    EXPECT_TRUE(done.is_done());
    std::ranges::fill(values, 0);
    EXPECT_EQ(target.to_vector<std::uint8_t>(), pattern(kBytes));
  });
}

TEST_P(HostRegistrationTest, CopyFromHasReadTheMemoryWhenItReturns) {
  for_each_order([&] {
    std::vector<std::uint8_t> values = pattern(kBytes);
    const HostRegistration registration = device_.register_host(bytes_of(values));
    Tensor target = tensor(kBytes);
    target.copy_from(registration);
    std::ranges::fill(values, 0);
    EXPECT_EQ(target.to_vector<std::uint8_t>(), pattern(kBytes));
  });
}

TEST_P(HostRegistrationTest, CopyToIsThereWhenItReturnsAndBehindTheTensorsWork) {
  for_each_order([&] {
    std::vector<std::uint8_t> values(kBytes, 0);
    const HostRegistration registration =
        device_.register_host_writable(std::as_writable_bytes(std::span(values)));
    EXPECT_EQ(registration.access(), HostAccess::read_write);
    const Tensor source = tensor_of(pattern(kBytes - 20));
    Tensor copy = tensor(kBytes - 20);
    copy.copy_from(source, device_.make_stream());
    copy.copy_to(registration, 10);
    std::vector<std::uint8_t> expected(kBytes, 0);
    std::ranges::copy(pattern(kBytes - 20), expected.begin() + 10);
    EXPECT_EQ(values, expected);
  });
}

TEST_P(HostRegistrationTest, ACopyIntoItComesAfterTheCopiesOutOfIt) {
  for_each_order([&] {
    std::vector<std::uint8_t> values = pattern(kBytes);
    const HostRegistration registration =
        device_.register_host_writable(std::as_writable_bytes(std::span(values)));
    StagingBufferPool staging(manager_, 1, 64);
    const Stream other = device_.make_stream();
    Tensor first = tensor(kBytes);
    first.copy_from(tensor_of(pattern(kBytes, 5)), other);
    const Tensor second = tensor_of(std::vector<std::uint8_t>(kBytes, 9));
    staging.transfer_to_gpu(registration, 0, first);
    second.copy_to(registration);
    EXPECT_EQ(first.to_vector<std::uint8_t>(), pattern(kBytes));
    EXPECT_EQ(values, std::vector<std::uint8_t>(kBytes, 9));
  });
}

TEST_P(HostRegistrationTest, MemoryOfItsOwnKindIsCopiedToo) {
  std::vector<std::uint8_t> values = pattern(kBytes);
  const HostRegistration registration =
      device_.register_host_writable(std::as_writable_bytes(std::span(values)));
  for (const DeviceType type : {DeviceType::cpu, DeviceType::persistent_gpu}) {
    Tensor there(manager_, {500}, DataType::uint8, type);
    there.copy_from(registration, 100);
    there.copy_to(registration, 5000);
    StagingBufferPool staging(manager_, 1, 64);
    const Tensor again(manager_, {500}, DataType::uint8, type);
    staging.transfer_to_gpu(registration, 5000, again).wait();
    EXPECT_EQ(again.to_vector<std::uint8_t>(),
              std::vector<std::uint8_t>(values.begin() + 100, values.begin() + 600));
  }
}

TEST_P(HostRegistrationTest, WhatDoesNotFitIsRefusedAndNothingIsCopied) {
  const std::vector<std::uint8_t> values = pattern(100);
  const HostRegistration registration = device_.register_host(bytes_of(values));
  StagingBufferPool staging(manager_, 1, 64);
  Tensor target = tensor_of(std::vector<std::uint8_t>(60, 7));
  for (const std::size_t offset :
       {std::size_t{41}, std::size_t{101}, std::numeric_limits<std::size_t>::max()}) {
    EXPECT_EQ(code_of([&] { target.copy_from(registration, offset); }),
              ErrorCode::invalid_argument);
    EXPECT_EQ(code_of([&] { staging.transfer_to_gpu(registration, offset, target); }),
              ErrorCode::invalid_argument);
  }
  EXPECT_THAT(text_of([&] { target.copy_from(registration, 41); }),
              testing::HasSubstr("offset 41 of 100 registered bytes"));
  EXPECT_THAT(text_of([&] { target.copy_to(registration); }),
              testing::HasSubstr("registered for reading alone"));
  EXPECT_EQ(code_of([&] { target.copy_from(HostRegistration()); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { target.copy_to(HostRegistration()); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { staging.transfer_to_gpu(HostRegistration(), 0, target); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { Tensor().copy_from(registration); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { staging.transfer_to_gpu(registration, 0, Tensor()); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(staging.stats().transfers, 0U);
  EXPECT_EQ(target.to_vector<std::uint8_t>(), std::vector<std::uint8_t>(60, 7));
  EXPECT_EQ(values, pattern(100));
}

TEST_P(HostRegistrationTest, AnotherDevicesIsRefused) {
  std::vector<std::uint8_t> values = pattern(100);
  const MockDevice other;
  const HostRegistration registration =
      other.device().register_host_writable(std::as_writable_bytes(std::span(values)));
  StagingBufferPool staging(manager_, 1, 64);
  Tensor target = tensor(10);
  EXPECT_EQ(code_of([&] { target.copy_from(registration); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { target.copy_to(registration); }), ErrorCode::invalid_argument);
  EXPECT_THAT(text_of([&] { staging.transfer_to_gpu(registration, 0, target); }),
              testing::HasSubstr("registered with mock"));
}

TEST_P(HostRegistrationTest, ARangeThatOverlapsAnotherIsRefusedUntilThatEnds) {
  std::vector<std::uint8_t> values = pattern(kBytes);
  const auto part = [&](std::size_t begin, std::size_t end) {
    return bytes_of(values).subspan(begin, end - begin);
  };
  HostRegistration middle = device_.register_host(part(4000, 6000));
  for (const auto& [begin, end] : {std::pair(4000, 6000),
                                   std::pair(4500, 5000),
                                   std::pair(3000, 4001),
                                   std::pair(5999, 7000),
                                   std::pair(0, 10'000)}) {
    EXPECT_EQ(refusal(part(begin, end)), ErrorCode::invalid_argument) << begin;
  }
  EXPECT_THAT(text_of([&] { static_cast<void>(device_.register_host(part(4500, 5000))); }),
              testing::HasSubstr("500 bytes at "));
  // Beside it, on the same pages, is no part of it.
  const HostRegistration before = device_.register_host(part(3000, 4000));
  const HostRegistration after = device_.register_host(part(6000, 7000));
  Tensor target = tensor(1000);
  target.copy_from(after);
  EXPECT_EQ(target.to_vector<std::uint8_t>(),
            std::vector<std::uint8_t>(values.begin() + 6000, values.begin() + 7000));
  middle.reset();
  middle = device_.register_host(part(4500, 5000));
  target = tensor(500);
  target.copy_from(middle);
  EXPECT_EQ(target.to_vector<std::uint8_t>(),
            std::vector<std::uint8_t>(values.begin() + 4500, values.begin() + 5000));
}

TEST_P(HostRegistrationTest, BytesAtNoAddressAreRefused) {
  const std::span<const std::byte> nowhere(static_cast<const std::byte*>(nullptr), 400);
  EXPECT_EQ(code_of([&] { static_cast<void>(device_.register_host(nowhere)); }),
            ErrorCode::invalid_argument);
}

TEST_P(HostRegistrationTest, NoBytesAreValid) {
  const HostRegistration registration = device_.register_host({});
  const HostRegistration another = device_.register_host({});
  EXPECT_TRUE(registration);
  EXPECT_TRUE(registration.bytes().empty());
  StagingBufferPool staging(manager_, 1, 64);
  Tensor nothing = tensor(0);
  nothing.copy_from(registration);
  nothing.copy_to(device_.register_host_writable({}));
  EXPECT_TRUE(staging.transfer_to_gpu(registration, 0, nothing).is_done());
  EXPECT_EQ(code_of([&] { tensor(1).copy_from(registration); }), ErrorCode::invalid_argument);
  EXPECT_FALSE(HostRegistration());
  EXPECT_TRUE(HostRegistration().bytes().empty());
  EXPECT_EQ(code_of([] { static_cast<void>(Device().register_host({})); }),
            ErrorCode::invalid_argument);
}

TEST_P(HostRegistrationTest, MovedAndAssignedOnesEndOnce) {
  const std::vector<std::uint8_t> values = pattern(200);
  const auto first_half = bytes_of(values).first(100);
  const auto second_half = bytes_of(values).last(100);
  HostRegistration first = device_.register_host(first_half);
  HostRegistration second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(refusal(first_half), ErrorCode::invalid_argument);
  first = device_.register_host(second_half);
  second = std::move(first);
  const HostRegistration again = device_.register_host(first_half);
  EXPECT_EQ(refusal(second_half), ErrorCode::invalid_argument);
  EXPECT_EQ(second.bytes().data(), second_half.data());
}

TEST_P(HostRegistrationTest, OutlivesTheHandlesOfItsDevice) {
  const std::vector<std::uint8_t> values = pattern(100);
  HostRegistration registration = device_.register_host(bytes_of(values));
  StagingBufferPool staging(manager_, 1, 64);
  const Tensor target = tensor(100);
  staging.transfer_to_gpu(registration, 0, target);
  manager_ = {};
  device_ = {};
  registration.reset();
  EXPECT_EQ(target.to_vector<std::uint8_t>(), values);
}

TEST_P(HostRegistrationTest, ManyThreadsCopyRegisterAndEndStress) {
  const std::vector<std::uint8_t> shared = pattern(kBytes, 1);
  const HostRegistration registration = device_.register_host(bytes_of(shared));
  StagingBufferPool staging(manager_, 1, 64);
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 25; ++i) {
        std::vector<std::uint8_t> mine = pattern(300 + t, t * 100 + i);
        HostRegistration own =
            device_.register_host_writable(std::as_writable_bytes(std::span(mine)));
        const std::size_t offset = (t * 977 + i * 331) % 9000;
        const Tensor first = tensor(700);
        const Tensor second = tensor(mine.size());
        staging.transfer_to_gpu(registration, offset, first);
        staging.transfer_to_gpu(own, 0, second);
        if (i % 2 == 0) {
          second.copy_to(own);
          wrong += mine != pattern(300 + t, t * 100 + i);
        }
        own.reset();
        std::ranges::fill(mine, 0);
        wrong += second.to_vector<std::uint8_t>() != pattern(300 + t, t * 100 + i);
        wrong +=
            std::memcmp(first.to_vector<std::uint8_t>().data(), shared.data() + offset, 700) != 0;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

class HeldHostRegistrationTest : public HostRegistrationTest {};
HEADRACE_ON_EVERY_DEVICE(HeldHostRegistrationTest);

// The transfer comes behind work that a gate holds back; the caller does not.
TEST_P(HeldHostRegistrationTest, ATransferReturnsAtOnceAndTheEndDoesNot) {
  const std::vector<std::uint8_t> values = pattern(5000);
  StagingBufferPool staging(manager_, 1, 64);
  const Stream stream = device_.make_stream();
  Tensor target(manager_, {5000}, DataType::uint8);
  const Tensor other = tensor_of(pattern(5000, 3));
  HostRegistration registration = device_.register_host(bytes_of(values));
  device_.synchronize();
  Gate gate(can_hold());
  gate.hold(stream);
  target.copy_from(other, stream);
  const Completion done = staging.transfer_to_gpu(registration, 0, target);
  if (can_hold()) {
    EXPECT_FALSE(done.is_done());
  }
  {
    const std::jthread opening = gate.open_later();
    registration.reset();
  }
  EXPECT_TRUE(done.is_done());
  EXPECT_EQ(target.to_vector<std::uint8_t>(), values);
}

}  // namespace
}  // namespace headrace::test
