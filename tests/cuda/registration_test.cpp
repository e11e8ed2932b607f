// SPDX-License-Identifier: Apache-2.0
#include "cuda/round.h"

#include <numeric>
#include <sys/mman.h>

// Memory of the program's own that the driver page-locks: what it refuses, and what a copy of it
// is.

namespace headrace::test {
namespace {

/// Pages of the system's, filled with 5, which the host may only read.
class ReadOnlyPages {
 public:
  static constexpr std::size_t kBytes = std::size_t{3} << 12;
  ReadOnlyPages()
      : place_(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    EXPECT_NE(place_, MAP_FAILED);
    std::memset(place_, 5, kBytes);
    EXPECT_EQ(mprotect(place_, kBytes, PROT_READ), 0);
  }
  ReadOnlyPages(const ReadOnlyPages&) = delete;
  ReadOnlyPages& operator=(const ReadOnlyPages&) = delete;
  ~ReadOnlyPages() { munmap(place_, kBytes); }
  [[nodiscard]] std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(place_), kBytes};
  }

 private:
  void* place_;
};

class CudaRegistrationTest : public CudaTest {
 protected:
  /// What registering throws.
  [[nodiscard]] std::optional<Error> refusal(std::span<const std::byte> memory,
                                             HostAccess access) const {
    try {
      const Registered registered(device_, memory, access);
    } catch (const Error& error) {
      return error;
    }
    return std::nullopt;
  }
  void expect_refusal(std::span<const std::byte> memory,
                      HostAccess access,
                      ErrorCode code,
                      const char* text) const {
    const std::optional<Error> error = refusal(memory, access);
    ASSERT_TRUE(error) << text;
    EXPECT_EQ(error->code(), code) << error->what();
    EXPECT_THAT(error->what(), testing::HasSubstr(text));
    EXPECT_THAT(error->what(), testing::HasSubstr("cuda:0"));
  }

  std::vector<std::uint8_t> values_ = std::vector<std::uint8_t>(5000, 7);
  std::span<const std::byte> memory_ = std::as_bytes(std::span(values_));
  ReadOnlyPages pages_;
};

// Pageable memory would be read by the call that submits.
TEST_F(CudaRegistrationTest, ACopyReadsTheMemoryInItsTurn) {
  const auto gpu = block(5000);
  const auto host = block(5000, DeviceType::cpu);
  const Registered registered(device_, values_, HostAccess::read_only);
  Queue queue = this->queue();
  driver_->set_manual(true);
  queue.submit({copy(registered.at(100), gpu->at(), 100)});
  values_[150] = 9;
  driver_->set_manual(false);
  queue.submit({copy(gpu->at(), host->at(), 100)});
  queue.finish();
  EXPECT_EQ(host->host<std::uint8_t>()[49], 7);
  EXPECT_EQ(host->host<std::uint8_t>()[50], 9);
}

TEST_F(CudaRegistrationTest, ACopyToTheMemoryReturnsBeforeItIsDone) {
  const auto gpu = block(100);
  const Registered registered(device_, values_, HostAccess::read_write);
  Queue queue = this->queue();
  driver_->set_manual(true);
  queue.submit({fill(gpu->at(), 3, 1, 100), copy(gpu->at(), registered.at(200), 100)});
  EXPECT_EQ(values_[250], 7);
  driver_->set_manual(false);
  queue.finish();
  EXPECT_EQ(values_[250], 3);
  EXPECT_EQ(values_[300], 7);
}

TEST_F(CudaRegistrationTest, PagesThatTheHostMayOnlyReadAreForReadingAlone) {
  {
    const Registered registered(device_, pages_.bytes(), HostAccess::read_only);
    const auto host = block(100, DeviceType::cpu);
    Queue queue = this->queue();
    queue.submit({copy(registered.at(4000), host->at(), 100)});
    queue.finish();
    EXPECT_EQ(host->host<std::uint8_t>()[99], 5);
  }
  expect_refusal(
      pages_.bytes(), HostAccess::read_write, ErrorCode::invalid_argument, "mapped read-only");
}

