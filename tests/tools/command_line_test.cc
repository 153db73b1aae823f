// Runs the real program, as a person or a script would.

#include "batonstore/tools/command_line.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/subprocess.h"
#include "tests/tools/command_line_fixture.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::Conversation;
using batonstore::testing::Finished;
using batonstore::testing::RunProgram;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CommandLineTest : public CommandLineFixture {};

TEST_F(CommandLineTest, HelpNamesEveryCommandAndWhereToBegin) {
  const Finished help = Run({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.err, "");
  for (const char* word : {"demo", "list", "show", "get", "stats", "verify", "set", "merge",
                           "touch", "cycle", "revoke", "revoke-group", "revoke-all", "recover",
                           "sweep", "compensations", "events", "shell", "Exit status"}) {
    EXPECT_THAT(help.out, HasSubstr(word));
  }
  EXPECT_EQ(help.out.find("demo-worker"), std::string::npos) << "not for people";
}

TEST_F(CommandLineTest, EveryCommandHelpsWithOptionsAndAnExample) {
  for (const std::string command :
       {"demo", "list", "show", "get", "stats", "verify", "set", "merge", "touch", "cycle",
        "revoke", "revoke-group", "revoke-all", "recover", "sweep", "compensations", "events",
        "shell"}) {
    const Finished help = Run({command, "--help"});
    EXPECT_EQ(help.status, 0) << command;
    EXPECT_THAT(help.out, HasSubstr("--dir FOLDER")) << command;
    EXPECT_THAT(help.out, HasSubstr("--json")) << command;
    EXPECT_THAT(help.out, HasSubstr("\n  batonstore " + command)) << command;
  }
}

TEST_F(CommandLineTest, VersionIsOneLine) {
  const Finished version = Run({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.out, ::testing::MatchesRegex("batonstore [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(CommandLineTest, ArgumentsThatMakeNoSenseAreUsageErrors) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {},
           {"fly"},
           {"--fly"},
           {"list"},
           {"list", "--dir"},
           {"list", "--dir", store_, "--state", "gone"},
           {"list", "--dir", store_, "--kind", "-1"},
           {"list", "--dir", store_, "--limit", "0"},
           {"list", "--dir", store_, "surplus"},
           {"show", "--dir", store_},
           {"show", "--dir", store_, kNobody, "--public-key", "00"},
           {"stats"},
           {"revoke", "--dir", store_},
           {"recover", "--dir", store_, kNobody},
           {"shell"},
           {"get", "--dir", store_},
           {"get", "--dir", store_, kNobody, "theme", "surplus"},
           {"set", "--dir", store_, kNobody},
           {"set", "--dir", store_, kNobody, "[a=1,b=2]"},
           {"set", "--dir", store_, kNobody, "a=1", "--if-version", "-1"},
           {"set", "--dir", store_, kNobody, "a=1", "--if-version", ""},
           {"set", "--dir", store_, kNobody, "a=1", "--if-version", "18446744073709551616"},
           {"merge", "--dir", store_, kNobody},
           {"merge", "--dir", store_, kNobody, "a=1", "--secret"},
           {"merge", "--dir", store_, kNobody, "a=1", "[b]=[1,2]"},
           {"touch", "--dir", store_},
           {"cycle", "--dir", store_},
           {"cycle", "--dir", store_, kNobody, "--redirect-for", "-1s"},
           {"cycle", "--dir", store_, kNobody, "--redirect-for", "1s", "--privilege-change"},
           {"revoke-group", "--dir", store_},
           {"revoke-all", "--dir", store_},
           {"sweep"},
           {"sweep", "--dir", store_, "--retention", "long"},
           {"sweep", "--dir", store_, kNobody},
           {"compensations", "--dir", store_, "--limit", "0"},
           {"compensations", "--dir", store_, "--limit", "1", "--acknowledge", kNobody},
           {"events", "--dir", store_, "--add"},
           {"events", "--dir", store_, "--limit", "1"},
           {"events", "--dir", store_, "--consumer"},
           {"events", "--dir", store_, "--consumer", "a", "--limit", "0"},
           {"events", "--dir", store_, "--consumer", "a", "--limit", "10001"},
           {"events", "--dir", store_, "--consumer", "a", "--add", "--remove"},
           {"events", "--dir", store_, "--consumer", "a", "--acknowledge", "-1"},
           {"events", "--dir", store_, "--consumer", "a", "--acknowledge", ""},
           {"events", "--dir", store_, "--consumer", "a", "--acknowledge", "18446744073709551616"},
           {"demo", "--sessions", "0"},
           {"demo", "--threads", "257"},
           {"demo", "--seed", "x"}}) {
    const Finished finished = Run(words);
    EXPECT_EQ(finished.status, kUsageStatus) << absl::StrJoin(words, " ");
    EXPECT_EQ(finished.out, "");
    EXPECT_THAT(finished.err, HasSubstr("--help")) << absl::StrJoin(words, " ");
  }
}

TEST_F(CommandLineTest, RefusalsNameTheirVerdict) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"list"}, {"show", kNobody}, {"stats"}, {"revoke", kNobody}, {"recover"}}) {
    const Json answer = Ask(words, kRefusedStatus);
    EXPECT_EQ(answer["ok"], false);
    EXPECT_EQ(answer["verdict"], "NOT_FOUND");
    EXPECT_THAT(std::string(answer["message"]), HasSubstr(store_));
  }
  const Finished plain = Run({"stats", "--dir", store_});
  EXPECT_EQ(plain.status, kRefusedStatus);
  EXPECT_EQ(plain.out, "");
  EXPECT_THAT(plain.err, StartsWith("batonstore: NOT_FOUND: "));
  NewSession();
  EXPECT_EQ(Ask({"show", "zz"}, kRefusedStatus)["verdict"], "INVALID");
  EXPECT_EQ(Ask({"revoke", kNobody}, kRefusedStatus)["verdict"], "NOT_FOUND");
}

