// Attributes of sessions: what is kept, what is refused, what is gone for good.

#include "batonstore/store/attributes.h"

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::FileStoreFixture;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStoreFixture;
using testing::SpecInGroup;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

class AttributesTest : public MemoryStoreFixture {
 protected:
  uint64_t VersionOf(Alias alias) {
    const absl::StatusOr<Attributes> attributes = store().Load(alias);
    EXPECT_THAT(attributes, IsOk());
    return attributes.ok() ? attributes->version : UINT64_MAX;
  }

  // The field's value, or what says that there is none.
  std::string ValueOf(Alias alias, const std::string& field) {
    const absl::StatusOr<SecretBytes> value = store().Secret(alias, field);
    if (!value.ok()) return value.status().ToString();
    return std::string(value->Reveal());
  }

  // Each way to make a session have a field, on sessions of their own.
  struct Way {
    std::string name;
    std::function<absl::Status(const std::string& field, const Value& value)> store;
  };
  std::vector<Way> WaysToStore() {
    const auto merge = [this](Alias alias, const std::string& field, const Change& change) {
      return store().Merge(alias, {{field, change}}).status();
    };
    return {
        {"SaveIf",
         [this](const std::string& field, const Value& value) {
           return store().SaveIf(Create().alias, 0, {{field, value}}).status();
         }},
        {"SaveOrCreate",
         [this](const std::string& field, const Value& value) {
           return store().SaveOrCreate(LastingSpec(), {{field, value}}).status();
         }},
        {"Set",
         [=, this](const std::string& field, const Value& value) {
           return merge(Create().alias, field, Change::Set(value));
         }},
        {"SetIfAbsent",
         [=, this](const std::string& field, const Value& value) {
           return merge(Create().alias, field, Change::SetIfAbsent(value));
         }},
    };
  }
};

// Fields of `total` bytes, names and values together.
Fields FieldsOfBytes(size_t total) {
  Fields fields;
  for (char name = 'a'; total > 0; ++name) {
    const size_t size = std::min(total - 1, kMaxValueBytes);
    fields[std::string(1, name)] = std::string(size, name);
    total -= size + 1;
  }
  return fields;
}

Fields FieldsOfNumber(size_t count) {
  Fields fields;
  for (size_t i = 0; i < count; ++i) fields[absl::StrCat("field", i)] = "value";
  return fields;
}

Changes SetAll(const Fields& fields) {
  Changes changes;
  for (const auto& [field, value] : fields) changes.emplace(field, Change::Set(value));
  return changes;
}

// ---- Saving and loading ----

TEST_F(AttributesTest, ANewSessionHasNoFieldsAndVersion0) {
  for (const Alias alias : {Create().alias, Reserve().alias}) {
    ASSERT_OK_AND_ASSIGN(const Attributes attributes, store().Load(alias));
    EXPECT_EQ(attributes.version, 0u);
    EXPECT_THAT(attributes.fields, IsEmpty());
    EXPECT_EQ(AttributeRowsOf(alias), 0u);
  }
}

TEST_F(AttributesTest, SaveIfMakesTheFieldsTheseAndNoOthers) {
  const Alias alias = Create().alias;
  const Fields first = {{"kept", "1"}, {"changed", "2"}, {"dropped", "3"}};
  const Fields second = {{"kept", "1"}, {"changed", "two"}, {"added", "4"}};
  ASSERT_OK_AND_ASSIGN(uint64_t version, store().SaveIf(alias, 0, first));
  EXPECT_EQ(LoadFields(alias), first);
  ASSERT_OK_AND_ASSIGN(version, store().SaveIf(alias, version, second));
  EXPECT_EQ(LoadFields(alias), second);
  EXPECT_EQ(AttributeRowsOf(alias), 1 + second.size());
  ASSERT_OK_AND_ASSIGN(version, store().SaveIf(alias, version, {}));
  EXPECT_THAT(LoadFields(alias), IsEmpty());
}

TEST_F(AttributesTest, SaveIfOfAnotherVersionIsAConflictAndChangesNothing) {
  const Alias alias = Create().alias;
  ASSERT_OK_AND_ASSIGN(const uint64_t first, store().SaveIf(alias, 0, {{"a", "1"}}));
  ASSERT_OK_AND_ASSIGN(const uint64_t second, store().SaveIf(alias, first, {{"a", "2"}}));
  for (const uint64_t stale : {uint64_t{0}, first, second + 1, UINT64_MAX}) {
    ExpectRefused(Verdict::kConflict, [&] { return store().SaveIf(alias, stale, {{"a", "3"}}); });
  }
  EXPECT_EQ(ValueOf(alias, "a"), "2");
}

TEST_F(AttributesTest, AnyChangeBySomebodyElseMakesASaveAConflict) {
  const Alias alias = CreateWith({{"a", "1"}}).alias;
  const std::vector<Changes> changes = {{{"a", Change::Set("2")}},
                                        {{"b", Change::Set("2")}},
                                        {{"a", Change::Remove()}},
                                        {{"c", Change::Add(1)}}};
  for (const Changes& change : changes) {
    const uint64_t loaded = VersionOf(alias);
    ASSERT_THAT(store().Merge(alias, change), IsOk());
    ExpectRefused(Verdict::kConflict, [&] { return store().SaveIf(alias, loaded, {}); });
  }
}

