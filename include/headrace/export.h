// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Marks a symbol as part of the library's public face; everything else is hidden.
#if defined(_WIN32)
#define HEADRACE_EXPORT
#else
#define HEADRACE_EXPORT __attribute__((visibility("default")))
#endif