TEST_F(CommandLineTest, ListAnswersInJsonLinesOrAsATable) {
  const std::string first = NewSession("kind=1");
  const std::string second = NewSession("kind=2");
  const std::vector<Json> all = Lines(Run({"list", "--dir", store_, "--json"}).out);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0]["alias"], first);
  EXPECT_EQ(all[1]["alias"], second);
  EXPECT_EQ(all[2], (Json{{"ok", true}, {"listed", 2}, {"next", nullptr}}));

  const std::vector<Json> some =
      Lines(Run({"list", "--dir", store_, "--json", "--state", "created", "--kind", "2",
                 "--principal", "alice", "--database", "main", "--limit", "1", "--after", first})
                .out);
  ASSERT_EQ(some.size(), 2u);
  EXPECT_EQ(some[0]["alias"], second);
  EXPECT_EQ(some[1]["listed"], 1);

  const Finished table = Run({"list", "--dir", store_});
  EXPECT_EQ(table.status, 0);
  EXPECT_THAT(table.out, StartsWith("ALIAS "));
  EXPECT_THAT(table.out, HasSubstr(second));
  EXPECT_THAT(table.err, HasSubstr("listed  2\n")) << "and no progress bar off a terminal";
  EXPECT_EQ(table.err.find('\r'), std::string::npos);
}

TEST_F(CommandLineTest, ShowStatsRevokeAndRecoverAnswer) {
  const std::string alias = NewSession();
  const Json shown = Ask({"show", alias}, 0);
  EXPECT_EQ(shown["session"]["state"], "created");
  EXPECT_EQ(Ask({"show", "--public-key", shown["session"]["public_key"]}, 0), shown);
  EXPECT_EQ(Ask({"stats"}, 0)["stats"]["sessions"], 1);
  EXPECT_EQ(Ask({"revoke", alias}, 0)["session"]["state"], "revoked");
  EXPECT_EQ(Ask({"recover"}, 0)["recovery"]["crashed"], false);
  const Finished plain = Run({"show", alias, "--dir", store_});
  EXPECT_EQ(plain.status, 0);
  EXPECT_THAT(plain.out, HasSubstr("revoked"));
}

TEST_F(CommandLineTest, WhileAnOwnerServesOthersLookButDoNotWrite) {
  const std::string alias = NewSession();
  Conversation owner(Words({"shell", "--dir", store_}));
  EXPECT_EQ(Json::parse(owner.Ask("stats"))["ok"], true);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"revoke", alias}, {"recover"}, {"shell"}}) {
    const Json refusal = Ask(words, kRefusedStatus);
    EXPECT_EQ(refusal["verdict"], "NOT_OWNER");
    EXPECT_THAT(std::string(refusal["message"]), HasSubstr(absl::StrCat(owner.pid())));
  }
  const Json reserved = Json::parse(owner.Ask("reserve expires=1h"));
  EXPECT_EQ(Ask({"show", reserved["session"]["alias"]}, 0)["session"]["state"], "reserved");
  EXPECT_EQ(Ask({"stats"}, 0)["stats"]["sessions"], 2);
  EXPECT_EQ(Run({"list", "--dir", store_}).status, 0);
  EXPECT_EQ(
      Json::parse(owner.Ask("create alias=" + std::string(reserved["session"]["alias"])))["ok"],
      true);
}

