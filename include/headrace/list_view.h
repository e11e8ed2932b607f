// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ranges>
#include <span>
#include <vector>

namespace headrace {

/// Elements in a row that somebody else owns: a span, which becomes a vector of the caller's own
/// where one is wanted. Who owns them, and until when, is said where it is given.
template <class T>
class ListView : public std::span<const T> {
 public:
  using std::span<const T>::span;

  // NOLINTNEXTLINE(google-explicit-constructor): a copy is what a vector of them is
  operator std::vector<T>() const { return std::vector<T>(this->begin(), this->end()); }
};

}  // namespace headrace

// NOLINTBEGIN(readability-identifier-naming): the standard library's names
template <class T>
inline constexpr bool std::ranges::enable_borrowed_range<headrace::ListView<T>> = true;
template <class T>
inline constexpr bool std::ranges::enable_view<headrace::ListView<T>> = true;
// NOLINTEND(readability-identifier-naming)
