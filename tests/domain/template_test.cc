#include "domain/template.h"

#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "retrace/v1/templates.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::FaultyFields;
using retrace::testing::Metadata;
using retrace::testing::Reply;
using retrace::testing::TestTenant;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TemplateTest : public ::testing::Test {
 protected:
  Reply Create(const std::string& kind, const std::string& language,
               const std::string& texts = "subject: 'S' text: 'T'") {
    return acme_.Do<v1::CreateTemplateRequest>(
        fmt::format("parent: 'tenants/acme' template {{ kind: '{}' language: '{}' {} }}", kind,
                    language, texts));
  }
  Reply Update(const std::string& id, const std::string& fields, const std::string& mask) {
    std::string paths;
    for (const char* path : {"subject", "text", "html", "kind", "language"}) {
      if (mask.find(path) != std::string::npos) {
        paths += fmt::format(" paths: '{}'", path);
      }
    }
    return acme_.Do<v1::UpdateTemplateRequest>(
        fmt::format("template {{ name: 'tenants/acme/templates/{}' {} }} update_mask {{{}}}", id,
                    fields, paths));
  }
  Reply Delete(const std::string& id) {
    return acme_.Do<v1::DeleteTemplateRequest>(
        fmt::format("name: 'tenants/acme/templates/{}'", id));
  }
  Reply Undelete(const std::string& id) {
    return acme_.Do<v1::UndeleteTemplateRequest>(
        fmt::format("name: 'tenants/acme/templates/{}'", id));
  }
  v1::Template Shown(const std::string& id) {
    return acme_.Show<v1::Template>({KindNumber::kTemplate, id});
  }
  // The id of the template that is used for the kind and language; empty: none.
  std::string Used(const std::string& kind, const std::string& language) {
    return FindTemplate(kind, language, acme_.view())->entity.id;
  }

  TestTenant acme_;
};

TEST_F(TemplateTest, IsNamedAfterKindAndLanguage) {
  const Reply made = Create("customers.deleted", "zh-CN");
  ASSERT_TRUE(made.ok()) << made.status;
  EXPECT_EQ(made.id(), "customers-deleted-zh-cn");
  const v1::Template shown = Shown(made.id());
  EXPECT_EQ(shown.name(), "tenants/acme/templates/customers-deleted-zh-cn");
  EXPECT_EQ(shown.language(), "zh-CN");
  EXPECT_EQ(shown.key(), "customers.deleted/zh-cn");
  EXPECT_EQ(shown.state(), v1::Template::ACTIVE);
  EXPECT_EQ(Used("customers.deleted", "ZH_cn"), made.id());
  EXPECT_EQ(Used("customers.deleted", "zh"), "");
  EXPECT_EQ(Used("customers.restored", "zh-CN"), "");
}

TEST_F(TemplateTest, ThereIsOneForEachKindAndLanguage) {
  ASSERT_TRUE(Create("customers.deleted", "zh").ok());
  const Reply twin = Create("customers.deleted", "ZH");
  EXPECT_EQ(twin.reason(), v1::KEY_TAKEN);
  EXPECT_EQ(Metadata(twin.status, "holder"), "tenants/acme/templates/customers-deleted-zh");
  EXPECT_TRUE(Create("customers.deleted", "en").ok());
  EXPECT_TRUE(Create("customers.merged", "zh").ok());
}

// Ids are never reused, kinds and languages are.
TEST_F(TemplateTest, AnotherOneFollowsADeletedOne) {
  ASSERT_TRUE(Create("customers.deleted", "zh").ok());
  ASSERT_TRUE(Delete("customers-deleted-zh").ok());
  EXPECT_EQ(Used("customers.deleted", "zh"), "");
  const Reply next = Create("customers.deleted", "zh");
  ASSERT_TRUE(next.ok()) << next.status;
  EXPECT_EQ(next.id(), "customers-deleted-zh-2");
  EXPECT_EQ(Used("customers.deleted", "zh"), "customers-deleted-zh-2");
  EXPECT_EQ(Undelete("customers-deleted-zh").reason(), v1::KEY_TAKEN);
  ASSERT_TRUE(Delete("customers-deleted-zh-2").ok());
  EXPECT_TRUE(Undelete("customers-deleted-zh").ok());
  EXPECT_EQ(Used("customers.deleted", "zh"), "customers-deleted-zh");
  // An undo of a deletion claims the key, too.
  EXPECT_EQ(acme_.UndoCommit(4).reason(), v1::KEY_TAKEN);
}

