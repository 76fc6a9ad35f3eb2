#include "server/principals.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_directory.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;

constexpr char kEntry[] = R"(
[[tokens]]
token_hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # "test"
principal = "ann"
kind = "HUMAN"
display_name = "Ann"
email = "ann@example.com"
language = "en"
team = "East"
tenants = ["acme"]
roles = ["agent", "auditor"]
)";

class PrincipalsTest : public ::testing::Test {
 protected:
  void Write(const std::string& text, mode_t mode = 0600) {
    // Replaced, as an editor does: another inode.
    const std::string beside = file_ + ".new";
    std::ofstream(beside) << text;
    ASSERT_EQ(chmod(beside.c_str(), mode), 0);
    ASSERT_EQ(rename(beside.c_str(), file_.c_str()), 0);
  }

  std::string OpenFault() {
    const auto opened = Principals::Open(file_);
    return opened.ok() ? "" : std::string(opened.status().message());
  }

  testing::TempDirectory directory_;
  const std::string file_ = directory_.Below("tokens.toml");
};

TEST_F(PrincipalsTest, ReadsEverySetting) {
  Write(kEntry);
  const auto principals = Principals::Open(file_);
  ASSERT_TRUE(principals.ok()) << principals.status();
  const PrincipalPtr ann = (*principals)->FindByToken("test");
  ASSERT_NE(ann, nullptr);
  EXPECT_EQ(ann->id, "ann");
  EXPECT_EQ(ann->kind, Principal::Kind::kHuman);
  EXPECT_EQ(ann->display_name, "Ann");
  EXPECT_EQ(ann->email, "ann@example.com");
  EXPECT_EQ(ann->language, "en");
  EXPECT_EQ(ann->team, "East");
  EXPECT_FALSE(ann->every_tenant);
  EXPECT_TRUE(ann->MayEnter("acme"));
  EXPECT_FALSE(ann->MayEnter("globex"));
  EXPECT_TRUE(ann->Has("customers.delete"));  // of agents
  EXPECT_TRUE(ann->Has("history.read"));      // of auditors
  EXPECT_FALSE(ann->Has("policy.update"));
  EXPECT_EQ((*principals)->FindByToken("Test"), nullptr);
  EXPECT_EQ((*principals)->FindByToken(""), nullptr);
}

TEST_F(PrincipalsTest, RefusesAFileOpenToOthers) {
  for (const mode_t mode : {0640, 0604, 0660, 0601}) {
    Write(kEntry, mode);
    EXPECT_THAT(OpenFault(), HasSubstr("chmod 600"));
  }
  Write(kEntry);
  EXPECT_EQ(OpenFault(), "");
}

TEST_F(PrincipalsTest, NamesFileAndLineOfAFault) {
  const std::pair<const char*, const char*> faults[] = {
      {"\"ann\"", "\"ann"},  // TOML
      {"\"ann\"", "\"\""},         {"\"ann\"", "7"},
      {"HUMAN", "ROBOT"},          {"9f86d0", "9f86"},
      {"9f86d0", "9f86dx"},        {"\"acme\"", "\"Acme!\""},
      {"[\"acme\"]", "\"acme\""},  {"[\"acme\"]", "[]"},
      {"\"agent\"", "\"boss\""},   {"team =", "crew ="},
      {"principal = \"ann\"", ""}, {"[[tokens]]", "[[token]]"},
  };
  for (const auto& [good, bad] : faults) {
    Write(absl::StrReplaceAll(kEntry, {{good, bad}}));
    EXPECT_THAT(OpenFault(), HasSubstr(file_ + ", line ")) << good << " -> " << bad;
  }
  Write(std::string(kEntry) + kEntry);
  EXPECT_THAT(OpenFault(), HasSubstr("twice"));
}

TEST_F(PrincipalsTest, NamesTheNextStepWhenTheFileIsMissing) {
  EXPECT_THAT(OpenFault(), HasSubstr("retraced token new"));
}

TEST_F(PrincipalsTest, ReadsAgainWhenTheFileChanged) {
  Write(kEntry);
  const auto principals = *Principals::Open(file_);
  EXPECT_FALSE(*principals->Refresh());
  Write(absl::StrReplaceAll(kEntry, {{"\"agent\", \"auditor\"", "\"auditor\""}}));
  EXPECT_TRUE(*principals->Refresh());
  EXPECT_FALSE(principals->FindByToken("test")->Has("customers.delete"));
  Write("");
  EXPECT_TRUE(*principals->Refresh());
  EXPECT_EQ(principals->FindByToken("test"), nullptr);
  EXPECT_EQ(principals->size(), 0u);
}