TEST_F(AttributesTest, VersionRisesWithEachChangeAndOnlyThen) {
  const Alias alias = Create().alias;
  ASSERT_OK_AND_ASSIGN(const uint64_t first, store().Merge(alias, {{"a", Change::Set("1")}}));
  EXPECT_GT(first, 0u);
  EXPECT_EQ(VersionOf(alias), first);
  ASSERT_OK_AND_ASSIGN(const uint64_t second, store().Merge(alias, {{"a", Change::Set("2")}}));
  EXPECT_GT(second, first);
  ASSERT_OK_AND_ASSIGN(const uint64_t third, store().SaveIf(alias, second, {}));
  EXPECT_GT(third, second) << "a session that has lost its fields does not begin anew";

  for (const Changes& nothing : std::vector<Changes>{{}, {{"none", Change::Remove()}}}) {
    ExpectNoChange([&] { return store().Merge(alias, nothing); });
    EXPECT_EQ(store().Merge(alias, nothing).value(), third);
  }
  ASSERT_THAT(store().Merge(alias, {{"a", Change::Set("1")}}), IsOk());
  const uint64_t fourth = VersionOf(alias);
  for (const Change& same : {Change::Set("1"), Change::CompareAndSet("1", "1"), Change::Add(0)}) {
    ExpectNoChange([&] { return store().Merge(alias, {{"a", same}}); });
  }
  EXPECT_EQ(VersionOf(alias), fourth);
}

TEST_F(AttributesTest, MergesOfDifferentFieldsDoNotDisturbEachOther) {
  const Alias alias = Create().alias;
  Fields expected;
  for (int i = 0; i < 25; ++i) {
    const std::string field = absl::StrCat("field", i);
    ASSERT_THAT(store().Merge(alias, {{field, Change::Set(absl::StrCat(i))}}), IsOk());
    expected[field] = absl::StrCat(i);
  }
  EXPECT_EQ(LoadFields(alias), expected);
}

TEST_F(AttributesTest, FieldsOfOneSessionAreNotThoseOfAnother) {
  const Alias first = CreateWith({{std::string(255, '\xff'), "of the first"}}).alias;
  const Alias second = CreateWith({{std::string(1, '\0'), "of the second"}}).alias;
  ASSERT_EQ(second.value(), first.value() + 1) << "their rows must be neighbours";
  EXPECT_EQ(LoadFields(first), (Fields{{std::string(255, '\xff'), "of the first"}}));
  EXPECT_EQ(LoadFields(second), (Fields{{std::string(1, '\0'), "of the second"}}));
  ASSERT_THAT(store().Revoke(first), IsOk());
  EXPECT_EQ(AttributeRowsOf(first), 0u);
  EXPECT_EQ(LoadFields(second), (Fields{{std::string(1, '\0'), "of the second"}}));
}

TEST_F(AttributesTest, NamesAndValuesMayHoldAnyBytes) {
  std::string every_byte;
  for (int byte = 0; byte < 255; ++byte) every_byte += static_cast<char>(byte);
  const std::string nul(1, '\0');
  const Fields fields = {{every_byte, every_byte + '\xff'},
                         {nul, nul},
                         {nul + nul, ""},
                         {"a", "prefix of the next"},
                         {"a" + nul, nul + "a"},
                         {"a\xff", "\xff"},
                         {std::string(255, '\xff'), std::string(3, '\xff')},
                         {"secret" + nul, Value(every_byte)}};
  const Alias alias = CreateWith(fields).alias;
  EXPECT_EQ(LoadFields(alias), fields);
  for (const auto& [field, value] : fields) EXPECT_EQ(ValueOf(alias, field), value.bytes());

  const Alias merged = Create().alias;
  ASSERT_THAT(store().Merge(merged, SetAll(fields)), IsOk());
  EXPECT_EQ(LoadFields(merged), fields);
  Restart();
  EXPECT_EQ(LoadFields(alias), fields);
}

TEST_F(AttributesTest, AFieldWithAnEmptyValueIsThere) {
  const Alias alias = CreateWith({{"empty", ""}}).alias;
  EXPECT_EQ(LoadFields(alias), (Fields{{"empty", ""}}));
  ExpectRefused(Verdict::kConflict, [&] {
    return store().Merge(alias, {{"empty", Change::SetIfAbsent("x")}});
  });
  EXPECT_THAT(store().Merge(alias, {{"empty", Change::CompareAndSet("", "x")}}), IsOk());
}

TEST_F(AttributesTest, AReservedSessionMayHaveAttributes) {
  const Alias alias = Reserve().alias;
  ASSERT_THAT(store().Merge(alias, {{"a", Change::Set("1")}}), IsOk());
  ASSERT_THAT(store().SaveIf(alias, VersionOf(alias), {{"a", "2"}}), IsOk());
  ASSERT_THAT(store().Create(alias), IsOk());
  EXPECT_EQ(LoadFields(alias), (Fields{{"a", "2"}}));
}

TEST_F(AttributesTest, SaveOrCreateMakesSessionAndFieldsInOneTransaction) {
  absl::StatusOr<Saved> saved;
  EXPECT_EQ(CommitsOf([&] { saved = store().SaveOrCreate(LastingSpec(), {{"a", "1"}}); }), 1u);
  ASSERT_THAT(saved, IsOk());
  EXPECT_TRUE(saved->created);
  EXPECT_EQ(saved->session.state, State::kCreated);
  EXPECT_EQ(saved->version, VersionOf(saved->session.alias));
  EXPECT_THAT(store().SaveIf(saved->session.alias, saved->version, {{"a", "2"}}), IsOk());

  ASSERT_OK_AND_ASSIGN(const Saved bare, store().SaveOrCreate(LastingSpec(), {}));
  EXPECT_EQ(bare.version, 0u);
  EXPECT_EQ(AttributeRowsOf(bare.session.alias), 0u);
}

