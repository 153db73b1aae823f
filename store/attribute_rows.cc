#include "batonstore/store/attribute_rows.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

std::string FieldKey(Alias alias, absl::string_view field) {
  return absl::StrCat(alias.ToKey(), field);
}

absl::Status CheckName(absl::string_view name) {
  if (!name.empty() && name.size() <= kMaxFieldNameBytes) return absl::OkStatus();
  return Refuse(Verdict::kInvalid, absl::StrCat("a field's name has 1 to ", kMaxFieldNameBytes,
                                                " bytes; this one has ", name.size()));
}

absl::Status CheckValue(const Value& value) {
  if (value.bytes().size() <= kMaxValueBytes) return absl::OkStatus();
  return Refuse(Verdict::kInvalid,
                absl::StrCat("a value has ", value.bytes().size(), " bytes; at most ",
                             kMaxValueBytes, " are allowed"));
}

absl::Status CheckTotals(uint64_t fields, uint64_t bytes) {
  if (fields > kMaxFields) {
    return Refuse(Verdict::kInvalid, absl::StrCat("the session would have ", fields,
                                                  " fields; at most ", kMaxFields, " are allowed"));
  }
  if (bytes > kMaxAttributesBytes) {
    return Refuse(Verdict::kInvalid,
                  absl::StrCat("the session's attributes would have ", bytes, " bytes; at most ",
                               kMaxAttributesBytes, " are allowed"));
  }
  return absl::OkStatus();
}

absl::Status NotASecret() {
  return Refuse(Verdict::kInvalid,
                "a withheld value stands for a secret that is there, and here is none");
}

absl::Status FieldConflict() {
  return Refuse(Verdict::kConflict, "a field does not have the value that was expected");
}

absl::Status PutHead(Transaction& transaction, const StoreKeys& keys, Alias alias,
                     const AttributesHead& head) {
  return PutSealed(transaction, keys, Table::kAttributes, alias.ToKey(),
                   EncodeAttributesHead(head));
}

absl::Status PutValue(Transaction& transaction, const StoreKeys& keys, absl::string_view key,
                      const Value& value) {
  std::string plaintext = EncodeValue(value);
  const absl::Cleanup wiping = [&] { WipeMemory(plaintext.data(), plaintext.size()); };
  return PutSealed(transaction, keys, Table::kAttributes, key, plaintext);
}

// The session's rows as they lie, head first.
struct Row {
  std::string key;
  std::string value;
};
absl::StatusOr<std::vector<Row>> Collect(Snapshot& snapshot, Alias alias) {
  std::vector<Row> rows;
  const std::string prefix = alias.ToKey();
  BATONSTORE_RETURN_IF_ERROR(snapshot.ScanUp(
      Table::kAttributes, prefix, [&](absl::string_view key, absl::string_view value) {
        if (!absl::StartsWith(key, prefix)) return false;
        rows.push_back({std::string(key), std::string(value)});
        return true;
      }));
  return rows;
}

// What a change makes of a field: its value from then on, or nothing.
absl::StatusOr<std::optional<Value>> Result(const Change::What& what,
                                            const std::optional<Value>& before) {
  if (const auto* set = std::get_if<Change::ToSet>(&what)) return set->value;
  if (std::holds_alternative<Change::ToRemove>(what)) return std::nullopt;
  if (const auto* cas = std::get_if<Change::ToCompareAndSet>(&what)) {
    if (!before.has_value() || before->bytes() != cas->expected) return FieldConflict();
    return cas->value;
  }
  if (const auto* absent = std::get_if<Change::ToSetIfAbsent>(&what)) {
    if (before.has_value()) return FieldConflict();
    return absent->value;
  }
  int64_t number = 0;
  if (before.has_value() && !absl::SimpleAtoi(before->bytes(), &number)) {
    return Refuse(Verdict::kInvalid, "the field to add to is not an integer of 64 bits");
  }
  if (__builtin_add_overflow(number, std::get<Change::ToAdd>(what).delta, &number)) {
    return Refuse(Verdict::kInvalid, "the sum does not fit into 64 bits");
  }
  return Value(absl::StrCat(number));
}

