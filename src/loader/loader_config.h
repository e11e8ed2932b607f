// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/error.h"
#include "headrace/loader.h"

#include <cstdint>
#include <memory>

namespace headrace::loader {

/// The config with defaults filled in. \throws Error  `invalid_argument` for a setting out of
/// range.
AsyncDataLoaderConfig checked(AsyncDataLoaderConfig config);

/// The same for a serial source. \throws Error  `unsupported` for what one cannot serve.
AsyncDataLoaderConfig checked_serial(AsyncDataLoaderConfig config);

/// Throws `invalid_argument`, naming all that differs, unless `state` is of the data and the order
/// of `own`, any state of this loader's. A fingerprint that either does not know is not compared.
void require_same_order(const LoaderState& state, const LoaderState& own);

template <class Source>
std::shared_ptr<Source> require_source(std::shared_ptr<Source> source) {
  if (!source) {
    throw Error(ErrorCode::invalid_argument, "AsyncDataLoader was given no source.");
  }
  return source;
}

}  // namespace headrace::loader
