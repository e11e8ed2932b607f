// SPDX-License-Identifier: Apache-2.0
/// \file
/// Lets {fmt} print Headrace's values. Needs libfmt; nothing else in the library's headers does.
#pragma once

#include "headrace/data_type.h"
#include "headrace/device_type.h"
#include "headrace/error.h"
#include "headrace/shape.h"
#include "headrace/tensor.h"

#include <fmt/format.h>

template <>
struct fmt::formatter<headrace::DataType> : fmt::formatter<std::string_view> {
  auto format(headrace::DataType value, fmt::format_context& context) const {
    return formatter<std::string_view>::format(headrace::to_string(value), context);
  }
};
template <>
struct fmt::formatter<headrace::DeviceType> : fmt::formatter<std::string_view> {
  auto format(headrace::DeviceType value, fmt::format_context& context) const {
    return formatter<std::string_view>::format(headrace::to_string(value), context);
  }
};
template <>
struct fmt::formatter<headrace::ErrorCode> : fmt::formatter<std::string_view> {
  auto format(headrace::ErrorCode value, fmt::format_context& context) const {
    return formatter<std::string_view>::format(headrace::to_string(value), context);
  }
};
template <>
struct fmt::formatter<headrace::Shape> : fmt::formatter<std::string_view> {
  auto format(const headrace::Shape& value, fmt::format_context& context) const {
    return formatter<std::string_view>::format(value.to_string(), context);
  }
};
template <>
struct fmt::formatter<headrace::Tensor> : fmt::formatter<std::string_view> {
  auto format(const headrace::Tensor& value, fmt::format_context& context) const {
    return formatter<std::string_view>::format(value.to_string(), context);
  }
};