// A field that is secret stays so.
Value AsSecretAs(const std::optional<Value>& before, const Value& after) {
  const bool becomes_secret = before.has_value() && before->is_secret();
  return becomes_secret ? Value::Secret(after.bytes()) : after;
}

const Value* NewValue(const Change::What& what) {
  if (const auto* set = std::get_if<Change::ToSet>(&what)) return &set->value;
  if (const auto* cas = std::get_if<Change::ToCompareAndSet>(&what)) return &cas->value;
  if (const auto* absent = std::get_if<Change::ToSetIfAbsent>(&what)) return &absent->value;
  return nullptr;
}

uint64_t SizeOf(absl::string_view field, const Value& value) {
  return field.size() + value.bytes().size();
}

}  // namespace

absl::Status CheckFields(const Fields& fields) {
  uint64_t bytes = 0;
  for (const auto& [field, value] : fields) {
    BATONSTORE_RETURN_IF_ERROR(CheckName(field));
    BATONSTORE_RETURN_IF_ERROR(CheckValue(value));
    bytes += SizeOf(field, value);
  }
  return CheckTotals(fields.size(), bytes);
}

absl::Status CheckChanges(const Changes& changes) {
  for (const auto& [field, change] : changes) {
    BATONSTORE_RETURN_IF_ERROR(CheckName(field));
    const Value* const value = NewValue(change.what());
    if (value == nullptr) continue;
    BATONSTORE_RETURN_IF_ERROR(CheckValue(*value));
    if (value->is_withheld()) return NotASecret();
  }
  return absl::OkStatus();
}

absl::StatusOr<Attributes> GetAttributes(Snapshot& snapshot, const StoreKeys& keys, Alias alias) {
  Attributes attributes;
  absl::Status broken;
  const std::string prefix = alias.ToKey();
  BATONSTORE_RETURN_IF_ERROR(snapshot.ScanUp(
      Table::kAttributes, prefix, [&](absl::string_view key, absl::string_view value) {
        if (!absl::StartsWith(key, prefix)) return false;
        if (key.size() == prefix.size()) {
          const absl::StatusOr<AttributesHead> head =
              OpenSealed(keys, Table::kAttributes, key, value, DecodeAttributesHead);
          broken = head.status();
          if (head.ok()) attributes.version = head->version;
          return head.ok();
        }
        absl::StatusOr<Value> opened =
            OpenSealed(keys, Table::kAttributes, key, value, DecodeValue);
        broken = opened.status();
        if (!opened.ok()) return false;
        attributes.fields.emplace(key.substr(prefix.size()), *std::move(opened));
        return true;
      }));
  BATONSTORE_RETURN_IF_ERROR(broken);
  return attributes;
}

absl::StatusOr<AttributesHead> GetAttributesHead(Snapshot& snapshot, const StoreKeys& keys,
                                                 Alias alias) {
  BATONSTORE_ASSIGN_OR_RETURN(
      const std::optional<AttributesHead> head,
      GetSealed(snapshot, keys, Table::kAttributes, alias.ToKey(), DecodeAttributesHead));
  return head.value_or(AttributesHead());
}

absl::StatusOr<std::optional<Value>> GetField(Snapshot& snapshot, const StoreKeys& keys,
                                              Alias alias, absl::string_view field) {
  return GetSealed(snapshot, keys, Table::kAttributes, FieldKey(alias, field), DecodeValue);
}

absl::StatusOr<std::optional<SecretBytes>> GetSecretField(Snapshot& snapshot, const StoreKeys& keys,
                                                          Alias alias, absl::string_view field) {
  const std::string key = FieldKey(alias, field);
  BATONSTORE_ASSIGN_OR_RETURN(const auto value, snapshot.Get(Table::kAttributes, key));
  if (!value.has_value()) return std::nullopt;
  BATONSTORE_ASSIGN_OR_RETURN(const SecretBytes plaintext,
                              keys.OpenSecretRow(Table::kAttributes, key, *value));
  if (plaintext.empty()) return CorruptRow(Table::kAttributes, key);
  return SecretBytes(plaintext.Reveal().substr(1));  // without the mark of EncodeValue
}

