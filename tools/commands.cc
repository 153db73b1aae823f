#include "batonstore/tools/commands.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/backup.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/restore.h"
#include "batonstore/recovery/salvage.h"
#include "batonstore/recovery/verify.h"
#include "batonstore/store/event_log.h"
#include "batonstore/tools/answers.h"
#include "batonstore/tools/describe.h"
#include "batonstore/tools/field_word.h"
#include "batonstore/tools/progress.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

using recovery::Observer;
using recovery::Store;

absl::StatusOr<std::unique_ptr<Observer>> Observe(const StoreLocation& location) {
  return recovery::OpenReadOnly(OpenOptions(location, /*create_if_missing=*/false));
}

// Opens the store, does the work, closes it, and adds to the answer what the opening did.
Answer AsOwnerOf(const StoreLocation& location, absl::FunctionRef<Answer(Store&)> work) {
  recovery::Options options = OpenOptions(location, /*create_if_missing=*/false);
  options.sweep_every = absl::InfiniteDuration();  // nothing but the work
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, recovery::Open(options));
  BATONSTORE_ASSIGN_OR_RETURN(JsonObject answer, work(*store));
  BATONSTORE_RETURN_IF_ERROR(store->Close());
  return answer.Object("recovery", Describe(store->report()));
}

Answer AsOwner(const StoreLocation& location, absl::FunctionRef<Answer(SessionStore&)> work) {
  return AsOwnerOf(location, [&](Store& store) { return work(store.sessions()); });
}

// Of what tells how far it is, from 0 to 1.
class ProgressPart {
 public:
  explicit ProgressPart(const std::string& what) : bar_(what, kSteps) {}

  void Show(double done) {
    const auto steps = static_cast<uint64_t>(done * kSteps);
    if (steps > shown_) bar_.Advance(steps - shown_);
    shown_ = std::max(shown_, steps);
  }

 private:
  static constexpr uint64_t kSteps = 1000;

  Progress bar_;
  uint64_t shown_ = 0;
};

recovery::KeySource KeyIn(const std::string& file) {
  return file.empty() ? recovery::KeySource() : recovery::KeyFromFile(file);
}

Answer RotateDataKey(SessionStore& sessions) {
  // One that was cut off is finished first.
  const absl::Status rotated = sessions.RotateDataKey();
  if (VerdictOf(rotated) != Verdict::kBusy) BATONSTORE_RETURN_IF_ERROR(rotated);
  ProgressPart progress("sealing");
  for (;;) {
    BATONSTORE_ASSIGN_OR_RETURN(const ResealProgress resealed, sessions.Reseal());
    if (!resealed.is_rotating) return Ok().Flag("finished_earlier_one", !rotated.ok());
    progress.Show(static_cast<double>(resealed.done) /
                  static_cast<double>(std::max<uint64_t>(resealed.total, 1)));
  }
}

absl::StatusOr<std::optional<Alias>> ParseAliasIfGiven(const std::optional<std::string>& text) {
  if (!text.has_value()) return std::nullopt;
  return ParseAlias(*text);
}

// Said before the store is opened, since opening one is a change already.
absl::Status CheckConsumerName(const std::string& name) {
  if (!name.empty() && name.size() <= kMaxConsumerNameBytes) return absl::OkStatus();
  return Refuse(Verdict::kInvalid,
                absl::StrCat("a consumer's name has 1 to ", kMaxConsumerNameBytes, " bytes"));
}

std::string ShortTime(absl::Time time) {
  return TimeText(
      time == absl::InfiniteFuture() ? time : absl::FromUnixSeconds(absl::ToUnixSeconds(time)));
}

constexpr char kHeadings[] =
    "ALIAS             STATE        KIND  PRINCIPAL         DATABASE          "
    "EXPIRES               LABEL";

std::string TableRow(const Session& session) {
  return absl::StrFormat("%s  %-8s %8d  %-16s  %-16s  %-20s  %s", session.alias.ToString(),
                         StateName(session.state), session.kind, Printable(session.principal),
                         Printable(session.database), ShortTime(session.expires_at),
                         Printable(session.label));
}

