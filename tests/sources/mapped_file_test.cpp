// SPDX-License-Identifier: Apache-2.0
#include "sources/mapped_file.h"

#include "headrace/source.h"

#include "sample_reading.h"
#include "sources/row_source.h"

#include <fstream>
#include <iterator>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace headrace::test {
namespace {

using sources::MappedFile;

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, GivesTheContent) {
  const TempDir dir;
  write_file(dir / "a", "some bytes");
  EXPECT_EQ(text_of(MappedFile(dir / "a")), "some bytes");
  write_file(dir / "empty", "");
  EXPECT_TRUE(MappedFile(dir / "empty").bytes().empty());
}

TEST(MappedFile, OutlivesTheNameOfTheFile) {
  const TempDir dir;
  write_file(dir / "a", "some bytes");
  const MappedFile file(dir / "a");
  std::filesystem::remove(dir / "a");
  EXPECT_EQ(text_of(file), "some bytes");
  EXPECT_NO_THROW(file.check_not_shortened());
}

TEST(MappedFile, SaysWhyItCannotBeOpened) {
  const TempDir dir;
  expect_error([&] { open_source(dir / "missing"); },
               ErrorCode::io,
               {(dir / "missing").string(), "No such file"});
  expect_error([&] { open_source(""); }, ErrorCode::io, {"No such file"});
  write_file(dir / "file", "x");
  expect_error([&] { open_source(dir / "file" / "a"); }, ErrorCode::io, {"Not a directory"});
  std::filesystem::create_symlink(dir / "loop", dir / "loop");
  expect_error([&] { open_source(dir / "loop"); }, ErrorCode::io, {"symbolic links"});
  expect_error([&] { open_source(dir / std::string(300, 'n')); }, ErrorCode::io, {"name too long"});
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
  const TempDir dir;
  constexpr auto kUnsupported = ErrorCode::unsupported;
  expect_error(
      [&] { MappedFile file(dir.path()); }, kUnsupported, {dir.path().string(), "a folder"});
  // A pipe without a writer must not keep the caller waiting.
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  expect_error(
      [&] { open_source(dir / "pipe"); }, kUnsupported, {(dir / "pipe").string(), "a pipe"});
  expect_error([] { open_source("/dev/zero"); }, kUnsupported, {"'/dev/zero'", "a device"});
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (dir / "socket").string();
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  const sources::FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(socket.number(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  expect_error([&] { open_source(path); }, kUnsupported, {path, "a socket"});
}

TEST(MappedFile, ClosesAndUnmapsWhatItOpened) {
  const TempDir dir;
  write_npy(dir / "a.npy", {2}, std::vector<std::uint8_t>{1, 2});
  write_file(dir / "bad.npy", "text");
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_files();
  for (int i = 0; i < 50; ++i) {
    open_source(dir / "a.npy");
    EXPECT_THROW(open_source(dir / "bad.npy"), Error);
  }
  EXPECT_EQ(open_files(), before);
  std::ifstream maps("/proc/self/maps");
  const std::string mappings((std::istreambuf_iterator<char>(maps)), {});
  EXPECT_FALSE(mappings.empty());
  EXPECT_EQ(mappings.find(dir.path().string()), std::string::npos);
}

TEST(MappedFile, ShorteningIsReportedToThoseWhoAsk) {
  const TempDir dir;
  write_npy(dir / "inputs.npy", {2}, std::vector<std::uint8_t>{1, 2});
  write_npy(dir / "labels.npy", {2}, std::vector<std::uint8_t>{1, 2});
  const auto source = subset(open_source(dir.path()), {1});
  const auto& rows = dynamic_cast<const sources::RowSource&>(*source);
  EXPECT_NO_THROW(rows.check_files());
  std::filesystem::resize_file(dir / "labels.npy", 1000);
  EXPECT_NO_THROW(rows.check_files());
  std::filesystem::resize_file(dir / "labels.npy", 129);
  expect_error([&] { rows.check_files(); },
               ErrorCode::io,
               {(dir / "labels.npy").string(), "had 130 bytes", "has 129"});
}

}  // namespace
}  // namespace headrace::test
