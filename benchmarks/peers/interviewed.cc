#include "benchmarks/peers/interviewed.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

using Json = nlohmann::json;

constexpr double kFillSeconds = 1800;     // at most; 10,000,000 sessions take minutes
constexpr double kPatienceSeconds = 120;  // beyond the time that a question is measured

int MostCallers() {
  int most = 1;
  for (const QuestionAsked& asked : AllQuestionsAsked()) most = std::max(most, asked.callers);
  return most;
}

std::vector<std::string> CommandOf(const PeerStart& start) {
  std::vector<std::string> command = start.prefix;
  command.push_back(start.program);
  command.push_back(absl::StrCat("--folder=", start.folder));
  command.push_back(absl::StrCat("--sessions=", start.sessions));
  command.push_back(absl::StrCat("--callers=", MostCallers()));
  return command;
}

Json Parsed(const std::string& line) {
  return Json::parse(line, /*cb=*/nullptr, /*allow_exceptions=*/false);
}

std::string Text(const Json& json, const char* field) {
  return json.is_object() && json.contains(field) && json[field].is_string()
             ? json[field].get<std::string>()
             : "";
}

}  // namespace

InterviewedPeer::InterviewedPeer(const PeerStart& start) : folder_(start.folder) {
  std::error_code error;
  CheckThat(std::filesystem::create_directories(folder_, error) && !error,
            absl::StrCat("there is room for ", folder_));
  program_ = std::make_unique<Program>(CommandOf(start));
  const std::optional<std::string> line = program_->ReadLine(kFillSeconds);
  introduction_ = line.has_value() ? Parsed(*line) : Json();
  ready_ = introduction_.is_object() && introduction_.value("ready", false);
  if (ready_) return;
  missing_ = Text(introduction_, "missing");
  Fail(!line.has_value()  ? "ended, or said nothing, before its store was filled"
       : missing_.empty() ? absl::StrCat("said: ", *line)
                          : "is not installed");
}

InterviewedPeer::~InterviewedPeer() {
  program_.reset();
  std::error_code ignored;  // the keeper tries again
  std::filesystem::remove_all(folder_, ignored);
}

bool InterviewedPeer::Answers(Question question) const {
  if (!ready_) return false;
  for (const Json& answered : introduction_["questions"]) {
    if (answered == std::string(QuestionName(question))) return true;
  }
  return false;
}

std::optional<Json> InterviewedPeer::Measure(const QuestionAsked& asked, double seconds) {
  const std::string line =
      absl::StrCat("measure ", QuestionName(asked.question), " ", asked.callers, " ", seconds);
  std::optional<Json> measured = Ask(line, seconds * 2 + kPatienceSeconds);
  if (measured.has_value() && !measured->contains("per_second")) {
    Fail(absl::StrCat("answered \"", line, "\" with ", measured->dump()));
    return std::nullopt;
  }
  return measured;
}

std::optional<Json> InterviewedPeer::Size() { return Ask("size", kPatienceSeconds); }

std::optional<Json> InterviewedPeer::Ask(const std::string& line, double seconds) {
  if (!ready_) return std::nullopt;
  const std::optional<std::string> answer = program_->Ask(line, seconds);
  if (!answer.has_value()) {
    Fail(absl::StrCat("ended, or said nothing, when asked \"", line, "\""));
    return std::nullopt;
  }
  Json json = Parsed(*answer);
  if (!json.is_object()) {
    Fail(absl::StrCat("answered \"", line, "\" with ", *answer));
    return std::nullopt;
  }
  return json;
}

void InterviewedPeer::Fail(const std::string& problem) {
  ready_ = false;
  problem_ = problem;
}

}  // namespace batonstore::benchmarks
