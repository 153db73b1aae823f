// The shell's commands on turns. Batons are kept from script to script, but a turn lasts no longer
// than the script that has taken it.

#include <signal.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/store/policy.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/subprocess.h"
#include "tests/tools/command_line_fixture.h"
#include "tests/tools/shell_fixture.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::Conversation;

constexpr char kOfAlice[] = "principal=alice database=main";
constexpr char kAtMostOnce[] = "principal=alice database=main at-most-once=yes";

std::string ResumeLine(const std::string& baton, const std::string& request,
                       const std::string& more = kOfAlice) {
  return absl::StrCat("resume baton=", baton, " request=\"", request, "\" ", more, "\n");
}

class ShellTurnsTest : public ShellFixture {
 protected:
  std::string BatonOf(const std::string& alias) { return Do("issue alias=" + alias)["baton"]; }

  // Has a turn taken and finished; the next baton.
  std::string Finished(const std::string& baton, const std::string& request,
                       const std::string& reply) {
    const std::vector<Json> answers =
        Run(ResumeLine(baton, request) + "finish turn=1 reply=\"" + reply + "\"\n");
    return answers.at(1).at("baton");
  }

  const std::string alias_ = NewSession();
  const std::string baton_ = BatonOf(alias_);
};

TEST_F(ShellTurnsTest, ATurnCommitsItsChangesItsReplyAndTheNextBaton) {
  const std::vector<Json> answers =
      Run(ResumeLine(baton_, "order 7") + "merge-in-turn turn=1 -- orders+=1 theme=dark\n" +
          "merge-in-turn turn=1 -- orders+=1\n" + "get alias=" + alias_ + "\n" +
          "finish turn=1 reply=\"ordered: 7\"\n" + "get alias=" + alias_ + "\n");
  ASSERT_EQ(answers.size(), 6u);
  EXPECT_EQ(answers[0], (Json{{"ok", true},
                              {"outcome", "turn"},
                              {"turn", 1},
                              {"generation", 0},
                              {"session", Do("find alias=" + alias_)["session"]}}));
  EXPECT_EQ(answers[1], (Json{{"ok", true}}));
  EXPECT_EQ(answers[2], (Json{{"ok", true}}));
  EXPECT_EQ(answers[3]["attributes"]["fields"], Json::object()) << "nothing until it finishes";
  EXPECT_EQ(answers[4], (Json{{"ok", true}, {"baton", BatonOf(alias_)}}));
  EXPECT_EQ(answers[5]["attributes"]["fields"], (Json{{"orders", "2"}, {"theme", "dark"}}));
  const std::string next = answers[4]["baton"];
  EXPECT_EQ(Ask(ResumeLine(next, "order 8"))["generation"], 1);
  Do("verify baton=" + next + " " + kOfAlice);
}

TEST_F(ShellTurnsTest, TheSameRequestIsAnsweredAgainByteForByte) {
  const std::string next = Finished(baton_, "order 7", "ordered: 7");
  const Json replay = {
      {"ok", true}, {"outcome", "replay"}, {"reply", "ordered: 7"}, {"baton", next}};
  EXPECT_EQ(Ask(ResumeLine(baton_, "order 7")), replay);
  Open();
  EXPECT_EQ(Ask(ResumeLine(baton_, "order 7")), replay) << "also from a store opened again";
}

TEST_F(ShellTurnsTest, RequestsAndRepliesMayBeAnyBytes) {
  const std::string nothing = Finished(baton_, "", "");
  EXPECT_EQ(Ask(ResumeLine(baton_, ""))["reply"], "");
  Finished(nothing, "\\xff\\n\\0001", "\\xff\\x00");
  EXPECT_EQ(Ask(ResumeLine(nothing, "\\xff\\n\\0001"))["reply"], (Json{{"hex", "ff00"}}));
  EXPECT_EQ(VerdictOfLine(ResumeLine(nothing, "\\xff\\n\\0002")), "REUSED");
}

