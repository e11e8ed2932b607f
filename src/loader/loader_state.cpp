// SPDX-License-Identifier: Apache-2.0
#include "headrace/loader_state.h"

#include "headrace/error.h"

#include "loader/early_ranges.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <tuple>
#include <utility>

namespace headrace {
namespace {

using Json = nlohmann::ordered_json;

// Raised when a later library writes what this one would misread.
constexpr std::uint64_t kVersion = 1;

// Destroying a JSON value takes stack for each level.
constexpr int kMaxDepth = 100;

constexpr std::size_t kFingerprintDigits = 16;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::corrupt_data, "Loader state: " + message);
}

std::uint64_t whole_number(const Json& value, const std::string& name) {
  if (!value.is_number_unsigned()) {
    refuse("'" + name + "' is not a whole number from 0 to 2^64 - 1.");
  }
  return value.get<std::uint64_t>();
}

const Json& member(const Json& object, const std::string& name) {
  const auto found = object.find(name);
  if (found == object.end()) {
    refuse("'" + name + "' is missing.");
  }
  return *found;
}

std::uint64_t number(const Json& object, const std::string& name) {
  return whole_number(member(object, name), name);
}

[[noreturn]] void refuse_at(std::size_t byte, std::string_view text) {
  refuse("the text is not JSON at byte " + std::to_string(byte) + " of " +
         std::to_string(text.size()) + ".");
}

Json parse(std::string_view text) {
  // The parser would take a zero byte for the end of the text.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
    refuse_at(zero + 1, text);
  }
  try {
    return Json::parse(text, [](int depth, Json::parse_event_t, const Json&) {
      if (depth > kMaxDepth) {
        refuse("the text nests deeper than " + std::to_string(kMaxDepth) + " levels.");
      }
      return true;
    });
  } catch (const Json::parse_error& error) {
    refuse_at(error.byte, text);
  } catch (const Json::out_of_range&) {
    refuse("the text has a number that is out of range.");
  }
}

std::vector<LoaderState::Early> early_ranges(const Json& list) {
  if (!list.is_array()) {
    refuse("'early' is not an array.");
  }
  std::vector<LoaderState::Early> ranges;
  ranges.reserve(list.size());
  for (const Json& entry : list) {
    const std::string name = "early[" + std::to_string(ranges.size()) + "]";
    if (!entry.is_array() || entry.size() != 3) {
      refuse("'" + name + "' is not an array of epoch, begin and end.");
    }
    ranges.push_back({.epoch = whole_number(entry[0], name),
                      .begin = whole_number(entry[1], name),
                      .end = whole_number(entry[2], name)});
  }
  return ranges;
}

// A text, since many programs read a number of JSON's as one of 53 bits.
std::string text_of_fingerprint(std::uint64_t fingerprint) {
  return fmt::format("{:016x}", fingerprint);
}

std::uint64_t fingerprint_of(const Json& object) {
  const auto found = object.find("fingerprint");
  if (found == object.end()) {
    return 0;  // Not known, or written before there were any.
  }
  std::uint64_t fingerprint = 0;
  if (const auto* text = found->get_ptr<const std::string*>();
      text != nullptr && text->size() == kFingerprintDigits) {
    const char* const end = text->data() + text->size();
    if (std::from_chars(text->data(), end, fingerprint, 16).ptr == end) {
      return fingerprint;
    }
  }
  refuse("'fingerprint' is not a text of 16 hexadecimal digits.");
}

// The states must describe one run; `index` is for the error's text.
void check_same_run(const LoaderState& merged, const LoaderState& other, std::size_t index) {
  const auto check = [index](std::string_view name, const auto& a, const auto& b) {
    if (a != b) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("Loader state {} and those before it have different {} ({} and {}).",
                              index,
                              name,
                              b,
                              a));
    }
  };
  check("dataset sizes", merged.dataset_size, other.dataset_size);
  // Those that do not know theirs say nothing against the others.
  if (merged.fingerprint != 0 && other.fingerprint != 0) {
    check("fingerprints of the data set",
          text_of_fingerprint(merged.fingerprint),
          text_of_fingerprint(other.fingerprint));
  }
  check("seeds", merged.seed, other.seed);
  check("shuffle settings", merged.shuffle, other.shuffle);
}

}  // namespace

std::string LoaderState::to_json() const {
  Json ranges = Json::array();
  for (const Early& range : early) {
    ranges.push_back({range.epoch, range.begin, range.end});
  }
  Json object;
  object["version"] = kVersion;
  object["dataset_size"] = dataset_size;
  if (fingerprint != 0) {
    object["fingerprint"] = text_of_fingerprint(fingerprint);
  }
  object["seed"] = seed;
  object["shuffle"] = shuffle;
  object["epoch"] = epoch;
  object["place"] = place;
  object["batch_id"] = batch_id;
  object["early"] = std::move(ranges);
  return object.dump();
}

LoaderState LoaderState::from_json(std::string_view json) {
  const Json object = parse(json);
  if (!object.is_object()) {
    refuse("the text is not a JSON object.");
  }
  if (const std::uint64_t version = number(object, "version"); version != kVersion) {
    refuse("version " + std::to_string(version) + " is not the one this library reads, " +
           std::to_string(kVersion) + ".");
  }
  const Json& shuffle = member(object, "shuffle");
  if (!shuffle.is_boolean()) {
    refuse("'shuffle' is neither true nor false.");
  }
  LoaderState state{.dataset_size = number(object, "dataset_size"),
                    .fingerprint = fingerprint_of(object),
                    .seed = number(object, "seed"),
                    .shuffle = shuffle.get<bool>(),
                    .epoch = number(object, "epoch"),
                    .place = number(object, "place"),
                    .batch_id = number(object, "batch_id"),
                    .early = early_ranges(member(object, "early"))};
  if (const std::string fault = loader::fault_of(state, state.dataset_size); !fault.empty()) {
    refuse(fault);
  }
  return state;
}

LoaderState LoaderState::merge(std::span<const LoaderState> states) {
  if (states.empty()) {
    throw Error(ErrorCode::invalid_argument, "Merging loader states needs at least one state.");
  }
  LoaderState merged = states.front();
  for (std::size_t i = 0; i < states.size(); ++i) {
    const LoaderState& state = states[i];
    check_same_run(merged, state, i);
    merged.fingerprint = merged.fingerprint != 0 ? merged.fingerprint : state.fingerprint;
    if (const std::string fault = loader::fault_of(state, state.dataset_size); !fault.empty()) {
      throw Error(ErrorCode::invalid_argument,
                  "Loader state " + std::to_string(i) + " contradicts itself: " + fault);
    }
    if (std::tie(state.epoch, state.place) < std::tie(merged.epoch, merged.place)) {
      merged.epoch = state.epoch;
      merged.place = state.place;
    }
    merged.batch_id = std::min(merged.batch_id, state.batch_id);
    if (i > 0) {
      merged.early.insert(merged.early.end(), state.early.begin(), state.early.end());
    }
  }
  loader::join(merged.early);
  return merged;
}

}  // namespace headrace