TEST_F(CudaRegistrationTest, WithoutReadOnlyRegistrationWritableMemoryIsRegisteredPlainly) {
  driver_->fail("cuMemHostRegister", 1, CUDA_ERROR_NOT_SUPPORTED);
  {
    const Registered registered(device_, values_, HostAccess::read_only);
    EXPECT_EQ(driver_->live("registered memory"), before_["registered memory"] + 1);
  }
  driver_->fail("cuMemHostRegister", 1, CUDA_ERROR_NOT_SUPPORTED);
  expect_refusal(pages_.bytes(), HostAccess::read_only, ErrorCode::unsupported, "mapped read-only");
  driver_->fail("cuMemHostRegister", 1, CUDA_ERROR_NOT_SUPPORTED);
  expect_refusal(memory_, HostAccess::read_write, ErrorCode::unsupported, "cuMemHostRegister");
}

TEST_F(CudaRegistrationTest, MemoryThatOthersRegisteredIsRefusedAndStaysTheirs) {
  const Current current;
  ASSERT_EQ(api().cuMemHostRegister(values_.data() + 1000, 10, 0), CUDA_SUCCESS);
  expect_refusal(
      memory_, HostAccess::read_only, ErrorCode::invalid_argument, "page-locked already");
  EXPECT_EQ(api().cuMemHostUnregister(values_.data() + 1000), CUDA_SUCCESS);
  EXPECT_FALSE(refusal(memory_, HostAccess::read_only));
  const auto pinned = block(100, DeviceType::cpu);
  expect_refusal({pinned->host<const std::byte>(), 100},
                 HostAccess::read_only,
                 ErrorCode::invalid_argument,
                 "page-locked already");
}

TEST_F(CudaRegistrationTest, WhatIsNotThereOrTooMuchIsRefused) {
  std::byte* nowhere = nullptr;
  {
    const ReadOnlyPages gone;
    nowhere = const_cast<std::byte*>(gone.bytes().data());
  }
  expect_refusal({nowhere, 100}, HostAccess::read_only, ErrorCode::invalid_argument, "mapped");
  driver_->limit_memory(-1, 1000);
  expect_refusal(memory_, HostAccess::read_only, ErrorCode::out_of_memory, "5000 bytes");
  driver_->limit_memory(-1, std::size_t{8} << 30);
  driver_->fail("cuMemHostRegister", 1, CUDA_ERROR_LAUNCH_FAILED);
  expect_refusal(memory_, HostAccess::read_only, ErrorCode::device_lost, "cuMemHostRegister");
  expect_refusal(memory_, HostAccess::read_only, ErrorCode::device_lost, "lost");
}

TEST_F(CudaRegistrationTest, ALostDeviceLetsItGo) {
  const Registered registered(device_, values_, HostAccess::read_only);
  driver_->lose(0);
  expect_refusal(
      pages_.bytes(), HostAccess::read_only, ErrorCode::device_lost, "cuMemHostRegister");
}

// --- The tests' driver itself

TEST_F(CudaRegistrationTest, TheDriverNotesWhatARealOneMayCrashOn) {
  const auto gpu = block(100);
  {
    const Registered registered(device_, values_, HostAccess::read_only);
    const Queue queue = this->queue();
    EXPECT_NE(code_of([&] { queue.submit({copy(gpu->at(), registered.at(), 100)}); }),
              std::nullopt);
    EXPECT_NE(code_of([&] { queue.submit({copy(registered.at(4950), gpu->at(), 100)}); }),
              std::nullopt);
    EXPECT_EQ(driver_->take_violations().size(), 2U);
    driver_->set_manual(true);
    queue.submit({copy(registered.at(), gpu->at(), 100)});
  }
  EXPECT_THAT(driver_->take_violations(),
              testing::ElementsAre(testing::HasSubstr("unregistered that work still uses")));
  driver_->set_manual(false);
  const Current current;
  EXPECT_EQ(api().cuMemHostUnregister(values_.data()), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
  EXPECT_EQ(driver_->take_violations().size(), 1U);
  EXPECT_EQ(api().cuMemHostRegister(values_.data(), 100, 0x80), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(api().cuMemHostRegister(values_.data(), 0, 0), CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace headrace::test
