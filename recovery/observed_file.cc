#include "batonstore/recovery/observed_file.h"

#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/page_file.h"
#include "batonstore/recovery/structure_check.h"
#include "batonstore/store/open_environments.h"
#include "batonstore/store/schema.h"

namespace batonstore::recovery {
namespace {

absl::Status CheckMetaPages(const std::string& data_file) {
  absl::Status sound;
  for (int look = 0; look < kLooks; ++look) {
    BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<PageFile> file, PageFile::Open(data_file));
    sound = FindLastSnapshot(*file).status();
    if (sound.ok()) break;
  }
  return sound;
}

LmdbEnvironment::Options ForReading(const std::string& directory) {
  LmdbEnvironment::Options options;
  options.directory = directory;
  options.read_only = true;
  options.map_bytes = 1 << 20;  // LMDB takes as much as the file has
  options.max_map_bytes = uint64_t{1} << 46;
  options.max_readers = 1024;
  options.max_tables = kAllTables.size();
  return options;
}

absl::StatusOr<std::unique_ptr<StoreLock>> LockAsObserver(const std::string& directory) {
  absl::StatusOr<std::unique_ptr<StoreLock>> lock =
      StoreLock::Acquire(directory, StoreLock::Role::kObserver);
  if (VerdictOf(lock.status()) != Verdict::kNotFound) return lock;
  return Refuse(Verdict::kWrongFormat, absl::StrCat(directory, " has no ", StoreLock::kFileName,
                                                    " and is not a batonstore"));
}

}  // namespace

ObservedFile::ObservedFile(const std::string& directory) : data_file_(directory + "/data.mdb") {}

ObservedFile::~ObservedFile() { held_ = nullptr; }

absl::StatusOr<std::unique_ptr<ObservedFile>> ObservedFile::Open(const std::string& directory) {
  auto observed = std::unique_ptr<ObservedFile>(new ObservedFile(directory));
  std::error_code error;
  const bool exists = std::filesystem::exists(observed->data_file_, error);
  if (error) return SystemError(error.value(), absl::StrCat("stat ", directory));
  if (!exists) return Refuse(Verdict::kNotFound, absl::StrCat("there is no store in ", directory));
  BATONSTORE_ASSIGN_OR_RETURN(auto registration,
                              OpenEnvironment::Register(directory, [held = &observed->held_] {
                                if (StoreLock* const copy = *held) copy->CloseInForkedChild();
                              }));
  BATONSTORE_ASSIGN_OR_RETURN(observed->lock_, LockAsObserver(directory));
  observed->held_ = observed->lock_.get();
  BATONSTORE_RETURN_IF_ERROR(CheckMetaPages(observed->data_file_));
  BATONSTORE_ASSIGN_OR_RETURN(
      observed->environment_,
      LmdbEnvironment::Open(ForReading(directory), std::move(registration)));
  return observed;
}

}  // namespace batonstore::recovery