TEST_F(CommandLineTest, TheShellGoesOnAfterABadLineAndClosesInOrder) {
  const Finished script = Run({"shell", "--dir", store_},
                              "# a comment\n\nfly\ncreate alias=zz\nreserve expires=1h\nstats");
  EXPECT_EQ(script.status, 0);
  EXPECT_EQ(script.err, "");
  const std::vector<Json> answers = Lines(script.out);
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[0]["verdict"], "INVALID");
  EXPECT_EQ(answers[1]["verdict"], "INVALID");
  EXPECT_EQ(answers[3]["stats"]["reservations"], 1);
  const Json recovered = Ask({"recover"}, 0)["recovery"];
  EXPECT_EQ(recovered["crashed"], false);
  EXPECT_EQ(recovered["removed"].size(), 1u);
}

TEST_F(CommandLineTest, AKeyFileOfTheUsersOwnIsNeededAgain) {
  const std::string key = folder_ / "key";
  ASSERT_EQ(Run({"shell", "--dir", store_, "--key-file", key}).status, kRefusedStatus)
      << "no such file";
  ASSERT_FALSE(std::filesystem::exists(store_));
  std::ofstream(key) << std::string(32, 'k');
  ASSERT_EQ(Run({"shell", "--dir", store_, "--key-file", key}).status, 0);
  EXPECT_EQ(Ask({"stats", "--key-file", key}, 0)["ok"], true);
  EXPECT_EQ(Ask({"stats"}, kRefusedStatus)["verdict"], "WRONG_KEY");
  std::ofstream(key) << std::string(32, 'w');
  EXPECT_EQ(Ask({"stats", "--key-file", key}, kRefusedStatus)["verdict"], "WRONG_KEY");
}

TEST_F(CommandLineTest, VerifyTellsASoundStoreFromADamagedOne) {
  EXPECT_EQ(Ask({"verify"}, kRefusedStatus)["verdict"], "NOT_FOUND");
  NewSession();
  const Json sound = Ask({"verify"}, 0);
  EXPECT_EQ(sound["ok"], true);
  EXPECT_EQ(sound["verification"]["sound"], true);
  EXPECT_EQ(sound["verification"]["sessions"], 1);
  EXPECT_EQ(sound["verification"]["findings"].size(), 0u);

  // Everything but the meta pages is gone.
  const std::string data_file = store_ + "/data.mdb";
  std::fstream file(data_file, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(2 * 4096);
  file << std::string(std::filesystem::file_size(data_file) - 2 * 4096, '\0');
  file.close();
  const Json damaged = Ask({"verify"}, kRefusedStatus);
  EXPECT_EQ(damaged["ok"], false);
  EXPECT_EQ(damaged["verdict"], "CORRUPT");
  EXPECT_EQ(damaged["verification"]["sound"], false);
  EXPECT_EQ(damaged["verification"]["rows_checked"], false);
  const Json& finding = damaged["verification"]["findings"].at(0);
  EXPECT_EQ(finding["table"], "main tree");
  EXPECT_GE(finding["page"], 2);
  EXPECT_EQ(finding["what"], "carries another number");

  const Finished text = Run({"verify", "--dir", store_});
  EXPECT_EQ(text.status, kRefusedStatus);
  EXPECT_THAT(text.out, HasSubstr("CORRUPT"));
  EXPECT_THAT(text.out, HasSubstr("main tree"));
}

TEST_F(CommandLineTest, UnderBazelRunPathsStartWhereThePersonStands) {
  NewSession();
  const std::string here = "BUILD_WORKING_DIRECTORY=" + folder_.path();
  EXPECT_EQ(Run({"stats", "--dir", "store"}, "", {here}).status, 0);
  EXPECT_EQ(Run({"stats", "--dir", "store"}).status, kRefusedStatus);
}

TEST_F(CommandLineTest, AnAnswerThatCannotBeWrittenIsNoSuccess) {
  NewSession();
  const Finished finished =
      RunProgram({"/bin/sh", "-c", "exec \"$0\" \"$@\" >/dev/full",
                  batonstore::testing::Runfile("tools/batonstore"), "stats", "--dir", store_});
  EXPECT_EQ(finished.status, kRefusedStatus);
  EXPECT_THAT(finished.err, HasSubstr("standard output"));
}

}  // namespace
}  // namespace batonstore::tools