TEST_F(AttributesTest, AttributesSurviveACrash) {
  const Fields fields = {{"a", "1"}, {"b", std::string(5000, 'b')}};
  const Alias alias = CreateWith(fields).alias;
  const uint64_t version = VersionOf(alias);
  Restart();
  EXPECT_EQ(LoadFields(alias), fields);
  EXPECT_EQ(VersionOf(alias), version);
}

// ---- Changes ----

TEST_F(AttributesTest, CompareAndSetNeedsTheValueThatItExpects) {
  const Alias alias = CreateWith({{"a", "old"}}).alias;
  for (const std::string wrong : {"", "new", "Old", "old "}) {
    ExpectRefused(Verdict::kConflict, [&] {
      return store().Merge(alias, {{"a", Change::CompareAndSet(wrong, "new")}});
    });
  }
  for (const std::string expected : {"", "old"}) {
    ExpectRefused(Verdict::kConflict, [&] {
      return store().Merge(alias, {{"absent", Change::CompareAndSet(expected, "new")}});
    });
  }
  ASSERT_THAT(store().Merge(alias, {{"a", Change::CompareAndSet("old", "new")}}), IsOk());
  EXPECT_EQ(ValueOf(alias, "a"), "new");
}

TEST_F(AttributesTest, SetIfAbsentSetsOnce) {
  const Alias alias = Create().alias;
  ASSERT_THAT(store().Merge(alias, {{"a", Change::SetIfAbsent("1")}}), IsOk());
  for (const std::string value : {"1", "2"}) {
    ExpectRefused(Verdict::kConflict, [&] {
      return store().Merge(alias, {{"a", Change::SetIfAbsent(value)}});
    });
  }
  ASSERT_THAT(store().Merge(alias, {{"a", Change::Remove()}}), IsOk());
  EXPECT_THAT(store().Merge(alias, {{"a", Change::SetIfAbsent("2")}}), IsOk());
}

TEST_F(AttributesTest, AddCountsFromZeroAndDownAgain) {
  const Alias alias = Create().alias;
  for (const auto& [delta, sum] : std::vector<std::pair<int64_t, std::string>>{
           {0, "0"}, {5, "5"}, {-7, "-2"}, {2, "0"}, {kMin, absl::StrCat(kMin)}}) {
    ASSERT_THAT(store().Merge(alias, {{"n", Change::Add(delta)}}), IsOk());
    EXPECT_EQ(ValueOf(alias, "n"), sum);
  }
}

TEST_F(AttributesTest, AddReachesTheEndsOfItsRangeAndDoesNotPassThem) {
  struct Case {
    int64_t from, delta;
    bool fits;
  };
  for (const Case& c : std::vector<Case>{{kMax, 0, true},
                                         {kMax - 1, 1, true},
                                         {kMax, 1, false},
                                         {kMax, kMax, false},
                                         {1, kMax, false},
                                         {0, kMax, true},
                                         {kMin, 0, true},
                                         {kMin + 1, -1, true},
                                         {kMin, -1, false},
                                         {kMin, kMin, false},
                                         {-1, kMin, false},
                                         {0, kMin, true},
                                         {kMin, kMax, true},
                                         {kMax, kMin, true}}) {
    SCOPED_TRACE(absl::StrCat(c.from, " + ", c.delta));
    const Alias alias = CreateWith({{"n", absl::StrCat(c.from)}}).alias;
    if (c.fits) {
      EXPECT_THAT(store().Merge(alias, {{"n", Change::Add(c.delta)}}), IsOk());
      EXPECT_EQ(ValueOf(alias, "n"), absl::StrCat(c.from + c.delta));
    } else {
      ExpectRefused(Verdict::kInvalid, [&] {
        return store().Merge(alias, {{"n", Change::Add(c.delta)}});
      });
    }
  }
}

TEST_F(AttributesTest, AddToWhatIsNoNumberOf64BitsIsInvalid) {
  for (const std::string& value :
       {std::string(), std::string("x"), std::string("1x"), std::string("1.5"), std::string("0x10"),
        std::string("9223372036854775808"), std::string("-9223372036854775809"),
        std::string("1\0", 2), std::string("--1")}) {
    SCOPED_TRACE(value);
    const Alias alias = CreateWith({{"n", value}}).alias;
    ExpectRefused(Verdict::kInvalid, [&] { return store().Merge(alias, {{"n", Change::Add(1)}}); });
  }
}

TEST_F(AttributesTest, AMergeOfWhichOneChangeFailsDoesNothingAtAll) {
  const Alias alias = CreateWith({{"m", "5"}, {"text", "x"}, {"max", absl::StrCat(kMax)}}).alias;
  struct Case {
    Verdict verdict;
    std::string field;
    Change failing;
  };
  const std::string too_long(kMaxValueBytes + 1, 'x');
  const std::vector<Case> cases = {
      {Verdict::kConflict, "m", Change::CompareAndSet("6", "7")},
      {Verdict::kConflict, "m", Change::SetIfAbsent("7")},
      {Verdict::kConflict, "none", Change::CompareAndSet("", "7")},
      {Verdict::kInvalid, "text", Change::Add(1)},
      {Verdict::kInvalid, "max", Change::Add(1)},
      {Verdict::kInvalid, "none", Change::Set(too_long)},
      {Verdict::kInvalid, "none", Change::Set(Value::Withheld())},
  };
  for (const Case& c : cases) {
    // Changes before and after the failing one, in the order of their names.
    Changes changes = {{"a", Change::Set("1")}, {"z", Change::Add(1)}, {"zz", Change::Remove()}};
    changes.emplace(c.field, c.failing);
    ExpectRefused(c.verdict, [&] { return store().Merge(alias, changes); });
  }
  Changes unnamed = {{"a", Change::Set("1")}};
  unnamed.emplace("", Change::Remove());
  ExpectRefused(Verdict::kInvalid, [&] { return store().Merge(alias, unnamed); });
}