void PrintPage(const std::vector<Session>& sessions, ListFormat format, std::ostream& out) {
  for (const Session& session : sessions) {
    out << (format == ListFormat::kTable ? TableRow(session) : Describe(session).ToLine()) << "\n";
  }
  out.flush();
}

// Only where the sessions themselves do not show that something happens.
uint64_t ProgressTotal(const SessionReader& sessions, const ListRequest& request) {
  const absl::StatusOr<StoreStats> stats = sessions.Stats();
  if (isatty(STDOUT_FILENO) == 1 || !stats.ok()) return 0;
  return std::min(stats->sessions, request.limit.value_or(stats->sessions));
}

absl::StatusOr<JsonObject> ShowSession(const SessionReader& sessions,
                                       const absl::StatusOr<Session>& session) {
  BATONSTORE_RETURN_IF_ERROR(session.status());
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<Alias> members,
                              sessions.GroupMembers(session->group));
  std::vector<std::string> names;
  for (const Alias member : members) names.push_back(member.ToString());
  return Ok().Object("session", Describe(*session).Texts("group_members", names));
}

}  // namespace

recovery::Options OpenOptions(const StoreLocation& location, bool create_if_missing) {
  recovery::Options options;
  options.directory = location.directory;
  options.create_if_missing = create_if_missing;
  options.policy = location.policy;
  options.key_encryption_key = KeyIn(location.key_file);
  return options;
}

absl::StatusOr<JsonObject> List(const StoreLocation& location, const ListRequest& request,
                                ListFormat format, std::ostream& out) {
  BATONSTORE_ASSIGN_OR_RETURN(std::optional<Alias> after, ParseAliasIfGiven(request.after));
  BATONSTORE_ASSIGN_OR_RETURN(const auto observer, Observe(location));
  const SessionReader& sessions = observer->sessions();
  Progress progress("listing", ProgressTotal(sessions, request));
  if (format == ListFormat::kTable) out << kHeadings << "\n";
  uint64_t listed = 0;
  do {
    const uint64_t left = request.limit.value_or(UINT64_MAX) - listed;
    BATONSTORE_ASSIGN_OR_RETURN(
        const ListPage page,
        sessions.List(request.filter, std::min<uint64_t>(left, kMaxPageSize), after));
    PrintPage(page.sessions, format, out);
    listed += page.sessions.size();
    progress.Advance(page.sessions.size());
    after = page.next;
  } while (after.has_value() && listed != request.limit && out.good());
  JsonObject summary = Ok().Number("listed", listed);
  return after.has_value() ? summary.Text("next", after->ToString()) : summary.Null("next");
}

absl::StatusOr<JsonObject> Show(const StoreLocation& location, const std::string& alias) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias parsed, ParseAlias(alias));
  BATONSTORE_ASSIGN_OR_RETURN(const auto observer, Observe(location));
  return ShowSession(observer->sessions(), observer->sessions().Find(parsed));
}

absl::StatusOr<JsonObject> ShowByPublicKey(const StoreLocation& location, const std::string& key) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::string bytes, ParseHex(key));
  BATONSTORE_ASSIGN_OR_RETURN(const auto observer, Observe(location));
  return ShowSession(observer->sessions(), observer->sessions().FindByPublicKey(bytes));
}

absl::StatusOr<JsonObject> Get(const StoreLocation& location, const std::string& alias,
                               const std::optional<std::string>& field) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias parsed, ParseAlias(alias));
  if (field.has_value()) BATONSTORE_RETURN_IF_ERROR(CheckFieldName(*field));
  BATONSTORE_ASSIGN_OR_RETURN(const auto observer, Observe(location));
  return GetFields(observer->sessions(), parsed, field);
}

absl::StatusOr<JsonObject> Stats(const StoreLocation& location) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto observer, Observe(location));
  BATONSTORE_ASSIGN_OR_RETURN(const StoreStats stats, observer->sessions().Stats());
  return Ok().Object("stats", Describe(stats));
}

