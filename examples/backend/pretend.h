// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <headrace/backend.h>

#include <memory>

namespace pretend {

/// A backend with one device, "pretend": memory of the heap's that it hides from the host, as a
/// card does, and streams that are threads.
std::unique_ptr<headrace::Backend> make_backend();

}  // namespace pretend
