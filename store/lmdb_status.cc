#include "batonstore/store/lmdb_status.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "libraries/liblmdb/lmdb.h"

namespace batonstore {
namespace {

Verdict VerdictForErrno(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return Verdict::kFull;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return Verdict::kTooMany;
    case EAGAIN:
    case EBUSY:
      return Verdict::kBusy;
    default:
      return Verdict::kIo;
  }
}

Verdict VerdictFor(int code) {
  switch (code) {
    case MDB_KEYEXIST:
      return Verdict::kExists;
    case MDB_NOTFOUND:
      return Verdict::kNotFound;
    case MDB_PAGE_NOTFOUND:
    case MDB_CORRUPTED:
    case MDB_CURSOR_FULL:  // a tree deeper than any healthy one
    case MDB_PAGE_FULL:
      return Verdict::kCorrupt;
    case MDB_PANIC:
    case MDB_BAD_TXN:
      return Verdict::kPoisoned;
    case MDB_VERSION_MISMATCH:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
      return Verdict::kWrongFormat;
    case MDB_MAP_FULL:
      return Verdict::kFull;
    case MDB_READERS_FULL:
    case MDB_TLS_FULL:
    case MDB_TXN_FULL:
      return Verdict::kTooMany;
    case MDB_MAP_RESIZED:
      return Verdict::kBusy;
    case MDB_DBS_FULL:
    case MDB_BAD_RSLOT:
    case MDB_BAD_VALSIZE:
    case MDB_BAD_DBI:
      return Verdict::kInvalid;
    default:
      return VerdictForErrno(code);
  }
}

}  // namespace

absl::Status LmdbStatus(int code, absl::string_view call) {
  if (code == MDB_SUCCESS) return absl::OkStatus();
  return Refuse(VerdictFor(code), absl::StrCat(call, ": ", mdb_strerror(code)));
}

Fault FaultInTransaction(int code) {
  switch (code) {
    case MDB_SUCCESS:
      return Fault::kNone;
    case MDB_MAP_FULL:
      return Fault::kMapFull;
    case MDB_TXN_FULL:
      return Fault::kTooBig;
    case ENOMEM:
      return Fault::kNoMemory;
    default:
      return Fault::kFailed;
  }
}

Fault FaultInCommit(int code) {
  const Fault fault = FaultInTransaction(code);
  return fault == Fault::kFailed || fault == Fault::kNoMemory ? Fault::kUnknown : fault;
}

}  // namespace batonstore
