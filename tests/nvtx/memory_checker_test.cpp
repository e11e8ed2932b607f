// SPDX-License-Identifier: Apache-2.0
// The device cuda under a tool that checks which memory is used, as compute-sanitizer does: here
// the driver of tests/fake_cuda, which tells what was wrong.
#include "headrace/headrace.h"

#include "support/fake_cuda.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <dlfcn.h>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace headrace::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const auto kFound = Contains(HasSubstr("not allocated"));

/// Work of a user's own: the driver's call, which no check of the library's stands before. The
/// stream's context is current.
void fill(NativeHandle stream, std::uint64_t address, std::size_t bytes) {
  using Fill = int (*)(std::uint64_t, unsigned char, std::size_t, void*);
  using Find = int (*)(const char*, void**, int, std::uint64_t, void*);
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  const auto find = reinterpret_cast<Find>(dlsym(driver, "cuGetProcAddress_v2"));
  void* call = nullptr;
  ASSERT_EQ(find("cuMemsetD8Async", &call, 12000, 0, nullptr), 0);
  reinterpret_cast<Fill>(call)(address, 1, bytes, stream.as_pointer<void>());
  dlclose(driver);
}

class MemoryCheckerTest : public testing::TestWithParam<int> {
 protected:
  static void SetUpTestSuite() {
    // Before the first use of the device: the tool is looked for once in a process.
    void* driver = dlopen("libcuda.so.1", RTLD_NOW);
    ASSERT_NE(driver, nullptr) << dlerror();
    Dl_info info{};
    ASSERT_NE(dladdr(dlsym(driver, "fake_cuda_control"), &info), 0);
    setenv("NVTX_INJECTION64_PATH", info.dli_fname, 1);
  }

  void SetUp() override {
    driver_ = fake_cuda::control();
    ASSERT_NE(driver_, nullptr) << "the CUDA driver is not that of the tests";
    driver_->reset();
    open_again();
    manager_ = MemoryManager(device_);
    pool_.emplace(stream_, 4);
  }
  void TearDown() override {
    driver_->set_manual(false);
    pool_.reset();
    stream_ = {};
    manager_ = {};
    device_ = {};
    EXPECT_THAT(driver_->take_violations(), IsEmpty());
  }

  /// Opens the device, also when a test has lost it: anew once its last user is gone, perhaps on a
  /// thread that ends by itself.
  void open_again() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!stream_) {
      try {
        device_ = {};
        device_ = open_device("cuda:0");
        stream_ = device_.make_stream();
      } catch (const Error&) {
        if (std::chrono::steady_clock::now() > deadline) {
          throw;
        }
        std::this_thread::yield();
      }
    }
  }
  [[nodiscard]] static std::size_t size() { return static_cast<std::size_t>(GetParam()); }
  Buffer take(std::size_t size) { return manager_.get_buffer(size, DeviceType::gpu, stream_); }
  static std::uint64_t address_of(const Buffer& buffer) { return buffer.native_handle().value; }

  /// Submits a fill of so many bytes.
  Completion start_fill(std::uint64_t address, std::size_t bytes) {
    CommandBuffer commands = pool_->get_buffer();
    commands.launch([=](const Stream& stream) { fill(stream.native_handle(), address, bytes); });
    return pool_->execute_async(std::move(commands));
  }
  /// What the driver said of work that it ended with an error.
  std::vector<std::string> said_with(const Error& error) {
    std::vector<std::string> said = driver_->take_violations();
    EXPECT_THAT(said, testing::Not(IsEmpty())) << error.what();
    return said;
  }
  /// What such a fill has the driver say.
  std::vector<std::string> said_of_fill(std::uint64_t address, std::size_t bytes) {
    const Completion done = start_fill(address, bytes);
    try {
      done.wait();
    } catch (const Error& error) {
      return said_with(error);
    }
    return driver_->take_violations();
  }

  const fake_cuda::Control* driver_ = nullptr;
  Device device_;
  MemoryManager manager_;
  Stream stream_;
  std::optional<CommandBufferPool> pool_;
};

INSTANTIATE_TEST_SUITE_P(OfSize, MemoryCheckerTest, testing::Values(1000, (3 << 20) - 100));

TEST_P(MemoryCheckerTest, WorkWithinABlockIsFineAndAByteMoreIsFound) {
  const Buffer buffer = take(size());
  const Buffer next = take(size());
  EXPECT_THAT(said_of_fill(address_of(buffer), size()), IsEmpty());
  EXPECT_THAT(said_of_fill(address_of(next), size()), IsEmpty());
  EXPECT_THAT(said_of_fill(address_of(buffer), size() + 1), kFound);
}

TEST_P(MemoryCheckerTest, AUseAfterTheReturnIsFound) {
  Buffer buffer = take(size());
  const std::uint64_t address = address_of(buffer);
  EXPECT_THAT(said_of_fill(address, size()), IsEmpty());
  buffer.reset();
  EXPECT_THAT(said_of_fill(address, size()), kFound);
}

TEST_P(MemoryCheckerTest, AUseAfterTheReturnAndTheWorkUnderWayIsFound) {
  Buffer buffer = take(size());
  const std::uint64_t address = address_of(buffer);
  start_fill(address, size());
  buffer.reset();
  device_.synchronize();
  EXPECT_THAT(driver_->take_violations(), IsEmpty());
  EXPECT_THAT(said_of_fill(address, size()), kFound);
}

TEST_P(MemoryCheckerTest, ItsNextOwnersSizeCounts) {
  Buffer buffer = take(size());
  const std::uint64_t address = address_of(buffer);
  buffer.reset();
  device_.synchronize();
  const Buffer other = take(size() - 100);
  ASSERT_EQ(address_of(other), address) << "the test is about the same block";
  EXPECT_THAT(said_of_fill(address, size() - 100), IsEmpty());
  EXPECT_THAT(said_of_fill(address, size()), kFound);
}

TEST_P(MemoryCheckerTest, WorkUnderWayAtTheReturnIsFine) {
  driver_->set_manual(true);
  Buffer buffer = take(size());
  start_fill(address_of(buffer), size());
  buffer.reset();
  const Buffer other = take(size() - 4);
  start_fill(address_of(other), size() - 4);
  driver_->set_manual(false);
  stream_.synchronize();
  EXPECT_THAT(driver_->take_violations(), IsEmpty());
}

TEST_P(MemoryCheckerTest, SegmentsThatComeAndGoAreTold) {
  const int before = driver_->live("memory");
  for (int round = 0; round < 3; ++round) {
    Buffer buffer = take(size());
    EXPECT_THAT(said_of_fill(address_of(buffer), size()), IsEmpty());
    buffer.reset();
    manager_.trim();
    EXPECT_EQ(driver_->live("memory"), before);
  }
  const Buffer buffer = take(size());
  EXPECT_THAT(said_of_fill(address_of(buffer), size() + 1), kFound);
}

TEST_P(MemoryCheckerTest, PageLockedMemoryIsLeftOut) {
  const Buffer buffer = manager_.get_buffer(size(), DeviceType::cpu, stream_);
  EXPECT_THAT(said_of_fill(address_of(buffer), buffer.capacity()), IsEmpty());
}

}  // namespace
}  // namespace headrace::test
