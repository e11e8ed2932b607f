// SPDX-License-Identifier: Apache-2.0
#include "headrace/loader_state.h"

#include "headrace/error.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace headrace {
namespace {

using Early = LoaderState::Early;

// A sound state of a run with `dataset_size` 100.
LoaderState draw_state() {
  LoaderState state{.dataset_size = 100,
                    .seed = 5,
                    .shuffle = true,
                    .epoch = *rc::gen::inRange<std::uint64_t>(0, 3),
                    .place = *rc::gen::inRange<std::uint64_t>(0, 101),
                    .batch_id = *rc::gen::inRange<std::uint64_t>(0, 20)};
  std::uint64_t epoch = state.epoch;
  std::uint64_t end = state.place;
  for (int count = *rc::gen::inRange(0, 6); count > 0; --count) {
    if (end + 2 > state.dataset_size) {
      ++epoch;
      end = 0;
    }
    const std::uint64_t begin = *rc::gen::inRange<std::uint64_t>(end, state.dataset_size);
    end = *rc::gen::inRange<std::uint64_t>(begin + 1, state.dataset_size + 1);
    state.early.push_back({epoch, begin, end});
    end += 1;
  }
  return state;
}

std::string what_from_json(const std::string& text) {
  try {
    (void)LoaderState::from_json(text);
    return "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt_data) << text;
    return error.what();
  }
}

ErrorCode code_of_merge(const std::vector<LoaderState>& states) {
  try {
    (void)LoaderState::merge(states);
    return ErrorCode::internal;
  } catch (const Error& error) {
    return error.code();
  }
}

const std::string kText =
    R"({"version":1,"dataset_size":100,"seed":18446744073709551615,"shuffle":true,"epoch":2,)"
    R"("place":30,"batch_id":7,"early":[[2,40,50],[3,0,10]]})";

std::string with(const std::string& from, const std::string& to) {
  std::string text = kText;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(LoaderState, TextStaysReadable) {
  const LoaderState state{.dataset_size = 100,
                          .seed = UINT64_MAX,
                          .shuffle = true,
                          .epoch = 2,
                          .place = 30,
                          .batch_id = 7,
                          .early = {{2, 40, 50}, {3, 0, 10}}};
  EXPECT_EQ(state.to_json(), kText);
  EXPECT_EQ(LoaderState::from_json(kText), state);
  EXPECT_EQ(LoaderState::from_json(LoaderState{}.to_json()), LoaderState{});
}

RC_GTEST_PROP(LoaderState, ComesBackFromItsText, ()) {
  LoaderState state = draw_state();
  state.seed = *rc::gen::arbitrary<std::uint64_t>();
  state.batch_id = *rc::gen::arbitrary<std::uint64_t>();
  state.shuffle = *rc::gen::arbitrary<bool>();
  RC_ASSERT(LoaderState::from_json(state.to_json()) == state);
}

TEST(LoaderState, FingerprintIsATextOf16Digits) {
  LoaderState state = LoaderState::from_json(kText);
  EXPECT_EQ(state.fingerprint, 0U);
  state.fingerprint = 0xfedcba9876543210;
  const std::string text = state.to_json();
  EXPECT_EQ(text, with(R"(,"seed")", R"(,"fingerprint":"fedcba9876543210","seed")"));
  EXPECT_EQ(LoaderState::from_json(text), state);
  for (const char* value : {"1",
                            "\"\"",
                            "\"fedcba987654321\"",
                            "\"fedcba98765432100\"",
                            "\"0xdcba9876543210\"",
                            "\"-edcba9876543210\"",
                            "null"}) {
    EXPECT_NE(
        what_from_json(with(R"(,"seed")", std::string(R"(,"fingerprint":)") + value + R"(,"seed")"))
            .find("'fingerprint' is not a text of 16 hexadecimal digits"),
        std::string::npos)
        << value;
  }
}

TEST(LoaderState, UnknownMembersAreIgnored) {
  const std::string text = with(R"("epoch")", R"("later":{"a":[1,-2.5,null]},"epoch")");
  EXPECT_EQ(LoaderState::from_json(text), LoaderState::from_json(kText));
}

TEST(LoaderState, HostileTextIsRefusedWithTheReason) {
  const std::string number = "is not a whole number from 0 to 2^64 - 1";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "not JSON at byte 1 of 0"},
      {"{", "not JSON"},
      {kText.substr(0, kText.size() - 1), "not JSON"},
      {kText + "}", "not JSON"},
      {kText + std::string(1, '\0'), "not JSON"},
      {"null", "not a JSON object"},
      {"[1]", "not a JSON object"},
      {"\"text\"", "not a JSON object"},
      {"{\"\xff\":1}", "not JSON"},
      {"{}", "'version' is missing"},
      {with("\"version\":1", "\"version\":2"), "version 2 is not the one"},
      {with(",\"batch_id\":7", ""), "'batch_id' is missing"},
      {with(",\"early\":[[2,40,50],[3,0,10]]", ""), "'early' is missing"},
      {with("30", "-1"), "'place' " + number},
      {with("30", "30.0"), "'place' " + number},
      {with("30", "3e1"), "'place' " + number},
      {with("30", "\"30\""), "'place' " + number},
      {with("30", "null"), "'place' " + number},
      {with("30", "[30]"), "'place' " + number},
      {with("18446744073709551615", "18446744073709551616"), "'seed' " + number},
      {with("18446744073709551615", "1e999"), "out of range"},
      {with("true", "1"), "'shuffle' is neither true nor false"},
      {with("30", "101"), "Place 101 lies beyond an epoch of 100 samples"},
      {with("[[2,40,50],[3,0,10]]", "{}"), "'early' is not an array"},
      {with("[2,40,50]", "7"), "'early[0]' is not an array of"},
      {with("[3,0,10]", "[3,0]"), "'early[1]' is not an array of"},
      {with("[3,0,10]", "[3,0,10,11]"), "'early[1]' is not an array of"},
      {with("[3,0,10]", "[3,0,-10]"), "'early[1]' " + number},
      {with("[3,0,10]", "[3,10,10]"), "is empty or reversed"},
      {with("[3,0,10]", "[3,10,0]"), "is empty or reversed"},
      {with("[3,0,10]", "[3,0,101]"), "lies beyond an epoch of 100 samples"},
      {with("[3,0,10]", "[2,49,60]"), "overlaps or precedes [40, 50) of epoch 2"},
      {with("[3,0,10]", "[2,31,33]"), "overlaps or precedes"},
      {with("[2,40,50]", "[2,29,50]"), "lies before place 30 of epoch 2"},
      {with("[2,40,50]", "[1,40,50]"), "lies before place 30 of epoch 2"}};
  for (const auto& [text, reason] : cases) {
    EXPECT_NE(what_from_json(text).find(reason), std::string::npos)
        << text << "\n  " << what_from_json(text);
  }
}

