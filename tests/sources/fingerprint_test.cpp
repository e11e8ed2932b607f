// SPDX-License-Identifier: Apache-2.0
#include "sources/fingerprint.h"

#include "image_writing.h"
#include "sample_reading.h"
#include "support/npy_writer.h"
#include "support/tar_writer.h"

#include <filesystem>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

namespace headrace::test {
namespace {

namespace fs = std::filesystem;
using sources::Fingerprint;

std::uint64_t value_of(std::string_view kind) {
  return Fingerprint(kind).value();
}

// As another program computed them.
TEST(Fingerprint, ValuesStayTheSameForEver) {
  EXPECT_EQ(value_of(""), 0xF8BB92C91B3F5CC0U);
  EXPECT_EQ(value_of("rows"), 0x93E7C6856E4C63BBU);
  Fingerprint all("all");
  all.add(std::uint64_t{0x0102030405060708});
  all.add(Shape{3, 4});
  std::vector<std::uint8_t> bytes(100'000);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{7});
  all.add_content(std::as_bytes(std::span(bytes)));
  EXPECT_EQ(all.value(), 0xE90AC565528BEBACU);
}

TEST(Fingerprint, PiecesReachFromTheFirstByteToTheLast) {
  const auto content = [](std::size_t size, std::size_t changed) {
    std::vector<std::byte> bytes(size);
    if (changed < size) {
      bytes[changed] = std::byte{1};
    }
    Fingerprint fingerprint("content");
    fingerprint.add_content(bytes);
    return fingerprint.value();
  };
  for (const std::size_t size : {1U, 16'384U, 16'385U, 1'000'003U}) {
    const std::uint64_t plain = content(size, size);
    EXPECT_NE(content(size, 0), plain) << size;
    EXPECT_NE(content(size, size - 1), plain) << size;
    EXPECT_NE(content(size + 1, size + 1), plain) << size;
  }
  // Pieces of 256 bytes, the last but one at 62/63 of the way.
  for (std::size_t part = 0; part < 63; ++part) {
    const std::size_t inside = part * ((1'000'003 - 256) / 63) + 70;
    EXPECT_NE(content(1'000'003, inside), content(1'000'003, SIZE_MAX)) << part;
  }
}

/// Data sets of every kind, each written below a folder, which it gives the path of.
struct Kind {
  const char* name;
  /// \param variant  0, or which one thing is changed.
  std::function<void(const fs::path& folder, int variant)> write;
  int variants;
  fs::path file = {};
  SourceOptions options = {};
};

std::string numbers(std::size_t count, int changed_to = 0) {
  std::string bytes(count, '\0');
  std::iota(bytes.begin(), bytes.end(), '\0');
  bytes.back() = static_cast<char>(bytes.back() + changed_to);
  return bytes;
}

std::string npy(const Shape& shape, const std::string& bytes, const char* descr = "|u1") {
  return npy_file(npy_dictionary(descr, shape), bytes);
}

void write_npy_folder(const fs::path& folder, int variant) {
  const bool is_long = variant == 3;
  write_file(folder / "inputs.npy",
             npy(is_long ? Shape{40, 5} : Shape{20, 10}, numbers(200, variant == 1)));
  write_file(folder / "labels.npy",
             npy(is_long ? Shape{40} : Shape{20}, numbers(is_long ? 40 : 20, variant == 2)));
}

void write_big_endian(const fs::path& folder, int variant) {
  write_file(folder / "a.npy",
             npy({20, 5}, numbers(200, variant == 1), variant == 2 ? "<u2" : ">u2"));
}

void write_raw(const fs::path& folder, int variant) {
  write_file(folder / "a.raw", numbers(200, variant == 1));
}

void write_shards(const fs::path& folder, int variant) {
  const std::string input = npy({4}, numbers(4));
  const std::string other = npy({4}, numbers(4, variant == 1));
  write_file(folder / "0.tar",
             tar_member("a.npy", input) + tar_member("a.cls", "1") + tar_member("a.txt", "words") +
                 tar_end());
  write_file(folder / "1.tar",
             tar_member(variant == 2 ? "c.npy" : "b.npy", other) +
                 tar_member(variant == 2 ? "c.cls" : "b.cls", variant == 3 ? "2" : "1") +
                 tar_end());
}

void write_images(const fs::path& folder, int variant) {
  fs::create_directories(folder / "cats");
  fs::create_directories(folder / "dogs");
  const std::string image = png_file(smooth_picture(4, 3));
  write_file(folder / "cats" / "1.png", image);
  const fs::path other = variant == 1 ? "dogs" : variant == 3 ? "cats/deep" : "cats";
  fs::create_directories(folder / other);
  write_file(folder / other / "2.png", image);
  write_file(folder / "dogs" / "3.png", variant == 2 ? image + "more" : image);
}

const std::vector<Kind> kKinds{
    {"npy folder", write_npy_folder, 4},
    {"big-endian npy", write_big_endian, 3, "a.npy"},
    {"raw",
     write_raw,
     2,
     "a.raw",
     {.raw = SampleSpec{{4}, DataType::uint8, {}, DataType::int8, {}}}},
    {"tar shards", write_shards, 4},
    {"images", write_images, 4, "", {.image_size = ImageSize{2, 2}}},
};

class FingerprintTest : public testing::Test {
 protected:
  std::uint64_t fingerprint_in(const Kind& kind, const std::string& folder, int variant) {
    fs::create_directories(folder_ / folder);
    kind.write(folder_ / folder, variant);
    return open_source(folder_ / folder / kind.file, kind.options)->fingerprint();
  }
  TempDir folder_;
};

TEST_F(FingerprintTest, CopiesHaveTheSame) {
  for (const Kind& kind : kKinds) {
    const std::string original = std::string(kind.name) + " original";
    const std::uint64_t fingerprint = fingerprint_in(kind, original, 0);
    EXPECT_NE(fingerprint, 0U);
    const fs::path copy = folder_ / (std::string(kind.name) + " copy");
    fs::copy(folder_ / original, copy, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(copy)) {
      fs::last_write_time(entry, fs::file_time_type::clock::now() - std::chrono::hours(50));
    }
    EXPECT_EQ(open_source(copy / kind.file, kind.options)->fingerprint(), fingerprint) << kind.name;
  }
}

TEST_F(FingerprintTest, EveryChangeMakesAnother) {
  std::set<std::uint64_t> seen;
  std::size_t count = 0;
  for (const Kind& kind : kKinds) {
    for (int variant = 0; variant < kind.variants; ++variant) {
      const std::string folder = kind.name + std::to_string(variant);
      EXPECT_TRUE(seen.insert(fingerprint_in(kind, folder, variant)).second) << folder;
      ++count;
    }
  }
  EXPECT_EQ(seen.size(), count);
}

// Neither the members that are no samples count nor how they are spread over shards.
TEST_F(FingerprintTest, IsOfTheSamplesOfATar) {
  const std::string a = tar_member("a.npy", npy({4}, numbers(4))) + tar_member("a.cls", "1");
  const std::string b = tar_member("b.npy", npy({4}, numbers(4))) + tar_member("b.cls", "2");
  write_file(folder_ / "one.tar", a + tar_member("a.txt", "words") + b + tar_end());
  fs::create_directories(folder_ / "two");
  write_file(folder_ / "two" / "0.tar", a + tar_end());
  write_file(folder_ / "two" / "1.tar", b + tar_end());
  EXPECT_EQ(open_source(folder_ / "one.tar")->fingerprint(),
            open_source(folder_ / "two")->fingerprint());
}

// One sample of a hundred is not among those whose content is looked into.
TEST_F(FingerprintTest, AReplacedFileOfAnotherSizeIsNoticedAnywhere) {
  const std::string image = png_file(smooth_picture(4, 3));
  const auto fingerprint_with = [&](int replaced) {
    std::string tar;
    for (int i = 0; i < 100; ++i) {
      const std::string key = std::to_string(100 + i);
      const std::string& content = i == replaced ? image + "more" : image;
      fs::create_directories(folder_ / "images" / "a");
      write_file(folder_ / "images" / "a" / (key + ".png"), content);
      tar += tar_member(key + ".png", content);
    }
    write_file(folder_ / "a.tar", tar + tar_end());
    return std::pair(open_source(folder_ / "images")->fingerprint(),
                     open_source(folder_ / "a.tar")->fingerprint());
  };
  const auto [of_images, of_tar] = fingerprint_with(-1);
  for (const int replaced : {0, 49, 50, 51, 98, 99}) {
    const auto [images, tar] = fingerprint_with(replaced);
    EXPECT_NE(images, of_images) << replaced;
    EXPECT_NE(tar, of_tar) << replaced;
  }
}

TEST_F(FingerprintTest, OfImagesDoesNotDependOnTheSizeAskedFor) {
  write_images(folder_.path(), 0);
  const std::uint64_t plain = open_source(folder_.path())->fingerprint();
  EXPECT_EQ(open_source(folder_.path(), {.image_size = ImageSize{2, 2}})->fingerprint(), plain);
}

// The samples are the same, wherever they come from.
TEST_F(FingerprintTest, OfFilesAndOfMemoryIsTheSame) {
  const std::string inputs = numbers(200);
  write_file(folder_ / "a.npy", npy({20, 10}, inputs));
  const auto bytes = std::as_bytes(std::span(inputs));
  const auto memory = open_memory(bytes, {}, open_source(folder_ / "a.npy")->spec());
  EXPECT_EQ(open_source(folder_ / "a.npy")->fingerprint(), memory->fingerprint());
}

TEST_F(FingerprintTest, SubsetsHaveTheirOwn) {
  for (const Kind& kind : kKinds) {
    const std::string folder = kind.name;
    const std::uint64_t whole = fingerprint_in(kind, folder, 0);
    const auto of = [&](std::vector<std::uint64_t> indices) {
      const auto source = open_source(folder_ / folder / kind.file, kind.options);
      return subset(source, std::move(indices))->fingerprint();
    };
    EXPECT_EQ(of({0, 1}), of({0, 1})) << kind.name;
    const std::set<std::uint64_t> all{whole, of({0, 1}), of({1, 0}), of({0}), of({0, 0}), of({})};
    EXPECT_EQ(all.size(), 6U) << kind.name;
    EXPECT_NE(fingerprint_in(kind, folder + " changed", 1), whole);
    const auto changed = open_source(folder_ / (folder + " changed") / kind.file, kind.options);
    EXPECT_NE(subset(changed, {0, 1})->fingerprint(), of({0, 1})) << kind.name;
  }
}

TEST_F(FingerprintTest, AFileThatWasShortenedIsAnError) {
  write_file(folder_ / "a.npy", npy({20, 10}, numbers(200)));
  const auto source = open_source(folder_ / "a.npy");
  fs::resize_file(folder_ / "a.npy", 10);
  expect_error([&] { (void)source->fingerprint(); }, ErrorCode::io, {"a.npy", "shortened"});
}

/// A source of a user's own.
class Numbers : public SampleSource {
 public:
  explicit Numbers(std::size_t size, DataType dtype = DataType::uint64)
      : size_(size), dtype_(dtype) {}
  [[nodiscard]] SampleSpec spec() const override {
    return {.input_shape = {}, .input_dtype = dtype_, .label_shape = {0}};
  }
  [[nodiscard]] std::size_t size() const override { return size_; }
  void read(const ReadContext& /*context*/, SampleView& /*into*/) const override {}

 private:
  std::size_t size_;
  DataType dtype_;
};

class Unknown final : public Numbers {
 public:
  using Numbers::Numbers;
  [[nodiscard]] std::uint64_t fingerprint() const override { return 0; }
};

TEST(FingerprintDefault, IsOfSpecAndSize) {
  EXPECT_EQ(Numbers(5).fingerprint(), Numbers(5).fingerprint());
  EXPECT_NE(Numbers(5).fingerprint(), 0U);
  EXPECT_NE(Numbers(5).fingerprint(), Numbers(6).fingerprint());
  EXPECT_NE(Numbers(5).fingerprint(), Numbers(5, DataType::int64).fingerprint());
}

TEST(FingerprintDefault, SubsetOfAnUnknownSetIsUnknown) {
  EXPECT_EQ(subset(std::make_shared<Unknown>(5), {1, 2})->fingerprint(), 0U);
  EXPECT_NE(subset(std::make_shared<Numbers>(5), {1, 2})->fingerprint(), 0U);
}

}  // namespace
}  // namespace headrace::test