TEST_F(AttributesTest, AFaultAtAnyStepLeavesTheAttributesAsTheyWere) {
  const Changes changes = {{"a", Change::Remove()}, {"b", Change::Add(1)}, {"c", Change::Set("3")}};
  const std::vector<std::function<absl::Status(Alias)>> calls = {
      [&](Alias alias) { return store().Merge(alias, changes).status(); },
      [&](Alias alias) {
        return store().SaveIf(alias, 1, {{"a", "9"}, {"c", "9"}}).status();
      },
      [&](Alias) {
        return store().SaveOrCreate(LastingSpec(), {{"a", "9"}}).status();
      }};
  for (const auto& call : calls) {
    const Alias alias = CreateWith({{"a", "1"}, {"b", "2"}}).alias;
    bool done = false;
    for (int step = 0; !done; ++step) {
      const MemoryEngine::Rows before = engine().Committed();
      int left = step;
      engine().InjectFaults([&left](MemoryEngine::Step at) {
        const bool now = left-- == 0 && at != MemoryEngine::Step::kCommit;
        return now ? Fault::kFailed : Fault::kNone;
      });
      done = call(alias).ok();
      engine().InjectFaults(nullptr);
      EXPECT_EQ(engine().Committed() == before, !done) << "step " << step;
      ASSERT_LT(step, 100);
    }
  }
}

// ---- Limits ----

TEST_F(AttributesTest, AFieldNameHas1To255Bytes) {
  for (const Way& way : WaysToStore()) {
    for (const size_t size : {0, 1, 254, 255, 256, 600}) {
      SCOPED_TRACE(absl::StrCat(way.name, " of a name of ", size, " bytes"));
      const absl::Status stored = way.store(std::string(size, '\xff'), "value");
      if (size >= 1 && size <= 255) {
        EXPECT_THAT(stored, IsOk());
      } else {
        EXPECT_THAT(stored, HasVerdict(Verdict::kInvalid));
      }
    }
  }
  const Alias alias = Create().alias;
  for (const std::string& name : {std::string(), std::string(256, 'n'), std::string(600, 'n')}) {
    for (const Change& change : {Change::Set(""), Change::Remove(), Change::CompareAndSet("", ""),
                                 Change::SetIfAbsent(""), Change::Add(1)}) {
      ExpectRefused(Verdict::kInvalid, [&] { return store().Merge(alias, {{name, change}}); });
    }
    ExpectRefused(Verdict::kNotFound, [&] { return store().Secret(alias, name); });
  }
}

TEST_F(AttributesTest, AValueHasUpToOneMebibyte) {
  for (const Way& way : WaysToStore()) {
    for (const bool secret : {false, true}) {
      for (const size_t size : {kMaxValueBytes - 1, kMaxValueBytes, kMaxValueBytes + 1}) {
        SCOPED_TRACE(absl::StrCat(way.name, " of a value of ", size, " bytes"));
        const std::string bytes(size, 'v');
        const absl::Status stored = way.store("field", secret ? Value::Secret(bytes) : bytes);
        if (size <= kMaxValueBytes) {
          EXPECT_THAT(stored, IsOk());
        } else {
          EXPECT_THAT(stored, HasVerdict(Verdict::kInvalid));
        }
      }
    }
    StartAnew({});
  }
  const Alias alias = CreateWith({{"a", "1"}}).alias;
  const std::string longest(kMaxValueBytes, 'v');
  ExpectRefused(Verdict::kInvalid, [&] {
    return store().Merge(alias, {{"a", Change::CompareAndSet("1", longest + "v")}});
  });
  EXPECT_THAT(store().Merge(alias, {{"a", Change::CompareAndSet("1", longest)}}), IsOk());
  EXPECT_EQ(ValueOf(alias, "a"), longest);
}

TEST_F(AttributesTest, ASessionHasUpTo16MebibytesBySaveIf) {
  const Alias alias = Create().alias;
  for (const size_t total : {kMaxAttributesBytes - 1, kMaxAttributesBytes}) {
    const Fields fields = FieldsOfBytes(total);
    ASSERT_THAT(store().SaveIf(alias, VersionOf(alias), fields), IsOk()) << total;
    EXPECT_TRUE(LoadFields(alias) == fields);
  }
  const Fields too_many = FieldsOfBytes(kMaxAttributesBytes + 1);
  const uint64_t version = VersionOf(alias);
  ExpectRefused(Verdict::kInvalid, [&] { return store().SaveIf(alias, version, too_many); });
}

TEST_F(AttributesTest, ASessionHasUpTo16MebibytesBySaveOrCreate) {
  EXPECT_THAT(store().SaveOrCreate(LastingSpec(), FieldsOfBytes(kMaxAttributesBytes - 1)), IsOk());
  EXPECT_THAT(store().SaveOrCreate(LastingSpec(), FieldsOfBytes(kMaxAttributesBytes)), IsOk());
  ExpectRefused(Verdict::kInvalid, [&] {
    return store().SaveOrCreate(LastingSpec(), FieldsOfBytes(kMaxAttributesBytes + 1));
  });
}