TEST(LoaderState, DeepTextNeitherCrashesNorHangs) {
  constexpr std::size_t kDepth = 1'000'000;
  const std::string deep = std::string(kDepth, '[') + std::string(kDepth, ']');
  std::string deep_objects;
  for (std::size_t i = 0; i < kDepth; ++i) {
    deep_objects += "{\"a\":";
  }
  const std::string reason = "nests deeper than 100 levels";
  EXPECT_NE(what_from_json(std::string(kDepth, '[')).find(reason), std::string::npos);
  EXPECT_NE(what_from_json(deep_objects).find(reason), std::string::npos);
  EXPECT_NE(what_from_json(with("30", deep)).find(reason), std::string::npos);
  EXPECT_NE(what_from_json(with("{", "{\"deep\":" + deep + ",")).find(reason), std::string::npos);
  const std::string shallow = std::string(90, '[') + std::string(90, ']');
  EXPECT_EQ(LoaderState::from_json(with("{", "{\"shallow\":" + shallow + ",")),
            LoaderState::from_json(kText));
}

// Whatever is done to the text, it is read as a sound state or refused.
RC_GTEST_PROP(LoaderState, DamagedTextIsReadOrRefused, ()) {
  std::string text = kText;
  for (int count = *rc::gen::inRange(1, 4); count > 0; --count) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    text[at] = *rc::gen::oneOf(rc::gen::arbitrary<char>(), rc::gen::elementOf(kText));
  }
  try {
    const LoaderState state = LoaderState::from_json(text);
    RC_ASSERT(LoaderState::from_json(state.to_json()) == state);
  } catch (const Error& error) {
    RC_ASSERT(error.code() == ErrorCode::corrupt_data);
  }
}

