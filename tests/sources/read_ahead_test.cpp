// SPDX-License-Identifier: Apache-2.0
// Samples that a source is asked for come into the page cache before they are read.
#include "headrace/source.h"

#include "image_writing.h"
#include "sources/file_backed.h"
#include "support/tar_writer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace headrace::test {
namespace {

constexpr std::size_t kRows = 4096;
constexpr std::size_t kRowBytes = 4096;

/// How much of a file is in the page cache, and how to have none of it.
class CachedFile {
 public:
  explicit CachedFile(const std::filesystem::path& path)
      : file_(::open(path.c_str(), O_RDONLY)), size_(std::filesystem::file_size(path)) {}
  CachedFile(const CachedFile&) = delete;
  CachedFile& operator=(const CachedFile&) = delete;
  ~CachedFile() { ::close(file_); }

  /// What is mapped and was looked at stays, and all in a file system that is in memory.
  void drop() const {
    ::fsync(file_);
    ::posix_fadvise(file_, 0, 0, POSIX_FADV_DONTNEED);
  }

  [[nodiscard]] std::size_t cached_pages(std::size_t begin, std::size_t size) const {
    constexpr std::size_t kPage = 4096;
    begin = begin / kPage * kPage;
    void* const mapped = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file_, 0);
    std::vector<unsigned char> pages((size + kPage - 1) / kPage);
    ::mincore(static_cast<std::byte*>(mapped) + begin, size, pages.data());
    ::munmap(mapped, size_);
    return static_cast<std::size_t>(
        std::ranges::count_if(pages, [](unsigned char page) { return (page & 1U) != 0; }));
  }

  /// Waits until a byte is there, for a request is not waited for by who makes it. \returns Whether
  /// it came.
  [[nodiscard]] bool wait_for(std::size_t byte) const {
    for (int i = 0; i < 10'000 && cached_pages(byte, 1) == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return cached_pages(byte, 1) != 0;
  }

 private:
  int file_;
  std::size_t size_;
};

class SourceReadAhead : public testing::Test {
 protected:
  /// Asks for `sample`, of which byte `begin` of the file at `path` is one, and waits for it.
  static void expect_brought_in(const std::shared_ptr<SampleSource>& source,
                                std::uint64_t sample,
                                const std::filesystem::path& path,
                                std::size_t begin) {
    const CachedFile file(path);
    file.drop();
    if (file.cached_pages(begin, 1) != 0) {
      GTEST_SKIP() << "the file system of " << path << " keeps its files in memory";
    }
    const auto* const files = dynamic_cast<const sources::FileBacked*>(source.get());
    ASSERT_NE(files, nullptr);
    const std::uint64_t reads = files->storage_reads();
    files->will_need({});
    EXPECT_EQ(files->storage_reads(), reads);
    files->will_need({&sample, 1});
    EXPECT_TRUE(file.wait_for(begin));
    EXPECT_GT(files->storage_reads(), reads);
  }

  TempDir dir_;
};

std::string rows() {
  std::string bytes(kRows * kRowBytes, '\0');
  for (std::size_t i = 0; i < bytes.size(); i += 7) {
    bytes[i] = static_cast<char>(i);
  }
  return bytes;
}

TEST_F(SourceReadAhead, OfRowsAndSubsetsOfThem) {
  const std::filesystem::path path = dir_ / "x.npy";
  write_file(path, npy_file(npy_dictionary("|u1", {kRows, kRowBytes}), rows()));
  const auto source = open_source(path);
  expect_brought_in(source, 3000, path, 3000 * kRowBytes + 128);
  expect_brought_in(subset(source, {5, 2000}), 1, path, 2000 * kRowBytes + 128);
}

TEST_F(SourceReadAhead, OfRowsThatAreSwapped) {
  const std::filesystem::path path = dir_ / "x.npy";
  write_file(path, npy_file(npy_dictionary(">u2", {kRows, kRowBytes / 2}), rows()));
  const auto source = open_source(path);
  expect_brought_in(source, 3000, path, 3000 * kRowBytes + 128);
  expect_brought_in(subset(source, {5, 2000}), 1, path, 2000 * kRowBytes + 128);
}

TEST_F(SourceReadAhead, OfRawRecords) {
  const std::filesystem::path path = dir_ / "x.bin";
  write_file(path, rows());
  const SampleSpec spec{.input_shape = Shape{kRowBytes - 8},
                        .input_dtype = DataType::uint8,
                        .label_shape = {},
                        .label_dtype = DataType::int64,
                        .fields = {}};
  expect_brought_in(open_source(path, {.raw = spec}), 3000, path, 3000 * kRowBytes);
}

TEST_F(SourceReadAhead, OfMembersOfAnArchive) {
  constexpr std::size_t kBytes = std::size_t{8} << 20;
  const std::filesystem::path path = dir_ / "x.tar";
  const std::string member = npy_file(npy_dictionary("|u1", {kBytes}), std::string(kBytes, 'x'));
  std::string shard;
  std::size_t last = 0;
  for (int i = 0; i < 4; ++i) {
    last = shard.size();
    shard += tar_member(std::to_string(i) + ".npy", member);
  }
  write_file(path, shard + tar_end());
  expect_brought_in(open_source(path), 3, path, last + kBytes / 2);
}

TEST_F(SourceReadAhead, OfImageFiles) {
  const ImageDir images;
  for (const char* name : {"a/0.png", "a/1.png", "b/2.png"}) {
    images.add(name, png_file(smooth_picture(300, 200)));
  }
  expect_brought_in(images.open(), 2, images.path("b/2.png"), 0);
}

TEST_F(SourceReadAhead, OfAFileThatIsGoneSaysNothing) {
  const ImageDir images;
  images.add("a/0.png", png_file(smooth_picture(30, 20)));
  const auto source = images.open();
  std::filesystem::remove(images.path("a/0.png"));
  const std::uint64_t sample = 0;
  dynamic_cast<const sources::FileBacked&>(*source).will_need({&sample, 1});
  EXPECT_THROW(read_sample(*source, 0), Error);
}

}  // namespace
}  // namespace headrace::test