TEST_F(ShellTurnsTest, ASecondTurnIsBusyAsLongAsTheFirstIsOpen) {
  const std::string other = BatonOf(NewSession());
  const std::vector<Json> answers =
      Run(ResumeLine(baton_, "a") + ResumeLine(baton_, "a") + ResumeLine(baton_, "b") +
          ResumeLine(other, "a") + "finish turn=1 reply=done\n" + ResumeLine(baton_, "a"));
  EXPECT_EQ(answers[0]["turn"], 1);
  EXPECT_EQ(answers[1]["verdict"], "BUSY");
  EXPECT_EQ(answers[2]["verdict"], "BUSY");
  EXPECT_EQ(answers[3]["turn"], 2) << "of another session";
  EXPECT_EQ(answers[5]["outcome"], "replay");
}

TEST_F(ShellTurnsTest, BatonsThatHaveBeenUsedAreReusedThenReplayed) {
  const std::string second = Finished(baton_, "a", "done");
  EXPECT_EQ(VerdictOfLine(ResumeLine(baton_, "b")), "REUSED");
  Finished(second, "b", "done");
  EXPECT_EQ(VerdictOfLine(ResumeLine(baton_, "a")), "REPLAYED");
  EXPECT_EQ(Ask(ResumeLine(second, "b"))["outcome"], "replay");
}

TEST_F(ShellTurnsTest, WhoeverIsNotTheirsIsRefusedAndConsumesNothing) {
  EXPECT_EQ(VerdictOfLine(ResumeLine(baton_, "a", "principal=bob database=main")),
            "WRONG_PRINCIPAL");
  EXPECT_EQ(VerdictOfLine(ResumeLine(baton_, "a", "principal=alice")), "WRONG_DATABASE");
  EXPECT_EQ(VerdictOfLine(ResumeLine("x" + baton_, "a")), "FORGED");
  const std::string next = Finished(baton_, "a", "done");
  EXPECT_EQ(VerdictOfLine(ResumeLine(baton_, "a", "principal=bob database=main")),
            "WRONG_PRINCIPAL")
      << "nor is a replay for others";
  Do("revoke alias=" + alias_);
  EXPECT_EQ(VerdictOfLine(ResumeLine(next, "b")), "REVOKED");
}

TEST_F(ShellTurnsTest, ADroppedTurnHasChangedNothingAndRunsAgain) {
  const std::vector<Json> answers =
      Run(ResumeLine(baton_, "a") + "merge-in-turn turn=1 -- orders+=1\n" + "drop turn=1\n" +
          ResumeLine(baton_, "a") + "drop turn=1\n" + "finish turn=2 reply=done\n");
  EXPECT_EQ(answers[2], (Json{{"ok", true}}));
  EXPECT_EQ(answers[3]["outcome"], "turn");
  EXPECT_EQ(answers[3]["turn"], 2) << "a number of its own";
  EXPECT_EQ(answers[4]["verdict"], "NOT_FOUND");
  EXPECT_EQ(answers[5]["ok"], true);
  EXPECT_EQ(Do("get alias=" + alias_)["attributes"]["fields"], Json::object());
}

TEST_F(ShellTurnsTest, TheEndDropsWhatIsOpen) {
  for (const std::string end : {"", "quit\n"}) {
    EXPECT_EQ(Run(ResumeLine(baton_, "a") + end).at(0)["outcome"], "turn");
  }
  Open();
  EXPECT_EQ(Ask(ResumeLine(baton_, "a"))["outcome"], "turn");
}

