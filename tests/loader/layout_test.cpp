// SPDX-License-Identifier: Apache-2.0
// What a loader refuses of a source's spec, and what counts as a channel.
#include "loader_fixture.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace headrace::testing {
namespace {

using ::testing::HasSubstr;

// Samples of zeros.
class Blank final : public SampleSource {
 public:
  explicit Blank(SampleSpec spec) : spec_(std::move(spec)) {}
  [[nodiscard]] SampleSpec spec() const override { return spec_; }
  [[nodiscard]] std::size_t size() const override { return 3; }
  void read(const ReadContext&, SampleView& into) const override {
    std::ranges::fill(into.input, std::byte{0});
  }

 private:
  SampleSpec spec_;
};

class LoaderLayout : public LoaderTest {
 protected:
  // Why a loader of `spec` is refused; empty when it is not.
  std::string refusal(const SampleSpec& spec, const OutputSpec& output = {}) const {
    AsyncDataLoaderConfig settings = config(2);
    settings.output = output;
    try {
      const AsyncDataLoader loader(std::make_shared<Blank>(spec), settings);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return error.what();
    }
    return {};
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, LoaderLayout, kLoaderDevices);

TEST_P(LoaderLayout, FieldsHaveDifferentNames) {
  SampleSpec spec{.input_shape = {2}, .label_shape = {0}, .fields = {{.name = "a", .shape = {1}}}};
  spec.fields.push_back({.name = "b", .shape = {1}});
  EXPECT_EQ(refusal(spec), "");
  spec.fields.push_back({.name = "a", .shape = {2}});
  EXPECT_THAT(refusal(spec), HasSubstr("two fields 'a'"));
}

TEST_P(LoaderLayout, PlaneIsOneChannelInEveryLayout) {
  for (const Layout layout : {Layout::keep, Layout::hwc, Layout::chw}) {
    const SampleSpec plane{.input_shape = {4, 3}, .label_shape = {0}};
    EXPECT_EQ(refusal(plane, {.layout = layout, .mean = {1.0}}), "");
    EXPECT_THAT(refusal(plane, {.layout = layout, .mean = {1, 2, 3}}), HasSubstr("1 channel."));
    const SampleSpec image{.input_shape = {4, 5, 3}, .label_shape = {0}};
    EXPECT_EQ(refusal(image, {.layout = layout, .mean = {1, 2, 3}}), "");
  }
  const SampleSpec row{.input_shape = {3}, .label_shape = {0}};
  EXPECT_EQ(refusal(row, {.mean = {1, 2, 3}}), "");
}

}  // namespace
}  // namespace headrace::testing