absl::StatusOr<uint64_t> ReplaceFields(Transaction& transaction, const StoreKeys& keys, Alias alias,
                                       const Fields& fields) {
  BATONSTORE_ASSIGN_OR_RETURN(const Attributes before, GetAttributes(transaction, keys, alias));
  AttributesHead head{before.version + 1, 0, fields.size()};
  Fields changed;
  for (const auto& [field, value] : fields) {
    const auto found = before.fields.find(field);
    std::optional<Value> old;
    if (found != before.fields.end()) old = found->second;
    if (value.is_withheld() && !(old.has_value() && old->is_secret())) return NotASecret();
    Value after = value.is_withheld() ? *old : AsSecretAs(old, value);
    head.bytes += SizeOf(field, after);
    if (old != after) changed.emplace(field, std::move(after));
  }
  BATONSTORE_RETURN_IF_ERROR(CheckTotals(head.fields, head.bytes));
  for (const auto& [field, value] : before.fields) {
    if (fields.contains(field)) continue;
    BATONSTORE_RETURN_IF_ERROR(
        transaction.Delete(Table::kAttributes, FieldKey(alias, field)).status());
  }
  for (const auto& [field, value] : changed) {
    BATONSTORE_RETURN_IF_ERROR(PutValue(transaction, keys, FieldKey(alias, field), value));
  }
  BATONSTORE_RETURN_IF_ERROR(PutHead(transaction, keys, alias, head));
  return head.version;
}

absl::StatusOr<uint64_t> ApplyChanges(Transaction& transaction, const StoreKeys& keys, Alias alias,
                                      const Changes& changes) {
  BATONSTORE_ASSIGN_OR_RETURN(AttributesHead head, GetAttributesHead(transaction, keys, alias));
  std::vector<std::pair<absl::string_view, std::optional<Value>>> results;
  for (const auto& [field, change] : changes) {
    BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Value> before,
                                GetField(transaction, keys, alias, field));
    BATONSTORE_ASSIGN_OR_RETURN(std::optional<Value> after, Result(change.what(), before));
    if (after.has_value()) after = AsSecretAs(before, *after);
    if (before == after) continue;
    if (before.has_value()) {
      --head.fields;
      head.bytes -= SizeOf(field, *before);
    }
    if (after.has_value()) {
      ++head.fields;
      head.bytes += SizeOf(field, *after);
    }
    results.emplace_back(field, std::move(after));
  }
  if (results.empty()) return head.version;
  BATONSTORE_RETURN_IF_ERROR(CheckTotals(head.fields, head.bytes));
  for (const auto& [field, after] : results) {
    const std::string key = FieldKey(alias, field);
    BATONSTORE_RETURN_IF_ERROR(after.has_value()
                                   ? PutValue(transaction, keys, key, *after)
                                   : transaction.Delete(Table::kAttributes, key).status());
  }
  ++head.version;
  BATONSTORE_RETURN_IF_ERROR(PutHead(transaction, keys, alias, head));
  return head.version;
}

absl::Status MoveAttributes(Transaction& transaction, const StoreKeys& keys, Alias from, Alias to) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<Row> rows, Collect(transaction, from));
  for (const Row& row : rows) {
    BATONSTORE_ASSIGN_OR_RETURN(const SecretBytes plaintext,
                                keys.OpenSecretRow(Table::kAttributes, row.key, row.value));
    const std::string key = FieldKey(to, absl::string_view(row.key).substr(from.ToKey().size()));
    BATONSTORE_RETURN_IF_ERROR(
        PutSealed(transaction, keys, Table::kAttributes, key, plaintext.Reveal()));
    BATONSTORE_RETURN_IF_ERROR(transaction.Delete(Table::kAttributes, row.key).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> DropAttributes(Transaction& transaction, Alias alias) {
  std::vector<std::string> keys;
  const std::string prefix = alias.ToKey();
  BATONSTORE_RETURN_IF_ERROR(
      transaction.ScanUp(Table::kAttributes, prefix, [&](absl::string_view key, absl::string_view) {
        if (!absl::StartsWith(key, prefix)) return false;
        keys.emplace_back(key);
        return true;
      }));
  for (const std::string& key : keys) {
    BATONSTORE_RETURN_IF_ERROR(transaction.Delete(Table::kAttributes, key).status());
  }
  return keys.size();
}

}  // namespace batonstore