TEST_F(ShellTurnsTest, ADroppedTurnOfAtMostOnceIsUnknownAndGoesOn) {
  const std::vector<Json> answers =
      Run(ResumeLine(baton_, "pay", kAtMostOnce) + "merge-in-turn turn=1 -- paid+=1\n" +
          ResumeLine(baton_, "pay", kAtMostOnce) + "drop turn=1\n" +
          ResumeLine(baton_, "pay", kAtMostOnce) + ResumeLine(baton_, "pay") +
          ResumeLine(baton_, "pay again", kAtMostOnce));
  EXPECT_EQ(answers[0]["outcome"], "turn");
  EXPECT_EQ(answers[2]["verdict"], "BUSY") << "not unknown yet";
  const std::string next = BatonOf(alias_);
  EXPECT_EQ(answers[4], (Json{{"ok", true}, {"outcome", "unknown"}, {"baton", next}}));
  EXPECT_EQ(answers[5], answers[4]) << "however it is asked for";
  EXPECT_EQ(answers[6]["verdict"], "REUSED");
  EXPECT_EQ(Do("get alias=" + alias_)["attributes"]["fields"], Json::object());
  Finished(next, "look", "not paid");
}

TEST_F(ShellTurnsTest, AFinishedTurnOfAtMostOnceIsAnsweredAgain) {
  const std::vector<Json> answers =
      Run(ResumeLine(baton_, "pay", kAtMostOnce) + "finish turn=1 reply=paid\n" +
          ResumeLine(baton_, "pay", kAtMostOnce));
  EXPECT_EQ(answers[2]["reply"], "paid");
  EXPECT_EQ(answers[2]["baton"], answers[1]["baton"]);
}

TEST_F(ShellTurnsTest, ATurnThatCannotFinishStaysOpenToBeFinishedOtherwise) {
  Do("set alias=" + alias_ + " -- step=1");
  const std::string too_long(kMaxReplyBytes + 1, 'r');
  const std::vector<Json> answers =
      Run(ResumeLine(baton_, "a") + "merge-in-turn turn=1 -- step~=2 step=3\n" +
          "finish turn=1 reply=done\n" + "forget-changes turn=1\n" +
          "merge-in-turn turn=1 -- step~=1 step=2\n" + "finish turn=1 reply=" + too_long + "\n" +
          "finish turn=1 reply=done\n");
  EXPECT_EQ(answers[2]["verdict"], "CONFLICT");
  EXPECT_EQ(answers[3], (Json{{"ok", true}}));
  EXPECT_EQ(answers[5]["verdict"], "INVALID");
  EXPECT_EQ(answers[6]["ok"], true);
  EXPECT_EQ(Do("get alias=" + alias_ + " field=step")["value"], "2");
}

TEST_F(ShellTurnsTest, ASessionThatEndsDuringATurnLeavesItOnlyToBeDropped) {
  const std::vector<Json> answers =
      Run(ResumeLine(baton_, "a") + "revoke alias=" + alias_ + "\n" + "finish turn=1 reply=done\n" +
          "drop turn=1\n" + "drop turn=1\n");
  EXPECT_EQ(answers[2]["verdict"], "REVOKED");
  EXPECT_EQ(answers[3]["ok"], true);
  EXPECT_EQ(answers[4]["verdict"], "NOT_FOUND");
}

TEST_F(ShellTurnsTest, ATurnThatIsNotOpenIsNotFound) {
  for (const std::string line :
       {"merge-in-turn turn=2 -- a=1", "forget-changes turn=2", "finish turn=2 reply=done",
        "drop turn=2", "drop turn=0", "drop turn=18446744073709551615"}) {
    EXPECT_EQ(Run(ResumeLine(baton_, "a") + line).at(1)["verdict"], "NOT_FOUND") << line;
  }
  const std::vector<Json> answers =
      Run(ResumeLine(baton_, "a") + "finish turn=1 reply=done\n" + "finish turn=1 reply=done\n");
  EXPECT_EQ(answers[2]["verdict"], "NOT_FOUND") << "it is over";
}

