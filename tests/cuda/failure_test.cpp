// SPDX-License-Identifier: Apache-2.0
#include "headrace/trace.h"

#include "cuda/round.h"

#include <algorithm>
#include <map>

// Every call of the driver fails once, in every place.

namespace headrace::test {
namespace {

class CudaFailureTest : public CudaTest {
 protected:
  /// What a round came to: "" for success.
  std::string outcome_of_round() {
    try {
      Round(device_).run();
    } catch (const Error& error) {
      return error.what();
    } catch (const std::runtime_error& error) {
      ADD_FAILURE() << error.what();
    }
    return {};
  }

  /// Calls of each name that a round makes when it is not the first.
  std::map<std::string, int> calls_of_round() {
    EXPECT_EQ(outcome_of_round(), "");
    driver_->reset();
    EXPECT_EQ(outcome_of_round(), "");
    std::map<std::string, int> calls;
    for (const std::string& name : driver_->called()) {
      calls[name] = driver_->calls(name);
    }
    calls.erase("cuLaunchHostFunc");  // the test's own
    // These fail for a context that is gone, as all calls do then, or not at all.
    calls.erase("cuCtxPushCurrent");
    calls.erase("cuCtxPopCurrent");
    calls.erase("cuThreadExchangeStreamCaptureMode");
    return calls;
  }
};

constexpr int kOutOfResources = CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;  // harmless to the context

/// Calls of which the backend needs no answer: they give things back, look, or say what failed.
bool may_be_missed(const std::string& name) {
  static const std::vector<std::string> all{"cuCtxGetCurrent",
                                            "cuMemFree",
                                            "cuMemFreeHost",
                                            "cuMemHostUnregister",
                                            "cuStreamDestroy",
                                            "cuGraphDestroy",
                                            "cuGraphExecDestroy",
                                            "cuGraphExecUpdate",
                                            "cuGetErrorName",
                                            "cuGetErrorString",
                                            "cuEventElapsedTime"};
  return std::ranges::find(all, name) != all.end();
}

/// Calls that a graph is made or changed with: without it, its operations are submitted one by one.
bool has_substitute(const std::string& name) {
  return name == "cuGraphCreate" || name.starts_with("cuGraphAdd") ||
         name.starts_with("cuGraphExecMem") || name == "cuGraphExecKernelNodeSetParams";
}

TEST_F(CudaFailureTest, EveryCallThatFailsIsACleanErrorAndTheNextRoundWorksStress) {
  const std::map<std::string, int> calls = calls_of_round();
  for (const auto& [name, count] : calls) {
    if (may_be_missed(name)) {
      continue;
    }
    const int step = std::max(1, count / 8);
    for (int nth = 1; nth <= count; nth += step) {
      SCOPED_TRACE(name + " " + std::to_string(nth) + " of " + std::to_string(count));
      driver_->reset();
      driver_->fail(name, nth, kOutOfResources);
      const std::string text = outcome_of_round();
      if (has_substitute(name)) {
        ASSERT_EQ(text, "") << "the calls of the graph would do";
      } else if (name != "cuGraphInstantiateWithFlags" &&
                 driver_
                     ->failed_here()) {  // Not on a thread that drops what is done, nor too late.
        ASSERT_THAT(text, testing::HasSubstr("cuda:0")) << "no Error was thrown or told";
      }
      driver_->reset();
      ASSERT_EQ(outcome_of_round(), "") << "after " << text;
    }
  }
  for (const char* name : {"cuMemAlloc",
                           "cuMemHostAlloc",
                           "cuMemHostRegister",
                           "cuMemcpyAsync",
                           "cuMemsetD8Async",
                           "cuLaunchKernel",
                           "cuGraphLaunch",
                           "cuGraphInstantiateWithFlags",
                           "cuGraphExecKernelNodeSetParams",
                           "cuStreamBeginCapture",
                           "cuStreamEndCapture",
                           "cuEventRecord",
                           "cuEventQuery",
                           "cuEventSynchronize",
                           "cuStreamWaitEvent",
                           "cuStreamCreate",
                           "cuStreamGetCtx"}) {
    EXPECT_TRUE(calls.contains(name)) << "the round never calls " << name;
  }
}

TEST_F(CudaFailureTest, AFailureToGiveBackOrToLookSpoilsNothing) {
  const std::map<std::string, int> calls = calls_of_round();
  for (const auto& [name, count] : calls) {
    // What is not given back is still there at the end of the test.
    if (!may_be_missed(name) || name.ends_with("Destroy") || name.starts_with("cuMemFree") ||
        name == "cuMemHostUnregister") {
      continue;
    }
    for (int nth = 1; nth <= std::min(count, 3); ++nth) {
      SCOPED_TRACE(name + " " + std::to_string(nth));
      driver_->reset();
      driver_->fail(name, nth, kOutOfResources);
      EXPECT_EQ(outcome_of_round(), "");
      driver_->reset();
      EXPECT_EQ(outcome_of_round(), "");
    }
  }
}

TEST_F(CudaFailureTest, TheDriversWordIsInTheError) {
  driver_->fail("cuMemAlloc", 1, CUDA_ERROR_NOT_SUPPORTED);
  try {
    device_->allocate(DeviceType::gpu, 100);
    FAIL() << "no Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_STREQ(
        error.what(),
        "cuMemAlloc failed on cuda:0: operation not supported (CUDA_ERROR_NOT_SUPPORTED).");
  }
  driver_->fail("cuMemAlloc", 1, 998);
  try {
    device_->allocate(DeviceType::gpu, 100);
    FAIL() << "no Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::internal);
    EXPECT_STREQ(error.what(), "cuMemAlloc failed on cuda:0: error 998.");
  }
}

TEST_F(CudaFailureTest, OutOfMemorySaysHowMuchThereIs) {
  driver_->limit_memory(0, 10 << 20);
  driver_->limit_memory(-1, 1 << 20);
  try {
    device_->allocate(DeviceType::gpu, 20 << 20);
    ADD_FAILURE() << "no Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    EXPECT_THAT(error.what(), testing::HasSubstr("20971520"));
    EXPECT_THAT(error.what(), testing::HasSubstr("10485760"));
  }
  EXPECT_EQ(code_of([&] { device_->allocate(DeviceType::cpu, 2 << 20); }),
            ErrorCode::out_of_memory);
}

TEST_F(CudaFailureTest, ADeviceThatCannotBeOpenedIsOpenedLater) {
  for (const char* name : {"cuDevicePrimaryCtxRetain", "cuDeviceGet", "cuDeviceGetName"}) {
    driver_->fail(name, 1, kOutOfResources);
    EXPECT_NE(code_of([&] { backend_->open(1); }), std::nullopt) << name;
    driver_->reset();
  }
  const std::shared_ptr<BackendDevice> other = backend_->open(1);
  Round(other).run();
}

}  // namespace
}  // namespace headrace::test
