// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"
#include "headrace/error.h"

#include <cstdint>

namespace headrace::cli {

/// Calls `work.operator()<T>()` with the C++ type of the elements of `dtype`.
template <class Work>
decltype(auto) with_element_type(DataType dtype, Work&& work) {
  switch (dtype) {
    case DataType::float32:
      return work.template operator()<float>();
    case DataType::int32:
      return work.template operator()<std::int32_t>();
    case DataType::float16:
      return work.template operator()<float16>();
    case DataType::int8:
      return work.template operator()<std::int8_t>();
    case DataType::bfloat16:
      return work.template operator()<bfloat16>();
    case DataType::float64:
      return work.template operator()<double>();
    case DataType::int64:
      return work.template operator()<std::int64_t>();
    case DataType::int16:
      return work.template operator()<std::int16_t>();
    case DataType::uint8:
      return work.template operator()<std::uint8_t>();
    case DataType::uint16:
      return work.template operator()<std::uint16_t>();
    case DataType::uint32:
      return work.template operator()<std::uint32_t>();
    case DataType::uint64:
      return work.template operator()<std::uint64_t>();
    case DataType::boolean:
      return work.template operator()<bool>();
    case DataType::float8_e4m3:
      return work.template operator()<float8_e4m3>();
    case DataType::float8_e5m2:
      return work.template operator()<float8_e5m2>();
  }
  throw Error(ErrorCode::internal, "There is no such data type.");
}

}  // namespace headrace::cli
