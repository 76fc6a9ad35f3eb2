// Templates through the whole server.
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "retrace/v1/customers.grpc.pb.h"
#include "retrace/v1/members.grpc.pb.h"
#include "retrace/v1/notifications.grpc.pb.h"
#include "retrace/v1/recycle_bin.grpc.pb.h"
#include "retrace/v1/templates.grpc.pb.h"
#include "tests/server/rpc_fixture.h"
#include "tests/server/service_fixture.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TemplatesTest : public ServiceFixture {
 protected:
  template <typename Reply, typename Method, typename Request>
  grpc::Status Call(Method call, const Request& request, Reply& reply,
                    const std::string& principal = "administrator") {
    return (templates_.get()->*call)(As(principal).get(), request, &reply);
  }
  v1::CreateTemplateRequest Creation(const std::string& language, const std::string& subject) {
    v1::CreateTemplateRequest request;
    request.set_parent("tenants/acme");
    v1::Template& given = *request.mutable_template_();
    given.set_kind("customers.deleted");
    given.set_language(language);
    given.set_subject(subject);
    given.set_text("{{#entities}}{{title}};{{/entities}}");
    return request;
  }
  v1::Template Create(const std::string& language, const std::string& subject) {
    v1::CreateTemplateResponse reply;
    const grpc::Status status =
        Call(&v1::Templates::Stub::CreateTemplate, Creation(language, subject), reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.template_();
  }
  v1::PreviewTemplateResponse Preview(const v1::PreviewTemplateRequest& request) {
    v1::PreviewTemplateResponse reply;
    const grpc::Status status = Call(&v1::Templates::Stub::PreviewTemplate, request, reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply;
  }

  std::unique_ptr<v1::Templates::Stub> templates_ = v1::Templates::NewStub(Channel());
};

TEST_F(TemplatesTest, AreKeptLikeEverythingElse) {
  const v1::Template made = Create("en", "Gone: {{title}}");
  EXPECT_EQ(made.name(), "tenants/acme/templates/customers-deleted-en");
  Create("de", "Weg");
  v1::DeleteTemplateRequest deletion;
  deletion.set_name(made.name());
  deletion.mutable_options()->set_reason("not needed");
  v1::DeleteTemplateResponse deleted;
  ASSERT_TRUE(Call(&v1::Templates::Stub::DeleteTemplate, deletion, deleted).ok());
  EXPECT_EQ(deleted.template_().state(), v1::Template::DELETED);

  v1::ListTemplatesRequest listing;
  listing.set_parent("tenants/acme");
  v1::ListTemplatesResponse listed;
  ASSERT_TRUE(Call(&v1::Templates::Stub::ListTemplates, listing, listed, "auditor").ok());
  ASSERT_THAT(listed.templates(), SizeIs(1));
  EXPECT_EQ(listed.templates(0).language(), "de");
  listing.mutable_as_of()->set_position(2);
  ASSERT_TRUE(Call(&v1::Templates::Stub::ListTemplates, listing, listed, "auditor").ok());
  ASSERT_THAT(listed.templates(), SizeIs(2));
  EXPECT_EQ(listed.templates(0).language(), "de");

  v1::ListBinnedEntitiesRequest bin;
  bin.set_parent("tenants/acme");
  bin.set_collection("templates");
  v1::ListBinnedEntitiesResponse binned;
  const auto stub = v1::RecycleBin::NewStub(Channel());
  ASSERT_TRUE(stub->ListBinnedEntities(As("administrator").get(), bin, &binned).ok());
  ASSERT_THAT(binned.entities(), SizeIs(1));
  EXPECT_EQ(binned.entities(0).name(), made.name());
  v1::RestoreEntitiesRequest restore;
  restore.set_parent("tenants/acme");
  restore.add_names(made.name());
  restore.mutable_options()->set_reason("needed");
  v1::RestoreEntitiesResponse restored;
  ASSERT_TRUE(stub->RestoreEntities(As("administrator").get(), restore, &restored).ok());
  v1::GetTemplateRequest get;
  get.set_name(made.name());
  v1::GetTemplateResponse got;
  ASSERT_TRUE(Call(&v1::Templates::Stub::GetTemplate, get, got, "agent").ok());
  EXPECT_EQ(got.template_().state(), v1::Template::ACTIVE);
}

TEST_F(TemplatesTest, AreWrittenByAdministrators) {
  v1::CreateTemplateResponse reply;
  const auto create = &v1::Templates::Stub::CreateTemplate;
  EXPECT_EQ(ErrorOf(Call(create, Creation("en", "S"), reply, "agent")).reason,
            "PERMISSION_MISSING");
  EXPECT_EQ(ErrorOf(Call(create, Creation("en", "S"), reply, "auditor")).reason,
            "PERMISSION_MISSING");
  const WireError broken = ErrorOf(Call(create, Creation("en", "{{nobody}}"), reply));
  EXPECT_EQ(broken.reason, "TEMPLATE_BROKEN");
  EXPECT_THAT(broken.fields, ::testing::ElementsAre("template.subject"));
}

TEST_F(TemplatesTest, PreviewShowsADraft) {
  v1::PreviewTemplateRequest request;
  request.set_parent("tenants/acme");
  request.set_kind("customers.deleted");
  request.set_language("zh-CN");
  request.set_subject("{{count}}：{{title}}");
  request.set_text("{{#entities}}{{title}};{{/entities}}{{#more}}+{{more_count}}{{/more}}");
  request.set_count(12);
  const v1::PreviewTemplateResponse shown = Preview(request);
  EXPECT_THAT(shown.faults(), IsEmpty());
  EXPECT_EQ(shown.subject(), "12：示例客户 1");
  EXPECT_THAT(shown.text(), HasSubstr("示例客户 10;+2"));
  EXPECT_EQ(shown.language(), "zh-CN");
}

TEST_F(TemplatesTest, PreviewTellsEveryFault) {
  v1::PreviewTemplateRequest request;
  request.set_parent("tenants/acme");
  request.set_kind("customers.deleted");
  request.set_subject("{{titles}}");
  request.set_text("a\n  {{#more}}");
  const v1::PreviewTemplateResponse shown = Preview(request);
  ASSERT_THAT(shown.faults(), SizeIs(2));
  EXPECT_EQ(shown.faults(0).field(), "subject");
  EXPECT_EQ(shown.faults(0).nearest(), "title");
  EXPECT_EQ(shown.faults(1).line(), 2);
  EXPECT_EQ(shown.faults(1).column(), 3);
  EXPECT_EQ(shown.subject(), "Customer “Sample & Sons 1” was deleted");
}

TEST_F(TemplatesTest, PreviewShowsWhatIsSentToday) {
  v1::PreviewTemplateRequest request;
  request.set_parent("tenants/acme");
  request.set_kind("customers.deleted");
  EXPECT_EQ(Preview(request).subject(), "Customer “Sample & Sons 1” was deleted");
  const v1::Template made = Create("en", "Gone: {{title}}");
  EXPECT_EQ(Preview(request).subject(), "Gone: Sample & Sons 1");
  v1::PreviewTemplateRequest stored;
  stored.set_parent("tenants/acme");
  stored.set_name(made.name());
  stored.set_count(3);
  EXPECT_THAT(Preview(stored).text(), HasSubstr("Sample & Sons 2;Sample & Sons 3;"));
  v1::PreviewTemplateResponse reply;
  stored.set_name("tenants/acme/templates/none");
  const auto preview = &v1::Templates::Stub::PreviewTemplate;
  EXPECT_EQ(ErrorOf(Call(preview, stored, reply)).reason, "ENTITY_NOT_FOUND");
  stored.set_name("tenants/globex/templates/none");
  EXPECT_FALSE(Call(preview, stored, reply).ok());
  request.set_count(-1);
  EXPECT_THAT(ErrorOf(Call(preview, request, reply)).fields, ::testing::ElementsAre("count"));
  request.set_count(0);
  request.set_kind("comets.seen");
  EXPECT_THAT(ErrorOf(Call(preview, request, reply)).fields, ::testing::ElementsAre("kind"));
  request.set_kind("");
  request.set_notification("tenants/acme/notifications/none");
  EXPECT_EQ(ErrorOf(Call(preview, request, reply)).reason, "ENTITY_NOT_FOUND");
}

// An agent may read templates, and must not read what others were told.
TEST_F(TemplatesTest, PreviewShowsNotificationsToWhoMayReadThem) {
  v1::CreateMemberRequest member;
  member.set_parent("tenants/acme");
  member.set_member_id("anna");
  member.mutable_member()->set_email("anna@example.com");
  member.mutable_member()->set_display_name("Anna");
  v1::CreateMemberResponse joined;
  ASSERT_TRUE(v1::Members::NewStub(Channel())
                  ->CreateMember(As("administrator").get(), member, &joined)
                  .ok());
  const auto customers = v1::Customers::NewStub(Channel());
  v1::CreateCustomerRequest creation;
  creation.set_parent("tenants/acme");
  creation.mutable_customer()->set_display_name("Secret Ltd");
  creation.mutable_customer()->set_owner("tenants/acme/members/anna");
  v1::CreateCustomerResponse created;
  ASSERT_TRUE(customers->CreateCustomer(As("administrator").get(), creation, &created).ok());
  v1::DeleteCustomerRequest deletion;
  deletion.set_name(created.customer().name());
  deletion.mutable_related()->set_all(v1::RelatedRecords::DELETE);
  deletion.mutable_options()->set_reason("closed down");
  v1::DeleteCustomerResponse deleted;
  ASSERT_TRUE(customers->DeleteCustomer(As("administrator").get(), deletion, &deleted).ok());
  v1::ListNotificationsRequest listing;
  listing.set_parent("tenants/acme");
  v1::ListNotificationsResponse listed;
  ASSERT_TRUE(v1::Notifications::NewStub(Channel())
                  ->ListNotifications(As("administrator").get(), listing, &listed)
                  .ok());
  ASSERT_THAT(listed.notifications(), SizeIs(1));
  v1::PreviewTemplateRequest request;
  request.set_parent("tenants/acme");
  request.set_notification(listed.notifications(0).name());
  EXPECT_EQ(Preview(request).subject(), "Customer “Secret Ltd” was deleted");
  const auto preview = &v1::Templates::Stub::PreviewTemplate;
  v1::PreviewTemplateResponse reply;
  EXPECT_TRUE(Call(preview, request, reply, "auditor").ok());
  const WireError hidden = ErrorOf(Call(preview, request, reply, "agent"));
  EXPECT_EQ(hidden.reason, "ENTITY_NOT_FOUND");
  request.set_notification("tenants/acme/notifications/none");
  EXPECT_EQ(ErrorOf(Call(preview, request, reply, "agent")).reason, hidden.reason);
}

TEST_F(TemplatesTest, PreviewShowsWhatTheKindTells) {
  v1::PreviewTemplateRequest request;
  request.set_parent("tenants/acme");
  for (const char* kind : {"backups.failed", "plans.announced", "webhooks.disabled"}) {
    request.set_kind(kind);
    EXPECT_THAT(Preview(request).text(), ::testing::Not(HasSubstr("Sample & Sons"))) << kind;
  }
  EXPECT_THAT(Preview(request).text(), HasSubstr("By: Retrace itself"));
  EXPECT_THAT(Preview(request).text(), HasSubstr("About: tenants/acme/webhooks/sample"));
  request.set_kind("bin.expiring");
  request.set_count(2);
  EXPECT_THAT(Preview(request).text(), HasSubstr("- Sample & Sons 2\n"));
  EXPECT_THAT(Preview(request).text(), HasSubstr("Day of the purge: 2026-03-09"));
}

TEST_F(TemplatesTest, PreviewWarnsOfASubjectThatMayBeEmpty) {
  v1::PreviewTemplateRequest request;
  request.set_parent("tenants/acme");
  request.set_kind("customers.deleted");
  request.set_text("T");
  request.set_subject("{{reason}}");
  const v1::PreviewTemplateResponse shown = Preview(request);
  EXPECT_EQ(shown.subject(), "Closed down");
  EXPECT_THAT(shown.faults(), IsEmpty());
  EXPECT_THAT(shown.warnings(), SizeIs(1));
  request.set_subject("{{count}}");
  EXPECT_THAT(Preview(request).warnings(), IsEmpty());
}

TEST_F(TemplatesTest, DescribesWhatThereIsToBeginWith) {
  v1::DescribeTemplatesRequest request;
  request.set_parent("tenants/acme");
  v1::DescribeTemplatesResponse all;
  ASSERT_TRUE(Call(&v1::Templates::Stub::DescribeTemplates, request, all, "agent").ok());
  EXPECT_EQ(all.built_in_size(), 2 * all.kinds_size());
  EXPECT_GT(all.names_size(), 10);
  request.set_kind("customers.deleted");
  v1::DescribeTemplatesResponse one;
  ASSERT_TRUE(Call(&v1::Templates::Stub::DescribeTemplates, request, one).ok());
  ASSERT_THAT(one.built_in(), SizeIs(2));
  EXPECT_EQ(one.built_in(1).language(), "zh");
  // What is shipped can be stored as it is.
  v1::CreateTemplateRequest creation;
  creation.set_parent("tenants/acme");
  *creation.mutable_template_() = one.built_in(1);
  v1::CreateTemplateResponse created;
  const grpc::Status status = Call(&v1::Templates::Stub::CreateTemplate, creation, created);
  EXPECT_TRUE(status.ok()) << status.error_message();
  request.set_kind("comets.seen");
  EXPECT_FALSE(Call(&v1::Templates::Stub::DescribeTemplates, request, one).ok());
}

}  // namespace
}  // namespace retrace::server