absl::StatusOr<Verified> VerifyStore(const StoreLocation& location) {
  ProgressPart progress("verifying");
  recovery::VerifyRequest request;
  request.directory = location.directory;
  request.key_encryption_key = KeyIn(location.key_file);
  request.progress = [&](double done) { progress.Show(done); };
  BATONSTORE_ASSIGN_OR_RETURN(const recovery::VerifyReport report, recovery::Verify(request));
  Verified verified{Describe(report.ToStatus()), report.is_sound()};
  verified.answer.Object("verification", Describe(report));
  return verified;
}

absl::StatusOr<JsonObject> BackUp(const StoreLocation& location, const std::string& file) {
  ProgressPart progress("verifying the copy");
  BATONSTORE_ASSIGN_OR_RETURN(const recovery::BackupReport report,
                              recovery::Backup({location.directory, file, KeyIn(location.key_file),
                                                [&](double done) { progress.Show(done); }}));
  return Ok()
      .Text("backup", file)
      .Number("sessions", report.sessions)
      .Number("bytes", report.bytes);
}

absl::StatusOr<JsonObject> RestoreStore(const StoreLocation& location, const Restoring& restoring) {
  ProgressPart progress("verifying");
  recovery::RestoreRequest request;
  request.file = restoring.file;
  request.directory = location.directory;
  request.key_encryption_key = KeyIn(location.key_file);
  request.next_key_encryption_key = KeyIn(restoring.next_key_file);
  request.revoke_everything = restoring.revoke_everything;
  request.progress = [&](double done) { progress.Show(done); };
  BATONSTORE_ASSIGN_OR_RETURN(const recovery::RestoreReport report, recovery::Restore(request));
  return Ok().Number("sessions", report.sessions).Number("revoked", report.revoked);
}

absl::StatusOr<JsonObject> SalvageStore(const StoreLocation& location, const Restoring& restoring,
                                        bool keep_doubtful) {
  ProgressPart progress("verifying");
  recovery::SalvageRequest request;
  request.file = restoring.file;
  request.directory = location.directory;
  request.key_encryption_key = KeyIn(location.key_file);
  request.next_key_encryption_key = KeyIn(restoring.next_key_file);
  request.keep_doubtful = keep_doubtful;
  request.progress = [&](double done) { progress.Show(done); };
  BATONSTORE_ASSIGN_OR_RETURN(const recovery::SalvageReport report, recovery::Salvage(request));
  std::vector<std::string> lost;
  for (const recovery::Finding& finding : report.lost) lost.push_back(finding.ToString());
  return Ok()
      .Number("sessions", report.sessions)
      .Number("revoked", report.revoked)
      .Number("losses", report.losses)
      .Texts("lost", lost);
}

absl::StatusOr<JsonObject> Rotate(const StoreLocation& location, WhichKey which,
                                  const std::string& next_key_file) {
  return AsOwnerOf(location, [&](Store& store) -> Answer {
    if (which == WhichKey::kData) return RotateDataKey(store.sessions());
    if (which == WhichKey::kSigning) {
      BATONSTORE_ASSIGN_OR_RETURN(const uint32_t id, store.sessions().RotateSigningKey());
      return Ok().Number("signing_key", id);
    }
    BATONSTORE_RETURN_IF_ERROR(store.RotateKeyEncryptionKey(KeyIn(next_key_file)));
    return Ok();
  });
}

absl::StatusOr<JsonObject> ListPending(const StoreLocation& location, std::optional<uint64_t> limit,
                                       const std::optional<std::string>& after) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Alias> from, ParseAliasIfGiven(after));
  BATONSTORE_ASSIGN_OR_RETURN(const auto observer, Observe(location));
  return Compensations(observer->sessions(), limit, from);
}