TEST_F(AttributesTest, ASessionHasUpTo16MebibytesByMergesThatGrowStepByStep) {
  const Alias alias = Create().alias;
  Fields fields = FieldsOfBytes(kMaxAttributesBytes);
  const std::string last = fields.rbegin()->first;
  const std::string last_value = fields.rbegin()->second.bytes();
  fields.erase(last);
  for (const auto& [field, value] : fields) {
    ASSERT_THAT(store().Merge(alias, {{field, Change::Set(value)}}), IsOk());
  }
  const auto set_last = [&](const std::string& value) {
    return store().Merge(alias, {{last, Change::Set(value)}});
  };
  ASSERT_THAT(set_last(last_value.substr(1)), IsOk()) << "one byte below";
  ExpectRefused(Verdict::kInvalid, [&] { return set_last(last_value + "x"); });
  ASSERT_THAT(set_last(last_value), IsOk()) << "at the limit";
  ExpectRefused(Verdict::kInvalid, [&] { return set_last(last_value + "x"); });
  ExpectRefused(Verdict::kInvalid, [&] { return store().Merge(alias, {{"0", Change::Add(1)}}); });
  ExpectRefused(Verdict::kInvalid, [&] {
    return store().Merge(alias, {{"0", Change::Set("")}});
  });  // the name counts

  // What goes makes room: in the same call, in another, and by growing shorter.
  EXPECT_THAT(
      store().Merge(alias, {{"a", Change::Remove()}, {"A", Change::Set(fields["a"].bytes())}}),
      IsOk());
  ExpectRefused(Verdict::kInvalid, [&] { return store().Merge(alias, {{"0", Change::Set("")}}); });
  ASSERT_THAT(set_last(last_value.substr(2)), IsOk());
  EXPECT_THAT(store().Merge(alias, {{"0", Change::Add(1)}}), IsOk());
  ExpectRefused(Verdict::kInvalid, [&] { return store().Merge(alias, {{"0", Change::Add(9)}}); });

  // Emptied and filled again: nothing was miscounted on the way.
  ASSERT_THAT(store().SaveIf(alias, VersionOf(alias), {}), IsOk());
  EXPECT_THAT(store().Merge(alias, SetAll(FieldsOfBytes(kMaxAttributesBytes))), IsOk());
  ExpectRefused(Verdict::kInvalid, [&] { return store().Merge(alias, {{"0", Change::Set("")}}); });
}

TEST_F(AttributesTest, SecretsThatAreSavedBackCountTowardsTheSize) {
  const std::string secret(kMaxValueBytes, 's');
  const Alias alias = CreateWith({{"0", Value::Secret(secret)}}).alias;
  const size_t secret_bytes = secret.size() + 1;
  for (const int over : {1, 0}) {
    Fields fields = FieldsOfBytes(kMaxAttributesBytes - secret_bytes + static_cast<size_t>(over));
    fields["0"] = Value::Withheld();
    const auto save = [&] { return store().SaveIf(alias, VersionOf(alias), fields); };
    if (over == 0) {
      EXPECT_THAT(save(), IsOk());
    } else {
      ExpectRefused(Verdict::kInvalid, save);
    }
  }
  EXPECT_EQ(ValueOf(alias, "0"), secret);
}

TEST_F(AttributesTest, ASessionHasUpTo4096Fields) {
  const Alias saved = Create().alias;
  for (const size_t count : {kMaxFields - 1, kMaxFields}) {
    ASSERT_THAT(store().SaveIf(saved, VersionOf(saved), FieldsOfNumber(count)), IsOk());
    EXPECT_EQ(AttributeRowsOf(saved), count + 1);
    EXPECT_THAT(store().SaveOrCreate(LastingSpec(), FieldsOfNumber(count)), IsOk());
  }
  const Fields too_many = FieldsOfNumber(kMaxFields + 1);
  const uint64_t version = VersionOf(saved);
  ExpectRefused(Verdict::kInvalid, [&] { return store().SaveIf(saved, version, too_many); });
  ExpectRefused(Verdict::kInvalid, [&] { return store().SaveOrCreate(LastingSpec(), too_many); });

  const Alias merged = Create().alias;
  ExpectRefused(Verdict::kInvalid, [&] { return store().Merge(merged, SetAll(too_many)); });
  ASSERT_THAT(store().Merge(merged, SetAll(FieldsOfNumber(kMaxFields - 1))), IsOk());
  ASSERT_THAT(store().Merge(merged, {{"one", Change::Set("")}}), IsOk());
  const auto one_more = [&] { return store().Merge(merged, {{"more", Change::SetIfAbsent("")}}); };
  ExpectRefused(Verdict::kInvalid, one_more);
  EXPECT_THAT(store().Merge(merged, {{"one", Change::Set("changed")}}), IsOk());
  EXPECT_THAT(store().Merge(merged, {{"one", Change::Remove()}, {"two", Change::Set("")}}), IsOk());
  ExpectRefused(Verdict::kInvalid, one_more);
  ASSERT_THAT(store().Merge(merged, {{"two", Change::Remove()}}), IsOk());
  EXPECT_THAT(one_more(), IsOk());
}

// ---- Secrets ----

TEST_F(AttributesTest, ASecretIsGivenOutBySecretAlone) {
  const std::string bytes = "correct horse battery staple";
  const Alias alias = CreateWith({{"token", Value::Secret(bytes)}, {"plain", "p"}}).alias;
  const auto expect_withheld = [&] {
    const Fields fields = LoadFields(alias);
    ASSERT_TRUE(fields.contains("token"));
    EXPECT_TRUE(fields.at("token").is_secret());
    EXPECT_TRUE(fields.at("token").is_withheld());
    EXPECT_EQ(fields.at("token").bytes(), "");
    EXPECT_EQ(fields.at("plain"), Value("p"));
    EXPECT_EQ(ValueOf(alias, "token"), bytes);
  };
  expect_withheld();
  ASSERT_THAT(store().Merge(alias, {{"plain", Change::Set("p")}, {"x", Change::Set("")}}), IsOk());
  expect_withheld();
  Restart();
  expect_withheld();
}