TEST(LoaderStateMerge, TakesTheLeastPlaceAndEveryEarlyRange) {
  const LoaderState ahead{.dataset_size = 100,
                          .epoch = 1,
                          .place = 40,
                          .batch_id = 9,
                          .early = {{1, 50, 60}, {2, 0, 10}}};
  const LoaderState behind{.dataset_size = 100,
                           .epoch = 0,
                           .place = 90,
                           .batch_id = 6,
                           .early = {{0, 95, 100}, {1, 20, 30}, {1, 60, 70}}};
  const LoaderState expected{.dataset_size = 100,
                             .epoch = 0,
                             .place = 90,
                             .batch_id = 6,
                             .early = {{0, 95, 100}, {1, 20, 30}, {1, 50, 70}, {2, 0, 10}}};
  EXPECT_EQ(LoaderState::merge(std::vector{ahead, behind}), expected);
  EXPECT_EQ(LoaderState::merge(std::vector{behind, ahead}), expected);
}

RC_GTEST_PROP(LoaderStateMerge, DoesNotDependOnOrderOrGrouping, ()) {
  const LoaderState a = draw_state();
  const LoaderState b = draw_state();
  const LoaderState c = draw_state();
  const LoaderState all = LoaderState::merge(std::vector{a, b, c});
  RC_ASSERT(LoaderState::merge(std::vector{c, a, b}) == all);
  RC_ASSERT(LoaderState::merge(std::vector{LoaderState::merge(std::vector{a, b}), c}) == all);
  RC_ASSERT(LoaderState::merge(std::vector{all, all}) == all);
  RC_ASSERT(LoaderState::merge(std::vector{a}) == a);
  RC_ASSERT(LoaderState::from_json(all.to_json()) == all);
}

// Early places of the result are those of the parts, no more and no fewer.
RC_GTEST_PROP(LoaderStateMerge, KeepsWhatWasHandedOutAndInventsNothing, ()) {
  const std::vector<LoaderState> states = {draw_state(), draw_state(), draw_state()};
  const auto add_places = [](const LoaderState& state, auto& places) {
    for (const Early& range : state.early) {
      for (std::uint64_t place = range.begin; place < range.end; ++place) {
        places.insert({range.epoch, place});
      }
    }
  };
  using Spots = std::set<std::pair<std::uint64_t, std::uint64_t>>;
  Spots expected;
  const LoaderState merged = LoaderState::merge(states);
  for (const LoaderState& state : states) {
    add_places(state, expected);
    RC_ASSERT(std::pair(merged.epoch, merged.place) <= std::pair(state.epoch, state.place));
  }
  Spots places;
  add_places(merged, places);
  RC_ASSERT(places == expected);
}

TEST(LoaderStateMerge, StatesOfDifferentDataAreRefusedInAnyOrder) {
  const auto of = [](std::uint64_t fingerprint) {
    return LoaderState{.dataset_size = 100, .fingerprint = fingerprint, .place = 10};
  };
  EXPECT_EQ(LoaderState::merge(std::vector{of(0), of(7), of(7)}), of(7));
  EXPECT_EQ(LoaderState::merge(std::vector{of(7), of(0)}), of(7));
  EXPECT_EQ(LoaderState::merge(std::vector{of(0), of(0)}), of(0));
  EXPECT_EQ(code_of_merge({of(7), of(8)}), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of_merge({of(0), of(7), of(8)}), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of_merge({of(7), of(0), of(8)}), ErrorCode::invalid_argument);
}

TEST(LoaderStateMerge, RefusesStatesThatDoNotBelongTogether) {
  const LoaderState state{.dataset_size = 100, .seed = 1, .shuffle = true, .place = 10};
  EXPECT_EQ(LoaderState::merge(std::vector{state, state}), state);
  EXPECT_EQ(code_of_merge({}), ErrorCode::invalid_argument);
  LoaderState other = state;
  other.dataset_size = 99;
  EXPECT_EQ(code_of_merge({state, other}), ErrorCode::invalid_argument);
  other = state;
  other.seed = 2;
  EXPECT_EQ(code_of_merge({state, other}), ErrorCode::invalid_argument);
  other = state;
  other.shuffle = false;
  EXPECT_EQ(code_of_merge({state, other}), ErrorCode::invalid_argument);
  other = state;
  other.early = {{0, 3, 5}};
  EXPECT_EQ(code_of_merge({state, other}), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace headrace
