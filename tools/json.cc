#include "batonstore/tools/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace batonstore::tools {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& value) {
  return value.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// A value that fits on the line of its name.
std::string Inline(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) return Printable(value.get_ref<const std::string&>());
  if (!value.is_array()) return Dump(value);
  std::string list;
  for (const Json& element : value) {
    absl::StrAppend(&list, list.empty() ? "" : " ", Inline(element));
  }
  return list.empty() ? "-" : list;
}

bool NeedsLines(const Json& value) {
  return value.is_object() || (value.is_array() && !value.empty() && value.front().is_object());
}

void AppendText(const Json& object, size_t indent, std::string& text) {
  size_t width = 0;
  for (const auto& field : object.items()) width = std::max(width, Printable(field.key()).size());
  for (const auto& field : object.items()) {
    const Json& value = field.value();
    const std::string name = Printable(field.key());
    absl::StrAppend(&text, std::string(indent, ' '), name);
    if (!NeedsLines(value)) {
      absl::StrAppend(&text, std::string(width - name.size() + 2, ' '), Inline(value), "\n");
      continue;
    }
    absl::StrAppend(&text, "\n");
    if (value.is_object()) AppendText(value, indent + 2, text);
    if (!value.is_array()) continue;
    for (const Json& element : value) {
      AppendText(element, indent + 2, text);
      if (&element != &value.back()) absl::StrAppend(&text, "\n");
    }
  }
}

}  // namespace

JsonObject::JsonObject() : fields_(std::make_unique<Json>(Json::object())) {}
JsonObject::JsonObject(const JsonObject& other) : fields_(std::make_unique<Json>(*other.fields_)) {}
JsonObject::~JsonObject() = default;

JsonObject& JsonObject::operator=(const JsonObject& other) {
  *fields_ = *other.fields_;
  return *this;
}

Json& JsonObject::Field(absl::string_view name) { return (*fields_)[std::string(name)]; }

JsonObject& JsonObject::Text(absl::string_view name, absl::string_view value) {
  Field(name) = std::string(value);
  return *this;
}

JsonObject& JsonObject::Bytes(absl::string_view name, absl::string_view value) {
  if (IsUtf8(value)) return Text(name, value);
  return Object(name, JsonObject().Text("hex", absl::BytesToHexString(value)));
}

JsonObject& JsonObject::Number(absl::string_view name, uint64_t value) {
  Field(name) = value;
  return *this;
}

JsonObject& JsonObject::Flag(absl::string_view name, bool value) {
  Field(name) = value;
  return *this;
}

JsonObject& JsonObject::Null(absl::string_view name) {
  Field(name) = nullptr;
  return *this;
}

JsonObject& JsonObject::Object(absl::string_view name, const JsonObject& value) {
  Field(name) = *value.fields_;
  return *this;
}

JsonObject& JsonObject::Texts(absl::string_view name, const std::vector<std::string>& values) {
  Field(name) = values;
  return *this;
}

JsonObject& JsonObject::Objects(absl::string_view name, const std::vector<JsonObject>& values) {
  Json& array = Field(name) = Json::array();
  for (const JsonObject& value : values) array.push_back(*value.fields_);
  return *this;
}

std::string JsonObject::ToLine() const { return Dump(*fields_); }

std::string JsonObject::ToText() const {
  std::string text;
  AppendText(*fields_, 0, text);
  return text;
}

bool IsUtf8(absl::string_view bytes) {
  // The JSON library replaces what is not.
  return Json::parse(Dump(std::string(bytes))).get_ref<const std::string&>() == bytes;
}

std::string Printable(absl::string_view bytes) { return absl::Utf8SafeCHexEscape(bytes); }

}  // namespace batonstore::tools
