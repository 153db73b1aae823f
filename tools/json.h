// JSON objects, built field by field; the only door to the JSON library.
//
//   JsonObject().Flag("ok", true).Text("alias", alias.ToString()).ToLine()
//
// The same fields can be shown to people, so that both forms of an answer say the same.

#ifndef BATONSTORE_TOOLS_JSON_H_
#define BATONSTORE_TOOLS_JSON_H_

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace batonstore::tools {

// Keeps its fields in the order of their adding. Each has a name of its own, because overloads
// would take a string literal for a bool.
class JsonObject {
 public:
  JsonObject();
  JsonObject(const JsonObject& other);
  JsonObject& operator=(const JsonObject& other);
  ~JsonObject();

  // JSON knows no bytes: what is not UTF-8 becomes U+FFFD.
  JsonObject& Text(absl::string_view name, absl::string_view value);
  // For what may be any bytes and must not be lost: a text if it is UTF-8, else {"hex":"..."}.
  JsonObject& Bytes(absl::string_view name, absl::string_view value);
  JsonObject& Number(absl::string_view name, uint64_t value);
  JsonObject& Flag(absl::string_view name, bool value);
  JsonObject& Null(absl::string_view name);
  JsonObject& Object(absl::string_view name, const JsonObject& value);
  JsonObject& Texts(absl::string_view name, const std::vector<std::string>& values);
  JsonObject& Objects(absl::string_view name, const std::vector<JsonObject>& values);

  // On one line, without the newline.
  std::string ToLine() const;

  // For people: a line for each field, in columns. Nothing in it can steer a terminal.
  std::string ToText() const;

 private:
  nlohmann::ordered_json& Field(absl::string_view name);

  std::unique_ptr<nlohmann::ordered_json> fields_;
};

// Whether JSON can hold the bytes as a text.
bool IsUtf8(absl::string_view bytes);

// `bytes` as a person may see them: control characters and quotes escaped as in C.
std::string Printable(absl::string_view bytes);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_JSON_H_
