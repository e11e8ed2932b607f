// SPDX-License-Identifier: Apache-2.0
#include "cli/unfinished.h"

#include "headrace/error.h"

#include "cli/files.h"
#include "cli/renaming.h"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostJournalBytes = std::uint64_t{1} << 20;  // Far more than any has.

[[noreturn]] void fail(std::string_view what, const fs::path& path, int error) {
  throw Error(ErrorCode::io,
              fmt::format("Cannot {} '{}': {}.",
                          what,
                          path.string(),
                          std::error_code(error, std::generic_category()).message()));
}

fs::path name_beside(const fs::path& target) {
  fs::path path = target;
  path += ".unfinished";
  return path;
}

/// Whether `descriptor` is the file that is called `path` now.
bool is_at(int descriptor, const fs::path& path) {
  struct stat one {};
  struct stat other {};
  return ::fstat(descriptor, &one) == 0 && ::stat(path.c_str(), &other) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

bool Unfinished::is_left(const fs::path& target) {
  std::error_code ignored;  // What is wrong there is told by making it.
  return fs::exists(fs::symlink_status(name_beside(target), ignored));
}

Unfinished::Unfinished(const fs::path& target) : path_(name_beside(target)) {
  constexpr int kMostTried = 1000;  // Another process may remove what was just made.
  for (int i = 0; i < kMostTried && lock_ < 0; ++i) {
    if (::mkdir(path_.c_str(), 0777) != 0 && errno != EEXIST) {
      fail("make folder", path_, errno);
    }
    check_own();
    if (!try_lock() && i + 1 == kMostTried) {
      fail("lock", lock(), EAGAIN);
    }
  }
  try {
    put_back(target);
    if (!has_journal()) {
      clear();
    }
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

Unfinished::~Unfinished() {
  if (lock_ < 0) {
    return;
  }
  std::error_code error;
  if (const bool is_of_use = fs::exists(journal(), error); !is_of_use && !error) {
    remove();
  } else {
    ::close(lock_);
  }
}

/// Refuses a folder that pack did not make, or another user did, since it would be emptied.
void Unfinished::check_own() const {
  struct stat status {};
  const bool is_there = ::lstat(path_.c_str(), &status) == 0;
  if (is_there && !(S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() && has_only_ours())) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("'{}' is in the way: it is no unfinished work of pack.", path_.string()));
  }
}

/// Whether everything in the folder is called as what is put there.
bool Unfinished::has_only_ours() const {
  std::error_code error;
  for (auto entry = fs::directory_iterator(path_, error);
       !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    // A journal that is being written has a longer name.
    if (name != kLock && name != kParts && name != kReplaced && !name.starts_with(kJournal)) {
      return false;
    }
  }
  return !error || error == std::errc::no_such_file_or_directory;
}

/// \returns false when another process removed the folder meanwhile.
bool Unfinished::try_lock() {
  const int descriptor = ::open(lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor < 0 && errno != ENOENT) {
    fail("lock", lock(), errno);
  }
  if (descriptor < 0) {
    return false;
  }
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(descriptor);
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Another process is packing into '{}'.", path_.string()));
  }
  // Other errors: the file system has no locks.
  if (!is_at(descriptor, lock())) {
    ::close(descriptor);
    return false;
  }
  lock_ = descriptor;
  return true;
}

void Unfinished::put_back(const fs::path& target) const {
  std::error_code error;
  if (!fs::exists(replaced(), error)) {
    return;
  }
  if (!fs::exists(fs::symlink_status(target, error))) {
    take_name(replaced(), target, false);
    flush_folder_of(target);
  } else {
    fs::remove_all(replaced(), error);
  }
}

bool Unfinished::has_journal() const {
  return fs::exists(journal());
}

PackJournal Unfinished::load() const {
  try {
    return pack_journal_from(read_file(journal(), kMostJournalBytes));
  } catch (const Error& error) {
    throw Error(error.code(),
                fmt::format("The journal '{}' cannot be read ({}); --force without --resume "
                            "begins anew.",
                            journal().string(),
                            error.what()));
  }
}

void Unfinished::save(const PackJournal& content) const {
  flush_folder_of(parts() / "any");
  save_anew(content);
}

void Unfinished::save_anew(const PackJournal& content) const {
  replace_file(journal(), to_json(content));
}

/// Removes all but journal and lock.
void Unfinished::empty() const {
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    if (entry.path() != lock() && entry.path() != journal()) {
      fs::remove_all(entry.path());
    }
  }
}

void Unfinished::clear() const {
  try {
    fs::remove(journal());  // First: it must not speak of parts that are gone.
    empty();
    fs::create_directory(parts());
    flush_folder_of(parts());
    flush_folder_of(path_);
  } catch (const fs::filesystem_error& error) {
    fail("empty folder", path_, error.code().value());
  }
}

void Unfinished::remove() noexcept {
  try {
    empty();
    fs::remove(journal());  // Late: until then a run that goes on finds that all is done.
    fs::remove(lock());
    ::close(std::exchange(lock_, -1));
    std::error_code ignored;  // Another process may be in it already.
    fs::remove(path_, ignored);
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the next run empties it
  }
}

std::uint64_t inode_of(const fs::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace headrace::cli
