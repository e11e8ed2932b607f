// SPDX-License-Identifier: Apache-2.0
// What of unfinished work is on the disk, by the folders that were flushed.
#include "cli/unfinished.h"

#include "program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace headrace::test {
namespace {

/// What was flushed, by its inode.
std::vector<ino_t>& flushed() {
  static std::vector<ino_t> inodes;
  return inodes;
}

}  // namespace
}  // namespace headrace::test

/// Takes the place of the C library's, in this program alone.
extern "C" int fsync(int file) {
  struct stat status {};
  if (::fstat(file, &status) == 0) {
    headrace::test::flushed().push_back(status.st_ino);
  }
  return static_cast<int>(::syscall(SYS_fsync, file));
}

namespace headrace::test {
namespace {

// The names on the way to a journal, from the folder that the target is in.
TEST(Unfinished, ItsOwnNameIsOnTheDiskBeforeItsJournal) {
  const TempDir folder;
  const cli::Unfinished work(folder / "x");
  const std::vector<ino_t> before = std::exchange(flushed(), {});
  EXPECT_EQ(std::ranges::count(before, cli::inode_of(folder.path())), 1);
  EXPECT_EQ(std::ranges::count(before, cli::inode_of(work.path())), 1);
  work.save({.options = {}, .source = {}});
  EXPECT_EQ(std::ranges::count(flushed(), cli::inode_of(work.parts())), 1);
  EXPECT_EQ(std::ranges::count(flushed(), cli::inode_of(work.path())), 1);
}

}  // namespace
}  // namespace headrace::test
