// SPDX-License-Identifier: Apache-2.0
#include "core/segment_heap.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace headrace::core {

namespace {

bool may_use_at_once(UseList& uses, const StreamState* stream) {
  return stream == nullptr ? uses.all_complete() : uses.all_complete_or_on(*stream);
}

bool may_be_used(UseList& uses, const StreamState* stream, SegmentHeap::Ready ready) {
  return ready == SegmentHeap::Ready::any ? uses.can_be_waited_for(stream)
                                          : may_use_at_once(uses, stream);
}

/// Neighbouring free spans that were found to be long enough.
struct Run {
  Span* first = nullptr;
  std::size_t bytes = 0;
};

}  // namespace

SegmentHeap::~SegmentHeap() {
  for (const std::unique_ptr<Segment>& segment : segments_) {
    drop(*segment);
  }
}

void SegmentHeap::add(const MemoryBlock& memory,
                      std::size_t size,
                      std::chrono::steady_clock::time_point since) {
  auto segment = std::make_unique<Segment>();
  segment->memory = memory;
  segment->size = size;
  segment->since = since;
  segment->number = ++last_number_;
  Span* span = make_span();
  span->segment = segment.get();
  span->size = size;
  span->is_free = true;
  segment->first = span;
  segments_.push_back(std::move(segment));
  bytes_ += size;
  free_bytes_ += size;
  insert(span);
}

Span* SegmentHeap::take(std::size_t size, const StreamState* stream) {
  const auto fit = [&](std::uint64_t key) {
    const auto found = free_.lower_bound({key, size});
    return found != free_.end() && found->stream == key ? found->span : nullptr;
  };
  Span* unused = fit(0);
  Span* own = stream == nullptr ? nullptr : fit(stream->id());
  // Of two that fit as well, the stream's own: the other may serve anybody.
  Span* best = own == nullptr || (unused != nullptr && unused->size < own->size) ? unused : own;
  return best == nullptr ? nullptr : claim(best, size);
}

Span* SegmentHeap::take_run(std::size_t size, const StreamState* stream, Ready ready) {
  Run best;
  for (const std::unique_ptr<Segment>& segment : segments_) {
    Run run;
    for (Span* span = segment->first; span != nullptr; span = span->after) {
      if (!span->is_free || !may_be_used(span->uses, stream, ready)) {
        run = {};
        continue;
      }
      run.first = run.first == nullptr ? span : run.first;
      run.bytes += span->size;
      if (run.bytes >= size && (best.first == nullptr || run.bytes < best.bytes)) {
        best = run;
        break;
      }
    }
  }
  if (best.first == nullptr) {
    return nullptr;
  }
  erase(best.first);
  while (best.first->size < size) {
    erase(best.first->after);
    absorb(best.first, best.first->after);
  }
  insert(best.first);
  return claim(best.first, size);
}

Span* SegmentHeap::claim(Span* span, std::size_t size) {
  erase(span);
  split(span, size);
  span->is_free = false;
  free_bytes_ -= size;
  return span;
}

void SegmentHeap::give(Span* span, UseList&& uses) {
  span->uses = std::move(uses);
  span->is_free = true;
  free_bytes_ += span->size;
  if (span->block_count != 1) {  // A place for one block is used again.
    span->blocks.reset();
    span->block_count = 0;
  }
  span->carved = span->cached = 0;
  insert(join(span));
}

void SegmentHeap::refresh() {
  std::vector<Span*> used;
  for (auto key = free_.lower_bound({1}); key != free_.end(); ++key) {
    used.push_back(key->span);
  }
  for (Span* span : used) {
    erase(span);
    span->uses.all_complete();
    insert(span);
  }
  for (const std::unique_ptr<Segment>& segment : segments_) {
    for (Span* span = segment->first; span != nullptr; span = span->after) {
      if (span->is_free) {
        erase(span);
        span = join(span);
        insert(span);
      }
    }
  }
}

std::vector<SegmentHeap::Removed> SegmentHeap::remove_free(Ready ready) {
  std::vector<Removed> removed;
  std::erase_if(segments_, [&](const std::unique_ptr<Segment>& segment) {
    UseList uses;
    for (Span* span = segment->first; span != nullptr; span = span->after) {
      if (!span->is_free || (ready == Ready::at_once && !span->uses.all_complete())) {
        return false;
      }
      uses.add(span->uses);
    }
    removed.push_back({segment->memory, segment->size, std::move(uses)});
    drop(*segment);
    return true;
  });
  return removed;
}

std::size_t SegmentHeap::largest_free() const {
  std::size_t largest = 0;
  for (const Key& key : free_) {
    largest = std::max(largest, key.size);
  }
  return largest;
}

void SegmentHeap::for_each(const std::function<void(const Span&)>& visit) const {
  for (const std::unique_ptr<Segment>& segment : segments_) {
    for (const Span* span = segment->first; span != nullptr; span = span->after) {
      visit(*span);
    }
  }
}

SegmentHeap::Key SegmentHeap::key_of(Span* span) {
  const std::optional<std::uint64_t> only = span->uses.only_stream();
  const std::uint64_t stream = span->uses.empty() ? 0 : only.value_or(kSeveral);
  return {stream, span->size, span->segment->number, span->offset, span};
}

void SegmentHeap::insert(Span* span) {
  const Key key = key_of(span);
  span->index_stream = key.stream;
  free_.insert(key);
}

void SegmentHeap::erase(Span* span) {
  free_.erase({span->index_stream, span->size, span->segment->number, span->offset, span});
}

Span* SegmentHeap::join(Span* span) {
  const auto alike = [](Span* a, Span* b) {
    const std::uint64_t stream = key_of(a).stream;
    return stream != kSeveral && stream == key_of(b).stream;
  };
  if (span->before != nullptr && span->before->is_free && alike(span->before, span)) {
    Span* before = span->before;
    erase(before);
    absorb(before, span);
    span = before;
  }
  if (span->after != nullptr && span->after->is_free && alike(span, span->after)) {
    erase(span->after);
    absorb(span, span->after);
  }
  return span;
}

void SegmentHeap::absorb(Span* span, Span* after) {
  span->size += after->size;
  span->uses.add(after->uses);
  span->after = after->after;
  if (span->after != nullptr) {
    span->after->before = span;
  }
  drop(after);
}

void SegmentHeap::split(Span* span, std::size_t size) {
  if (span->size == size) {
    return;
  }
  Span* rest = make_span();
  rest->segment = span->segment;
  rest->offset = span->offset + size;
  rest->size = span->size - size;
  rest->before = span;
  rest->after = span->after;
  rest->is_free = true;
  rest->uses = span->uses;
  if (rest->after != nullptr) {
    rest->after->before = rest;
  }
  span->after = rest;
  span->size = size;
  insert(rest);
}

Span* SegmentHeap::make_span() {
  if (spare_.empty()) {
    return new Span;
  }
  Span* span = spare_.back().release();
  spare_.pop_back();
  return span;
}

void SegmentHeap::drop(Span* span) {
  span->segment = nullptr;
  span->before = span->after = nullptr;
  span->offset = span->size = 0;
  span->uses.clear();
  spare_.emplace_back(span);
}

void SegmentHeap::drop(Segment& segment) {
  bytes_ -= segment.size;
  for (Span* span = segment.first; span != nullptr;) {
    Span* after = span->after;
    if (span->is_free) {
      erase(span);
      free_bytes_ -= span->size;
    }
    drop(span);
    span = after;
  }
}

}  // namespace headrace::core