TEST_F(PrincipalsTest, KeepsTheOldTableWhenTheFileIsBad) {
  Write(kEntry);
  const auto principals = *Principals::Open(file_);
  Write("[[tokens]\n");
  EXPECT_FALSE(principals->Refresh().ok());
  EXPECT_NE(principals->FindByToken("test"), nullptr);
  EXPECT_TRUE(principals->Refresh().ok());  // said once
  Write(kEntry, 0644);
  EXPECT_FALSE(principals->Refresh().ok());
  ASSERT_EQ(unlink(file_.c_str()), 0);
  EXPECT_FALSE(principals->Refresh().ok());
  EXPECT_NE(principals->FindByToken("test"), nullptr);
  Write("");
  EXPECT_TRUE(*principals->Refresh());
  EXPECT_EQ(principals->FindByToken("test"), nullptr);
}

TEST_F(PrincipalsTest, AddsTokens) {
  TokenEntry entry;
  entry.principal = "bob \"the builder\" \\ Łódź";
  entry.kind = Principal::Kind::kService;
  entry.tenants = {"*"};
  entry.roles = {"operator"};
  const absl::StatusOr<std::string> first = AddToken(file_, entry);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(*first, ::testing::StartsWith("rt_"));
  EXPECT_EQ(first->size(), 3u + 43u);  // 256 bits
  entry.principal = "eve";
  const absl::StatusOr<std::string> second = AddToken(file_, entry);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(*first, *second);
  const auto principals = Principals::Open(file_);
  ASSERT_TRUE(principals.ok()) << principals.status();
  EXPECT_EQ((*principals)->FindByToken(*first)->id, "bob \"the builder\" \\ Łódź");
  EXPECT_EQ((*principals)->FindByToken(*first)->kind, Principal::Kind::kService);
  EXPECT_TRUE((*principals)->FindByToken(*second)->every_tenant);
  std::ostringstream text;
  text << std::ifstream(file_).rdbuf();
  EXPECT_THAT(text.str(), ::testing::Not(HasSubstr(*first)));
}

TEST_F(PrincipalsTest, AddsNoWrongTokens) {
  TokenEntry good;
  good.principal = "bob";
  good.tenants = {"acme"};
  good.roles = {"agent"};
  for (const auto& spoil : std::vector<std::function<void(TokenEntry&)>>{
           [](TokenEntry& entry) { entry.principal = ""; },
           [](TokenEntry& entry) { entry.principal = "a\nroles = []"; },
           [](TokenEntry& entry) { entry.roles = {"boss"}; },
           [](TokenEntry& entry) { entry.roles = {}; },
           [](TokenEntry& entry) { entry.tenants = {"A"}; },
           [](TokenEntry& entry) { entry.tenants = {}; }}) {
    TokenEntry bad = good;
    spoil(bad);
    EXPECT_EQ(AddToken(file_, bad).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_NE(access(file_.c_str(), F_OK), 0);
}

// What goes on in somebody's name has no token: it gets no more than each that may have begun it.
TEST_F(PrincipalsTest, AnIdAloneHasWhatAllOfItsTokensGrant) {
  const auto entry = [](const char* hash, const char* role) {
    return absl::StrReplaceAll(kEntry, {{"9f86", hash}, {"\"agent\", \"auditor\"", role}});
  };
  Write(entry("0000", "\"agent\"") + entry("1111", "\"auditor\""));
  const auto principals = Principals::Open(file_);
  ASSERT_TRUE(principals.ok()) << principals.status();
  const PrincipalPtr reader = (*principals)->FindById("ann", "acme", "customers.read");
  ASSERT_NE(reader, nullptr);
  EXPECT_TRUE(reader->Has("records.read"));
  EXPECT_FALSE(reader->Has("customers.update")) << "of agents only";
  EXPECT_FALSE(reader->Has("history.export")) << "of auditors only";
  // The token that may not do it at all takes nothing away.
  EXPECT_TRUE((*principals)->FindById("ann", "acme", "customers.update")->Has("history.undo"));
  EXPECT_EQ((*principals)->FindById("ann", "acme", "admin.backup"), nullptr);
  EXPECT_EQ((*principals)->FindById("ann", "globex", "customers.read"), nullptr);
}

}  // namespace
}  // namespace retrace::server
