// SPDX-License-Identifier: Apache-2.0
#include "core/segment_heap.h"

#include <algorithm>
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

/// Makes sure that a list can have `size` elements without memory being asked for.
template <class T>
void make_room(std::vector<T>& list, std::size_t size) {
  if (list.capacity() < size) {
    list.reserve(std::max(size, 2 * list.capacity()));
  }
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
  make_room(segments_, segments_.size() + 1);
  auto segment = std::make_unique<Segment>();
  Span* span = make_span();
  segment->memory = memory;
  segment->size = size;
  segment->since = since;
  segment->number = ++last_number_;
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
      while (run.bytes - run.first->size >= size) {  // Only what is needed is joined.
        run.bytes -= run.first->size;
        run.first = run.first->after;
      }
      if (run.bytes >= size && (best.first == nullptr || run.bytes < best.bytes)) {
        best = run;
      }
    }
  }
  return best.first == nullptr ? nullptr : claim(join_run(best.first, size), size);
}

Span* SegmentHeap::join_run(Span* first, std::size_t size) {
  UseList uses;
  std::size_t bytes = 0;
  for (const Span* span = first; bytes < size; span = span->after) {
    uses.add(span->uses);
    bytes += span->size;
  }
  erase(first);
  first->uses = std::move(uses);
  while (first->size < size) {
    erase(first->after);
    absorb(first, first->after);
  }
  insert(first);
  return first;
}

Span* SegmentHeap::claim(Span* span, std::size_t size) {
  Span* rest = span->size == size ? nullptr : make_span();  // The last that may fail.
  erase(span);
  if (rest != nullptr) {
    split(span, size, rest);
  }
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
  for (const FreeKey& key : free_) {
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

std::uint64_t SegmentHeap::stream_of(const Span& span) {
  return span.uses.empty() ? 0 : span.uses.only_stream().value_or(kSeveral);
}

void SegmentHeap::insert(Span* span) {
  const FreeKey key{stream_of(*span), span->size, span->segment->number, span->offset, span};
  std::set<FreeKey>::node_type place = std::move(spare_places_.back());
  spare_places_.pop_back();
  place.value() = key;
  span->place = free_.insert(std::move(place)).position;
}

void SegmentHeap::erase(Span* span) {
  spare_places_.push_back(free_.extract(span->place));
}

Span* SegmentHeap::join(Span* span) {
  const std::uint64_t stream = stream_of(*span);
  const auto may_join = [stream](const Span* other) {
    return other != nullptr && other->is_free && stream != kSeveral && stream_of(*other) == stream;
  };
  if (may_join(span->before)) {
    Span* before = span->before;
    erase(before);
    before->uses.add(span->uses);
    absorb(before, span);
    span = before;
  }
  if (may_join(span->after)) {
    erase(span->after);
    span->uses.add(span->after->uses);
    absorb(span, span->after);
  }
  return span;
}

void SegmentHeap::absorb(Span* span, Span* after) {
  span->size += after->size;
  span->after = after->after;
  if (span->after != nullptr) {
    span->after->before = span;
  }
  drop(after);
}

void SegmentHeap::split(Span* span, std::size_t size, Span* rest) {
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
    make_room(spare_, span_count_ + 1);
    make_room(spare_places_, span_count_ + 1);
    std::set<FreeKey> place{FreeKey{}};
    spare_.push_back(std::make_unique<Span>());
    spare_places_.push_back(place.extract(place.begin()));
    ++span_count_;
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