TEST_F(AttributesTest, SecretGivesPlainFieldsToo) {
  const Alias alias = CreateWith({{"plain", "p"}, {"empty", Value::Secret("")}}).alias;
  EXPECT_EQ(ValueOf(alias, "plain"), "p");
  EXPECT_EQ(ValueOf(alias, "empty"), "");
  ExpectRefused(Verdict::kNotFound, [&] { return store().Secret(alias, "none"); });
  ExpectRefused(Verdict::kNotFound, [&] { return store().Secret(alias, ""); });
}

TEST_F(AttributesTest, NoValueLiesOpenlyOnTheDisk) {
  const std::string secret = "correct horse battery staple";
  const std::string plain = "plain as the nose on your face";
  CreateWith({{"token", Value::Secret(secret)}, {"plain", plain}});
  for (const auto& table : engine().Committed()) {
    for (const auto& [key, value] : table) {
      EXPECT_FALSE(absl::StrContains(value, secret));
      EXPECT_FALSE(absl::StrContains(value, plain));
    }
  }
}

TEST_F(AttributesTest, SecretsThatAreSavedBackStayAsTheyAre) {
  const Alias alias = CreateWith({{"token", Value::Secret("t")}, {"plain", "1"}}).alias;
  ASSERT_OK_AND_ASSIGN(Attributes loaded, store().Load(alias));
  loaded.fields["plain"] = "2";
  ASSERT_THAT(store().SaveIf(alias, loaded.version, loaded.fields), IsOk());
  EXPECT_EQ(ValueOf(alias, "token"), "t");
  EXPECT_TRUE(LoadFields(alias).at("token").is_withheld());
  EXPECT_EQ(ValueOf(alias, "plain"), "2");

  ASSERT_OK_AND_ASSIGN(loaded, store().Load(alias));
  loaded.fields.erase("token");
  ASSERT_THAT(store().SaveIf(alias, loaded.version, loaded.fields), IsOk());
  ExpectRefused(Verdict::kNotFound, [&] { return store().Secret(alias, "token"); });
}

TEST_F(AttributesTest, AWithheldValueThatStandsForNoSecretIsInvalid) {
  const Alias alias = CreateWith({{"token", Value::Secret("t")}, {"plain", "1"}}).alias;
  const uint64_t version = VersionOf(alias);
  for (const std::string field : {"plain", "none"}) {
    ExpectRefused(Verdict::kInvalid, [&] {
      return store().SaveIf(alias, version, {{field, Value::Withheld()}});
    });
  }
  for (const std::string field : {"token", "plain", "none"}) {
    for (const Change& change :
         {Change::Set(Value::Withheld()), Change::SetIfAbsent(Value::Withheld()),
          Change::CompareAndSet("1", Value::Withheld())}) {
      ExpectRefused(Verdict::kInvalid, [&] { return store().Merge(alias, {{field, change}}); });
    }
  }
  ExpectRefused(Verdict::kInvalid, [&] {
    return store().SaveOrCreate(LastingSpec(), {{"a", "1"}, {"token", Value::Withheld()}});
  });
}

TEST_F(AttributesTest, AFieldThatIsSecretStaysSoUntilItIsRemoved) {
  const Alias alias = Create().alias;
  ASSERT_THAT(store().Merge(alias, {{"a", Change::Set("plain")}}), IsOk());
  ASSERT_THAT(store().Merge(alias, {{"a", Change::Set(Value::Secret("one"))}}), IsOk());
  ASSERT_THAT(store().Merge(alias, {{"a", Change::Set("two")}}), IsOk());
  EXPECT_TRUE(LoadFields(alias).at("a").is_withheld());
  ASSERT_THAT(store().Merge(alias, {{"a", Change::CompareAndSet("two", "three")}}), IsOk());
  EXPECT_TRUE(LoadFields(alias).at("a").is_withheld());
  ASSERT_THAT(store().SaveIf(alias, store().Load(alias)->version, {{"a", "four"}}), IsOk());
  EXPECT_TRUE(LoadFields(alias).at("a").is_withheld());
  EXPECT_EQ(store().Secret(alias, "a")->Reveal(), "four");
  ASSERT_THAT(store().Merge(alias, {{"a", Change::Remove()}}), IsOk());
  ASSERT_THAT(store().Merge(alias, {{"a", Change::Set("plain")}}), IsOk());
  EXPECT_EQ(LoadFields(alias).at("a"), Value("plain"));
}

TEST_F(AttributesTest, ASecretNumberStaysSecretWhenItIsAddedTo) {
  const Alias alias = CreateWith({{"n", Value::Secret("41")}}).alias;
  ASSERT_THAT(store().Merge(alias, {{"n", Change::Add(1)}}), IsOk());
  EXPECT_EQ(ValueOf(alias, "n"), "42");
  EXPECT_TRUE(LoadFields(alias).at("n").is_withheld());
}

TEST_F(AttributesTest, RowsThatWereSwappedBehindTheStoresBackDoNotOpen) {
  const Alias alias = CreateWith({{"a", "1"}, {"b", "2"}}).alias;
  memory().Tamper([&](Transaction& transaction) {
    const std::string a(**transaction.Get(Table::kAttributes, alias.ToKey() + "a"));
    const std::string b(**transaction.Get(Table::kAttributes, alias.ToKey() + "b"));
    absl::Status put = transaction.Put(Table::kAttributes, alias.ToKey() + "a", b);
    put.Update(transaction.Put(Table::kAttributes, alias.ToKey() + "b", a));
    return put;
  });
  ExpectRefused(Verdict::kCorrupt, [&] { return store().Load(alias); });
  ExpectRefused(Verdict::kCorrupt, [&] { return store().Secret(alias, "a"); });
  ExpectRefused(Verdict::kCorrupt, [&] { return store().Merge(alias, {{"a", Change::Set("1")}}); });
}

