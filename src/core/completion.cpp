// SPDX-License-Identifier: Apache-2.0
#include "headrace/completion.h"

#include "core/access.h"

#include <utility>

namespace headrace {

namespace core {

CompletionState::CompletionState(Ticket ticket, std::shared_ptr<const Outcome> outcome)
    : ticket_(std::move(ticket)), outcome_(std::move(outcome)) {}

CompletionState::CompletionState(std::exception_ptr error) : error_(std::move(error)) {}

CompletionState::~CompletionState() = default;

bool CompletionState::wait(std::chrono::nanoseconds timeout) {
  if (ticket_.stream && !ticket_.stream->wait(ticket_.serial, timeout)) {
    return false;
  }
  settle();
  if (const std::exception_ptr error = outcome_ ? outcome_->error() : error_) {
    std::rethrow_exception(error);
  }
  return true;
}

bool CompletionState::is_done() noexcept {
  if (ticket_.stream && !ticket_.stream->is_complete(ticket_.serial)) {
    return false;
  }
  settle();
  return true;
}

std::exception_ptr CompletionState::failure() const noexcept {
  if (ticket_.stream) {
    try {
      ticket_.stream->wait(ticket_.serial);
    } catch (...) {
      return std::current_exception();
    }
  }
  return outcome_ ? outcome_->error() : error_;
}

}  // namespace core

void Completion::wait() const {
  while (!wait_for(std::chrono::hours(24))) {
  }
}

bool Completion::wait_for(std::chrono::nanoseconds timeout) const {
  return state_ == nullptr || state_->wait(timeout);
}

bool Completion::try_wait() const {
  return is_done() && wait_for(std::chrono::nanoseconds::zero());
}

bool Completion::is_done() const noexcept {
  return state_ == nullptr || state_->is_done();
}

}  // namespace headrace
