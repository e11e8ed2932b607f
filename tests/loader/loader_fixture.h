// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device.h"
#include "headrace/testing.h"

#include "support/loader_sources.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

namespace headrace::testing {

/// Runs each test on `host`, and on a mock device with memory that the host sees and without.
class LoaderTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "host") {
      device_ = open_device("host");
    } else {
      mock_.emplace(MockDeviceConfig{
          .random_order = true, .seed = 11, .unified_memory = GetParam() == "mock_unified"});
      device_ = mock_->device();
    }
    manager_ = MemoryManager(device_);
  }

  AsyncDataLoaderConfig config(std::size_t batch_size) const {
    AsyncDataLoaderConfig config;
    config.batch_size = batch_size;
    config.memory_manager = manager_;
    return config;
  }

  std::optional<MockDevice> mock_;
  Device device_;
  MemoryManager manager_;
};

inline const auto kLoaderDevices = ::testing::Values("host", "mock", "mock_unified");

template <class Call>
ErrorCode code_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no headrace::Error was thrown";
  return ErrorCode::internal;
}

template <class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no headrace::Error was thrown";
  return {};
}

}  // namespace headrace::testing