absl::StatusOr<JsonObject> Set(const StoreLocation& location, const std::string& alias,
                               const SetRequest& request) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias parsed, ParseAlias(alias));
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<FieldWord> words, ParseFieldWords(request.words));
  BATONSTORE_ASSIGN_OR_RETURN(const Fields fields, FieldsToSet(words, request.secret));
  return AsOwner(location, [&](SessionStore& sessions) {
    return SetFields(sessions, parsed, fields, request.if_version);
  });
}

absl::StatusOr<JsonObject> Merge(const StoreLocation& location, const std::string& alias,
                                 const std::vector<std::string>& words) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias parsed, ParseAlias(alias));
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<FieldWord> parsed_words, ParseFieldWords(words));
  BATONSTORE_ASSIGN_OR_RETURN(const Changes changes, ChangesOf(parsed_words));
  return AsOwner(
      location, [&](SessionStore& sessions) { return VersionOr(sessions.Merge(parsed, changes)); });
}

absl::StatusOr<JsonObject> Touch(const StoreLocation& location, const std::string& alias) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias parsed, ParseAlias(alias));
  return AsOwner(location,
                 [&](SessionStore& sessions) { return SessionOr(sessions.Touch(parsed)); });
}

absl::StatusOr<JsonObject> Cycle(const StoreLocation& location, const std::string& alias,
                                 const CycleOptions& options) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias parsed, ParseAlias(alias));
  return AsOwner(location, [&](SessionStore& sessions) {
    return SessionOr(sessions.CycleKey(parsed, options));
  });
}

absl::StatusOr<JsonObject> Revoke(const StoreLocation& location, const std::string& alias) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias parsed, ParseAlias(alias));
  return AsOwner(location, [&](SessionStore& sessions) {
    return SessionOr(sessions.Shift(parsed, State::kRevoked));
  });
}

absl::StatusOr<JsonObject> RevokeGroup(const StoreLocation& location, const std::string& group) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias parsed, ParseAlias(group));
  return AsOwner(location, [&](SessionStore& sessions) { return RevokeMembers(sessions, parsed); });
}

absl::StatusOr<JsonObject> RevokeAll(const StoreLocation& location, const std::string& principal,
                                     const std::optional<std::string>& except) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Alias> keep, ParseAliasIfGiven(except));
  return AsOwner(location,
                 [&](SessionStore& sessions) { return RevokeAllOf(sessions, principal, keep); });
}

absl::StatusOr<JsonObject> Recover(const StoreLocation& location) {
  return AsOwner(location, [](SessionStore&) -> Answer { return Ok(); });
}

absl::StatusOr<JsonObject> SweepStore(const StoreLocation& location) {
  return AsOwner(location, [](SessionStore& sessions) { return SweepAll(sessions); });
}

absl::StatusOr<JsonObject> AcknowledgePending(const StoreLocation& location,
                                              const std::string& alias) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias parsed, ParseAlias(alias));
  return AsOwner(location,
                 [&](SessionStore& sessions) { return OkIf(sessions.Acknowledge(parsed)); });
}

absl::StatusOr<JsonObject> Events(const StoreLocation& location, const EventsRequest& request) {
  if (request.consumer.has_value()) {
    BATONSTORE_RETURN_IF_ERROR(CheckConsumerName(*request.consumer));
  }
  return AsOwner(location, [&](SessionStore& sessions) -> Answer {
    if (!request.consumer.has_value()) return EventConsumers(sessions);
    switch (request.what) {
      case EventsRequest::What::kRead:
        return UnreadEvents(sessions, *request.consumer, request.limit);
      case EventsRequest::What::kAcknowledge:
        return OkIf(sessions.events().Acknowledge(*request.consumer, request.sequence));
      case EventsRequest::What::kAdd:
        return OkIf(sessions.events().AddConsumer(*request.consumer));
      case EventsRequest::What::kRemove:
        return OkIf(sessions.events().RemoveConsumer(*request.consumer));
    }
    return Refuse(Verdict::kInvalid, "there is nothing of that kind to do with events");
  });
}

}  // namespace batonstore::tools