// ---- The end ----

// A session that is gone in some way, and what is said of it.
struct Ending {
  std::string name;
  Verdict verdict;
  std::function<void(Alias)> end;
};

class AttributesAtTheEndTest : public AttributesTest {
 protected:
  const std::vector<Ending> endings_ = {
      {"revoked", Verdict::kRevoked, [this](Alias a) { EXPECT_THAT(store().Revoke(a), IsOk()); }},
      {"shifted to Expired", Verdict::kExpired,
       [this](Alias a) { EXPECT_THAT(store().Shift(a, State::kExpired), IsOk()); }},
      {"its group revoked", Verdict::kRevoked,
       [this](Alias a) { EXPECT_THAT(store().RevokeGroup(a), IsOk()); }},
      {"everything revoked", Verdict::kRevoked,
       [this](Alias) { EXPECT_THAT(store().RevokeAll("alice"), IsOk()); }},
      {"everything revoked and swept", Verdict::kRevoked,
       [this](Alias) {
         EXPECT_THAT(store().RevokeAll("alice"), IsOk());
         SweepAll();
       }},
      {"past its deadline", Verdict::kExpired, [this](Alias) { Advance(absl::Hours(1)); }},
      {"past its deadline and swept", Verdict::kExpired,
       [this](Alias) {
         Advance(absl::Hours(1));
         SweepAll();
       }},
      {"past its retention and swept", Verdict::kNotFound,
       [this](Alias) {
         Advance(absl::Hours(1) + Policy().retention);
         SweepAll();
       }},
      {"moved", Verdict::kMoved, [this](Alias a) { EXPECT_THAT(store().CycleKey(a), IsOk()); }},
      {"moved long ago", Verdict::kRevoked,
       [this](Alias a) {
         EXPECT_THAT(store().CycleKey(a), IsOk());
         Advance(CycleOptions().redirect_for);
       }},
  };

  SessionSpec Brief() {
    SessionSpec spec = LastingSpec();
    spec.expires_at = Now() + absl::Hours(1);
    return spec;
  }
};

TEST_F(AttributesAtTheEndTest, WhatHasEndedGivesAndTakesNothing) {
  for (const Ending& ending : endings_) {
    SCOPED_TRACE(ending.name);
    StartAnew({});
    const Alias alias = CreateWith({{"a", "1"}, {"s", Value::Secret("2")}}, Brief()).alias;
    const uint64_t version = VersionOf(alias);
    ending.end(alias);
    ExpectRefused(ending.verdict, [&] { return store().Load(alias); });
    ExpectRefused(ending.verdict, [&] { return store().Secret(alias, "s"); });
    ExpectRefused(ending.verdict, [&] { return store().SaveIf(alias, version, {{"a", "2"}}); });
    ExpectRefused(ending.verdict, [&] { return store().SaveIf(alias, 0, {{"a", "2"}}); });
    ExpectRefused(ending.verdict, [&] {
      return store().Merge(alias, {{"new", Change::Set("2")}});
    });
    ExpectRefused(ending.verdict, [&] { return store().Merge(alias, {}); });
  }
}

TEST_F(AttributesAtTheEndTest, ASaveAfterTheEndBringsNothingBack) {
  for (const Ending& ending : endings_) {
    SCOPED_TRACE(ending.name);
    StartAnew({});
    const Alias alias = CreateWith({{"a", "1"}, {"s", Value::Secret("2")}}, Brief()).alias;
    const uint64_t version = VersionOf(alias);
    ending.end(alias);
    EXPECT_FALSE(store().SaveIf(alias, version, {{"a", "2"}}).ok());
    EXPECT_FALSE(store().Merge(alias, {{"a", Change::Set("2")}}).ok());
    SweepAll();
    EXPECT_EQ(AttributeRowsOf(alias), 0u);
    Restart();
    EXPECT_EQ(AttributeRowsOf(alias), 0u);
  }
}