TEST_F(ShellTurnsTest, BadLinesAreInvalidAndLeaveTheTurnAsItIs) {
  for (const std::string& line :
       std::vector<std::string>{"resume",
                                "resume baton=" + baton_,
                                "resume request=a",
                                "resume baton=" + baton_ + " request=a turn=1",
                                "resume baton=" + baton_ + " request=a at-most-once=maybe",
                                "resume baton=" + baton_ + " request=a -- a=1",
                                "merge-in-turn -- a=1",
                                "merge-in-turn turn=1",
                                "merge-in-turn turn=1 --",
                                "merge-in-turn turn=x -- a=1",
                                "merge-in-turn turn=1 -- a+=x",
                                "merge-in-turn turn=1 -- a=1 a=2",
                                "merge-in-turn turn=1 alias=" + alias_ + " -- a=1",
                                "forget-changes",
                                "forget-changes turn=",
                                "finish turn=1",
                                "finish reply=done",
                                "finish turn=-1 reply=done",
                                "finish turn=1 reply=done -- a=1",
                                "drop",
                                "drop turn=1.0",
                                "drop turn=18446744073709551616"}) {
    const std::vector<Json> answers =
        Run(ResumeLine(baton_, "a") + line + "\n" + ResumeLine(baton_, "a"));
    EXPECT_EQ(answers.at(1)["verdict"], "INVALID") << line;
    EXPECT_EQ(answers.at(2)["verdict"], "BUSY") << line;
  }
  EXPECT_EQ(Ask(ResumeLine(baton_, "a"))["generation"], 0);
}

// The real program, killed between two lines.
class ShellTurnsKillTest : public CommandLineFixture {
 protected:
  ShellTurnsKillTest() { Start(); }

  void Start() { shell_.emplace(Words({"shell", "--dir", store_})); }
  void KillAndStart() {
    kill(shell_->pid(), SIGKILL);
    shell_.reset();
    Start();
    EXPECT_EQ(Tell("report")["recovery"]["crashed"], true);
  }
  Json Tell(const std::string& line) { return Json::parse(shell_->Ask(line)); }

  Json Resume(const std::string& more = kOfAlice) {
    std::string line = ResumeLine(baton_, "order 7", more);
    line.pop_back();
    return Tell(line);
  }
  Json Fields() { return Tell("get alias=" + alias_)["attributes"]["fields"]; }

  const std::string alias_ = NewSession();
  const std::string baton_ = InShell("issue alias=" + alias_)["baton"];
  std::optional<Conversation> shell_;
};

TEST_F(ShellTurnsKillTest, WhatIsCutOffRunsAgainAndWhatIsFinishedIsAnsweredAgain) {
  const Json taken = Resume();
  EXPECT_EQ(taken["outcome"], "turn");
  Tell("merge-in-turn turn=1 -- orders+=1");
  KillAndStart();
  EXPECT_EQ(Fields(), Json::object());
  EXPECT_EQ(Resume(), taken);
  Tell("merge-in-turn turn=1 -- orders+=1");
  const Json finished = Tell("finish turn=1 reply=\"ordered: 7\"");
  KillAndStart();
  EXPECT_EQ(Resume(), (Json{{"ok", true},
                            {"outcome", "replay"},
                            {"reply", "ordered: 7"},
                            {"baton", finished["baton"]}}));
  EXPECT_EQ(Fields(), (Json{{"orders", "1"}}));
}

TEST_F(ShellTurnsKillTest, WhatWasToHappenAtMostOnceIsUnknownWhenItIsCutOff) {
  EXPECT_EQ(Resume(kAtMostOnce)["outcome"], "turn");
  Tell("merge-in-turn turn=1 -- orders+=1");
  KillAndStart();
  const Json unknown = Resume(kAtMostOnce);
  EXPECT_EQ(unknown["outcome"], "unknown");
  KillAndStart();
  EXPECT_EQ(Resume(kAtMostOnce), unknown);
  EXPECT_EQ(Fields(), Json::object());
}

}  // namespace
}  // namespace batonstore::tools