TEST_F(TemplateTest, UndoTakesBackAnUpdate) {
  ASSERT_TRUE(Create("customers.deleted", "en").ok());
  const Reply updated = Update("customers-deleted-en", "subject: 'New {{count}}'", "subject");
  ASSERT_TRUE(updated.ok()) << updated.status;
  EXPECT_EQ(Shown("customers-deleted-en").subject(), "New {{count}}");
  ASSERT_TRUE(acme_.UndoCommit(updated.position).ok());
  EXPECT_EQ(Shown("customers-deleted-en").subject(), "S");
}

TEST_F(TemplateTest, RefusesWhatCannotBeShown) {
  const Reply reply = Create("customers.deleted", "en",
                             R"(subject: 'S' text: 'a\nb {{tiitle}}' html: '<p {{title}}>')");
  EXPECT_EQ(reply.reason(), v1::TEMPLATE_BROKEN);
  EXPECT_EQ(reply.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Metadata(reply.status, "field"), "text");
  EXPECT_EQ(Metadata(reply.status, "line"), "2");
  EXPECT_EQ(Metadata(reply.status, "column"), "3");
  EXPECT_EQ(Metadata(reply.status, "nearest"), "title");
  EXPECT_THAT(FaultyFields(reply.status), ElementsAre("template.text", "template.html"));
  EXPECT_THAT(std::string(reply.status.message()),
              HasSubstr("text, line 2, column 3: There is no \"tiitle\"; perhaps title is meant."));
  ASSERT_TRUE(Create("customers.deleted", "en").ok());
  const Reply update = Update("customers-deleted-en", "html: '{{#more}}'", "html");
  EXPECT_EQ(update.reason(), v1::TEMPLATE_BROKEN);
  EXPECT_THAT(FaultyFields(update.status), ElementsAre("template.html"));
}

TEST_F(TemplateTest, RefusesWhatItIsNotFor) {
  EXPECT_THAT(FaultyFields(Create("comets.seen", "en").status), ElementsAre("template.kind"));
  EXPECT_THAT(FaultyFields(Create("customers.deleted", "english").status),
              ElementsAre("template.language"));
  EXPECT_THAT(FaultyFields(Create("customers.deleted", "en", "subject: ' ' text: '\\n'").status),
              ElementsAre("template.subject", "template.text"));
  EXPECT_THAT(FaultyFields(Create("customers.deleted", "en", "").status),
              ElementsAre("template.subject", "template.text"));
  ASSERT_TRUE(Create("customers.deleted", "en").ok());
  EXPECT_THAT(
      FaultyFields(Update("customers-deleted-en", "kind: 'customers.merged'", "kind").status),
      ElementsAre("update_mask.paths[0]"));
  EXPECT_THAT(FaultyFields(Update("customers-deleted-en", "", "subject").status),
              ElementsAre("template.subject"));
  const Reply foreign = acme_.Do<v1::CreateTemplateRequest>(
      "parent: 'tenants/globex' template { kind: 'customers.deleted' language: 'en' subject: 'S' "
      "text: 'T' }");
  EXPECT_THAT(FaultyFields(foreign.status), ElementsAre("parent"));
}

TEST_F(TemplateTest, SaysThatASubjectMayBeEmpty) {
  EXPECT_THAT(Create("customers.deleted", "en", "subject: '{{reason}}' text: 'T'").notes,
              ElementsAre(std::string(kMayBeEmpty)));
  EXPECT_THAT(Update("customers-deleted-en", "subject: '{{message}}'", "subject").notes,
              ElementsAre(std::string(kMayBeEmpty)));
  EXPECT_THAT(Update("customers-deleted-en", "text: 'U'", "text").notes, ElementsAre());
  EXPECT_THAT(Update("customers-deleted-en", "subject: '{{count}}'", "subject").notes,
              ElementsAre());
}

TEST_F(TemplateTest, TheLongestFitIntoAnEvent) {
  const Reply reply =
      Create("customers.deleted", "en",
             fmt::format("subject: '{}' text: '{}' html: '{}'", std::string(kMostSubjectBytes, 's'),
                         std::string(kMostTextBytes, 't'), std::string(kMostHtmlBytes, 'h')));
  EXPECT_TRUE(reply.ok()) << reply.status;
}

}  // namespace
}  // namespace retrace::domain
