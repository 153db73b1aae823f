// The shell's commands on what sessions hold: their fields.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/tools/answers.h"
#include "batonstore/tools/describe.h"
#include "batonstore/tools/field_word.h"
#include "batonstore/tools/shell_command.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

using recovery::Store;
using Words = ShellCommand::Words;

Answer Get(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  std::optional<std::string> field;
  if (line.Has("field")) {
    field = line.Get("field");
    BATONSTORE_RETURN_IF_ERROR(CheckFieldName(*field));
  }
  return GetFields(store.sessions(), alias, field);
}

Answer Set(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  BATONSTORE_ASSIGN_OR_RETURN(const bool secret, ParseFlag(line.Get("secret", "no")));
  BATONSTORE_ASSIGN_OR_RETURN(const Fields fields, FieldsToSet(*line.words, secret));
  std::optional<uint64_t> if_version;
  if (line.Has("if-version")) {
    BATONSTORE_ASSIGN_OR_RETURN(if_version, ParseNumber64(line.Get("if-version")));
  }
  return SetFields(store.sessions(), alias, fields, if_version);
}

Answer Merge(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  BATONSTORE_ASSIGN_OR_RETURN(const Changes changes, ChangesOf(*line.words));
  return VersionOr(store.sessions().Merge(alias, changes));
}

Answer SaveIf(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t version, ParseNumber64(line.Get("version")));
  BATONSTORE_ASSIGN_OR_RETURN(const Fields fields, FieldsOf(*line.words));
  return VersionOr(store.sessions().SaveIf(alias, version, fields));
}

Answer SaveOrCreate(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const SessionSpec spec, SpecOf(store, line));
  BATONSTORE_ASSIGN_OR_RETURN(const Fields fields,
                              FieldsOf(line.words.value_or(std::vector<FieldWord>())));
  BATONSTORE_ASSIGN_OR_RETURN(const Saved saved, store.sessions().SaveOrCreate(spec, fields));
  return Ok()
      .Object("session", Describe(saved.session))
      .Number("version", saved.version)
      .Flag("created", saved.created);
}

Answer Secret(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  const std::string field = line.Get("field");
  BATONSTORE_RETURN_IF_ERROR(CheckFieldName(field));
  BATONSTORE_ASSIGN_OR_RETURN(const SecretBytes value, store.sessions().Secret(alias, field));
  return Ok().Bytes("value", value.Reveal());
}

}  // namespace

std::vector<ShellCommand> FieldShellCommands() {
  return {
      {"get", {"alias"}, {"field"}, "The fields of a session, or one; secrets are withheld", Get},
      {"set",
       {"alias"},
       {"secret", "if-version"},
       "Set fields and leave the others; all as secrets (yes); CONFLICT at another version",
       Set,
       Words::kFields},
      {"merge",
       {"alias"},
       {},
       "Change fields, all or none; CONFLICT when one is not what was expected",
       Merge,
       Words::kChanges},
      {"save-if",
       {"alias", "version"},
       {},
       "Make the fields these and no others; CONFLICT at another version",
       SaveIf,
       Words::kFields},
      {"save-or-create",
       {"expires"},
       SpecKeys(),
       "Create a session with these fields, unless the idempotency key has made it already",
       SaveOrCreate,
       Words::kFieldsIfAny},
      {"secret", {"alias", "field"}, {}, "The value of a secret field, or of any other", Secret},
  };
}

}  // namespace batonstore::tools