TEST_F(AttributesAtTheEndTest, UnknownAliasIsNotFound) {
  const Alias unknown(Create().alias.value() + 1);
  ExpectRefused(Verdict::kNotFound, [&] { return store().Load(unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store().Secret(unknown, "a"); });
  ExpectRefused(Verdict::kNotFound, [&] { return store().SaveIf(unknown, 0, {{"a", "1"}}); });
  ExpectRefused(Verdict::kNotFound, [&] {
    return store().Merge(unknown, {{"a", Change::Set("1")}});
  });
}

TEST_F(AttributesAtTheEndTest, BadArgumentsAreInvalidWhateverTheSession) {
  const Alias alias = Create().alias;
  ASSERT_THAT(store().Revoke(alias), IsOk());
  ExpectRefused(Verdict::kInvalid, [&] { return store().SaveIf(alias, 0, {{"", "1"}}); });
  ExpectRefused(Verdict::kInvalid, [&] { return store().Merge(alias, {{"", Change::Add(1)}}); });
}

TEST_F(AttributesAtTheEndTest, RevokingShredsAtOnce) {
  for (const State state : {State::kRevoked, State::kExpired}) {
    const Alias alias = CreateWith({{"a", "1"}, {"s", Value::Secret("2")}}).alias;
    EXPECT_EQ(AttributeRowsOf(alias), 3u);
    ASSERT_THAT(store().Shift(alias, state), IsOk());
    EXPECT_EQ(AttributeRowsOf(alias), 0u);
  }
}

TEST_F(AttributesAtTheEndTest, WhatHasRunOutIsShreddedByASweepOrByAShiftThatNotesIt) {
  const Alias swept = CreateWith({{"a", "1"}}, Brief()).alias;
  const Alias noted = CreateWith({{"a", "1"}}, Brief()).alias;
  Advance(absl::Hours(1));
  EXPECT_EQ(AttributeRowsOf(swept), 2u) << "nobody has noticed yet";
  ASSERT_THAT(store().Shift(noted, State::kExpired), IsOk());
  EXPECT_EQ(AttributeRowsOf(noted), 0u);
  SweepAll();
  EXPECT_EQ(AttributeRowsOf(swept), 0u);
}

TEST_F(AttributesAtTheEndTest, AReservationTakesItsAttributesWithIt) {
  const auto reserve = [this] {
    const Alias alias = Reserve().alias;
    EXPECT_THAT(store().Merge(alias, {{"a", Change::Set("1")}}), IsOk());
    return alias;
  };
  const Alias abandoned = reserve();
  ASSERT_THAT(store().Abandon(abandoned), IsOk());
  EXPECT_EQ(AttributeRowsOf(abandoned), 0u);

  const Alias run_out = reserve();
  Advance(LastingSpec().reserve_for);
  SweepAll();
  EXPECT_EQ(AttributeRowsOf(run_out), 0u);

  const Alias left_behind = reserve();
  Restart();
  EXPECT_EQ(AttributeRowsOf(left_behind), 0u);
  EXPECT_EQ(RowsIn(Table::kAttributes), 0u);
}

TEST_F(AttributesAtTheEndTest, ALimitThatRevokesShredsToo) {
  StartAnew({.limits = {.per_principal = 1, .at_limit = Limits::AtLimit::kRevokeOldest}});
  const Alias oldest = CreateWith({{"a", "1"}}).alias;
  CreateWith({{"a", "1"}});
  EXPECT_EQ(AttributeRowsOf(oldest), 0u);
}

TEST_F(AttributesAtTheEndTest, ASuccessorInTheGroupHasNoneOfThem) {
  const Alias first = CreateWith({{"a", "1"}}).alias;
  ASSERT_THAT(store().Revoke(first), IsOk());
  EXPECT_THAT(LoadFields(Create(SpecInGroup(first)).alias), IsEmpty());
}

// ---- In a real file ----

class AttributesFileTest : public FileStoreFixture {};

TEST_F(AttributesFileTest, AttributesSurviveARestart) {
  const Fields fields = {{"a", "1"},
                         {std::string("\0\xff", 2), std::string(100'000, '\xff')},
                         {"s", Value::Secret("secret")},
                         {std::string(kMaxFieldNameBytes, 'n'), std::string(kMaxValueBytes, 'v')}};
  ASSERT_OK_AND_ASSIGN(const Saved saved, store().SaveOrCreate(LastingSpec(), fields));
  const Alias alias = saved.session.alias;
  ASSERT_OK_AND_ASSIGN(const uint64_t version,
                       store().Merge(alias, {{"n", Change::Add(1)}, {"a", Change::Remove()}}));
  for (int opening = 0; opening < 2; ++opening) {
    ASSERT_OK_AND_ASSIGN(const Attributes loaded, store().Load(alias));
    EXPECT_EQ(loaded.version, version);
    Fields expected = fields;
    expected.erase("a");
    expected["n"] = "1";
    expected["s"] = Value::Withheld();
    EXPECT_TRUE(loaded.fields == expected);
    ASSERT_OK_AND_ASSIGN(const SecretBytes secret, store().Secret(alias, "s"));
    EXPECT_EQ(secret.Reveal(), "secret");
    ASSERT_NO_FATAL_FAILURE(Open());
  }
  EXPECT_THAT(store().SaveIf(alias, version, {}), IsOk());
}

TEST_F(AttributesFileTest, ASessionWithAllThatItMayHaveIsSavedMovedAndShredded) {
  ASSERT_OK_AND_ASSIGN(const Saved saved,
                       store().SaveOrCreate(LastingSpec(), FieldsOfBytes(kMaxAttributesBytes)));
  ASSERT_OK_AND_ASSIGN(const Session moved, store().CycleKey(saved.session.alias));
  ASSERT_OK_AND_ASSIGN(const Attributes loaded, store().Load(moved.alias));
  EXPECT_TRUE(loaded.fields == FieldsOfBytes(kMaxAttributesBytes));
  ASSERT_THAT(store().SaveIf(moved.alias, loaded.version, FieldsOfNumber(kMaxFields)), IsOk());
  EXPECT_EQ(RowsIn(Table::kAttributes), kMaxFields + 1);
  ASSERT_THAT(store().Revoke(moved.alias), IsOk());
  EXPECT_EQ(RowsIn(Table::kAttributes), 0u);
}

TEST_F(AttributesFileTest, NamesOfAnyLengthAreRefusedBeforeTheyReachTheFile) {
  const Alias alias = Create().alias;
  for (const size_t size : {0, 256, 503, 504, 600, 100'000}) {
    const std::string name(size, 'n');
    EXPECT_THAT(store().SaveIf(alias, 0, {{name, ""}}), HasVerdict(Verdict::kInvalid));
    EXPECT_THAT(store().Merge(alias, {{name, Change::Remove()}}), HasVerdict(Verdict::kInvalid));
    EXPECT_THAT(store().SaveOrCreate(LastingSpec(), {{name, ""}}), HasVerdict(Verdict::kInvalid));
    EXPECT_THAT(store().Secret(alias, name), HasVerdict(Verdict::kNotFound));
  }
}

}  // namespace
}  // namespace batonstore
