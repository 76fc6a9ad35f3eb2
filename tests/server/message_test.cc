#include "server/message.h"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "domain/draft.h"
#include "domain/notification_kinds.h"
#include "domain/template_text.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "retrace/store/v1/templates.pb.h"
#include "server/built_in_templates.h"
#include "tests/support/decider_test.h"
#include "tests/support/memory_view.h"

namespace retrace::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

MessageValues Deleted(int64_t count) {
  MessageValues values;
  values.kind = "customers.deleted";
  values.tenant = "Acme";
  values.recipient_name = "Anna";
  values.actor = "Bo";
  values.reason = "left us";
  values.time = "2026-11-22 14:03 (Europe/Oslo)";
  values.change_set = 7;
  values.count = count;
  for (int64_t i = 0; i < std::min<int64_t>(count, 10); ++i) {
    values.entities.push_back(
        {fmt::format("tenants/acme/customers/c{}", i), fmt::format("Name {}", i)});
  }
  values.unsubscribe_url = "https://crm.example/u/abc?a=1&b=2";
  return values;
}

WrittenMessage Composed(const std::string& language, const MessageValues& values) {
  const retrace::testing::MemoryRows rows;
  return Compose(retrace::testing::MemoryView(rows), {language}, values);
}

TEST(MessageTest, SaysInEnglishWhatHappened) {
  const WrittenMessage message = Composed("en-GB", Deleted(12));
  EXPECT_EQ(message.language, "en");
  EXPECT_EQ(message.fault, "");
  EXPECT_EQ(message.subject, "12 of your customers were deleted");
  EXPECT_EQ(message.text,
            "Hello Anna,\n"
            "\n"
            "12 of your customers were deleted and are in the recycle bin.\n"
            "\n"
            "- Name 0\n- Name 1\n- Name 2\n- Name 3\n- Name 4\n"
            "- Name 5\n- Name 6\n- Name 7\n- Name 8\n- Name 9\n"
            "- and 2 more\n"
            "\n"
            "By: Bo\n"
            "When: 2026-11-22 14:03 (Europe/Oslo)\n"
            "Reason: left us\n"
            "\n"
            "To undo it: retrace undo 7 --reason WHY\n"
            "\n"
            "-- \n"
            "If you do not want to be told of this any more:\n"
            "https://crm.example/u/abc?a=1&b=2\n");
  EXPECT_THAT(message.html,
              AllOf(HasSubstr("<html lang=\"en\">"), HasSubstr("<li><bdi>Name 9</bdi></li>"),
                    HasSubstr("<a href=\"https://crm.example/u/abc?a=1&amp;b=2\">")));
}

TEST(MessageTest, SaysInChineseWhatHappened) {
  const WrittenMessage message = Composed("zh-CN", Deleted(1));
  EXPECT_EQ(message.language, "zh");
  EXPECT_EQ(message.subject, "客户“Name 0”已被删除");
  EXPECT_EQ(message.text,
            "Anna，您好：\n"
            "\n"
            "您负责的客户“Name 0”已被删除，现存放在回收站中。\n"
            "\n"
            "操作人：Bo\n"
            "时间：2026-11-22 14:03 (Europe/Oslo)\n"
            "原因：left us\n"
            "\n"
            "如需撤销：retrace undo 7 --reason 原因\n"
            "\n"
            "-- \n"
            "如果不想再收到此类通知：\n"
            "https://crm.example/u/abc?a=1&b=2\n");
  EXPECT_THAT(message.html, HasSubstr("<html lang=\"zh-Hans\">"));
}

TEST(MessageTest, TakesBackWhatItSaid) {
  MessageValues values = Deleted(1);
  values.kind = "customers.restored";
  values.correction = true;
  values.corrected_time = "2026-11-21 09:00 (Europe/Oslo)";
  const WrittenMessage english = Composed("en", values);
  EXPECT_EQ(english.subject, "Correction: Customer “Name 0” is back");
  EXPECT_THAT(english.text, HasSubstr("On 2026-11-21 09:00 (Europe/Oslo) we told you that your "
                                      "customer “Name 0” had been deleted. That was taken back"));
  const WrittenMessage chinese = Composed("zh", values);
  EXPECT_EQ(chinese.subject, "更正：客户“Name 0”已恢复");
  EXPECT_THAT(chinese.text, HasSubstr("我们曾通知您：客户“Name 0”已被删除。该操作现已撤销"));
}

TEST(MessageTest, ShowsTheIdOfWhatNobodyKnowsAnyMore) {
  MessageValues values = Deleted(2);
  values.kind = "customers.purged";
  values.entities[1].title = "";
  EXPECT_THAT(Composed("en", values).text, HasSubstr("- Name 0\n- c1\n"));
}

TEST(MessageTest, EveryKindReadsWellInBothLanguages) {
  for (const domain::NotificationKind& kind : domain::NotificationKinds()) {
    for (const std::string language : {"en", "zh"}) {
      for (const int64_t count : {0, 1, 2, 25}) {
        for (const bool correction : {false, true}) {
          MessageValues values = Deleted(count);
          values.kind = kind.name;
          values.message = "Words.";
          values.about = "tenants/acme/things/a1";
          values.correction = correction;
          values.corrected_time = "2026-11-21";
          const WrittenMessage message = Composed(language, values);
          SCOPED_TRACE(message.subject + "\n" + message.text);
          EXPECT_EQ(message.language, language);
          EXPECT_EQ(message.fault, "");
          for (const std::string& part : {message.subject, message.text, message.html}) {
            EXPECT_THAT(part, AllOf(Not(HasSubstr("{{")), Not(HasSubstr("}}"))));
          }
          EXPECT_FALSE(message.subject.empty());
          // The words of the kind, not those of a kind that the language does not know.
          EXPECT_THAT(message.subject, Not(HasSubstr(values.kind)));
          EXPECT_THAT(message.text,
                      AllOf(HasSubstr("Bo"), HasSubstr("left us"), HasSubstr("Words."),
                            HasSubstr("things/a1"), HasSubstr("u/abc"), Not(HasSubstr("\n\n\n"))));
          EXPECT_EQ(message.text.find("2026-11-21") != std::string::npos, correction);
          EXPECT_EQ(message.text.find("- Name 1\n") != std::string::npos, count > 1);
          EXPECT_EQ(message.text.find("15") != std::string::npos, count == 25);
        }
      }
    }
  }
}

TEST(MessageTest, BuiltInTemplatesAreTemplates) {
  EXPECT_EQ(BuiltInTemplates().size(), 2 * domain::NotificationKinds().size());
  for (const BuiltInTemplate& each : BuiltInTemplates()) {
    using domain::TemplateForm;
    for (const auto& [text, form] : {std::pair(&each.subject, TemplateForm::kSubject),
                                     {&each.text, TemplateForm::kText},
                                     {&each.html, TemplateForm::kHtml}}) {
      const domain::TemplateText read(*text, form);
      EXPECT_FALSE(read.fault()) << each.kind << " " << each.language << ": " << read.fault()->line
                                 << ":" << read.fault()->column << " " << read.fault()->problem;
    }
    EXPECT_THAT(each.html, Not(HasSubstr("src=")));
  }
}

TEST(MessageTest, SaysWhoDidWhatNobodyDid) {
  MessageValues values = Deleted(1);
  values.by_server = true;
  values.actor = "retraced";
  EXPECT_THAT(Composed("en", values).text, HasSubstr("\nBy: Retrace itself\n"));
  EXPECT_THAT(Composed("zh", values).text, HasSubstr("\n操作人：系统\n"));
}

// A bare date would say nothing.
TEST(MessageTest, SaysWhatTheDayIsOf) {
  MessageValues values = Deleted(2);
  values.kind = "bin.expiring";
  values.message = "2026-12-01";
  EXPECT_THAT(Composed("en", values).text, HasSubstr("\nDay of the purge: 2026-12-01 (UTC)\n"));
  EXPECT_THAT(Composed("en", values).html, HasSubstr("<p>Day of the purge: 2026-12-01 (UTC)</p>"));
  EXPECT_THAT(Composed("zh", values).text, HasSubstr("\n清除日期：2026-12-01（UTC）\n"));
}

// Whoever copies a command takes nothing else along.
TEST(MessageTest, CommandsStandApart) {
  for (const BuiltInTemplate& each : BuiltInTemplates()) {
    for (size_t at = 0; (at = each.text.find("retrace ", at)) != std::string::npos; ++at) {
      const size_t end = each.text.find_first_of("\n", at);
      const std::string command = each.text.substr(at, end - at);
      EXPECT_EQ(command.find_first_of(".,()"), std::string::npos) << each.kind << ": " << command;
      for (const char* mark : {"。", "，", "（", "）"}) {
        EXPECT_THAT(command, Not(HasSubstr(mark))) << each.kind;
      }
    }
  }
}

// True in each case: of a first backup that failed none is kept, and no tenant may make one.
TEST(MessageTest, TellsOfBackupsWithoutPaths) {
  for (const std::string kind : {"backups.failed", "backups.damaged"}) {
    MessageValues values = Deleted(0);
    values.kind = kind;
    const std::string text = Composed("en", values).text;
    EXPECT_THAT(text, AllOf(HasSubstr("Whoever operates the server"), HasSubstr("retrace admin "),
                            Not(HasSubstr("latest good"))));
  }
}

// Kinds come before their words.
TEST(MessageTest, SaysSomethingOfAnUnknownKind) {
  MessageValues values = Deleted(1);
  values.kind = "comets.seen";
  EXPECT_EQ(Composed("en", values).subject, "Notification: comets.seen");
  EXPECT_EQ(Composed("zh", values).subject, "通知：comets.seen");
  EXPECT_THAT(Composed("en", values).text, HasSubstr("- Name 0\n"));
}

TEST(MessageTest, SpeaksTheNearestLanguage) {
  for (const auto& [wanted, got] :
       std::vector<std::pair<std::string, std::string>>{{"zh", "zh"},
                                                        {"ZH-hans-CN", "zh"},
                                                        {"zh_CN", "zh"},
                                                        {"en-US", "en"},
                                                        {"de", "en"},
                                                        {"", "en"},
                                                        {"zhuang", "en"}}) {
    EXPECT_EQ(Composed(wanted, Deleted(1)).language, got) << wanted;
  }
}

TEST(MessageTest, EscapesWhatPeopleCallThings) {
  MessageValues values = Deleted(1);
  values.entities[0].title = "<script>alert(1)</script>\r\nBcc: all@example.com";
  values.actor = "Eve\r\nX: y";
  values.reason = "<img src=x>\nsecond line";
  for (const std::string language : {"en", "zh"}) {
    const WrittenMessage message = Composed(language, values);
    EXPECT_THAT(message.subject, AllOf(HasSubstr("<script>alert(1)</script> Bcc: all@example.com"),
                                       Not(HasSubstr("\n")), Not(HasSubstr("\r"))));
    EXPECT_THAT(message.text,
                AllOf(Not(HasSubstr("\nBcc")), Not(HasSubstr("\nX:")), HasSubstr("\nsecond line")));
    EXPECT_THAT(message.html,
                AllOf(Not(HasSubstr("<script")), Not(HasSubstr("<img")),
                      HasSubstr("&lt;script&gt;"), HasSubstr("&lt;img src=x&gt;<br>\nsecond")));
  }
}

TEST(MessageTest, CutsWhatIsTooLong) {
  MessageValues values = Deleted(1);
  for (int i = 0; i < 20'000; ++i) values.entities[0].title += "京";
  values.reason = values.message = values.entities[0].title;
  const WrittenMessage message = Composed("en", values);
  EXPECT_LE(message.subject.size(), 300);
  EXPECT_THAT(message.subject, ::testing::EndsWith("京…"));
  EXPECT_THAT(message.text, HasSubstr("To undo it"));
  EXPECT_THAT(message.html, HasSubstr("To undo it"));
}

// A tenant with templates of its own.
class TenantMessageTest : public ::testing::Test {
 protected:
  void Create(const std::string& kind, const std::string& language, const std::string& subject,
              const std::string& text, const std::string& html = "") {
    v1::CreateTemplateRequest request;
    request.set_parent("tenants/acme");
    request.mutable_template_()->set_kind(kind);
    request.mutable_template_()->set_language(language);
    request.mutable_template_()->set_subject(subject);
    request.mutable_template_()->set_text(text);
    request.mutable_template_()->set_html(html);
    const auto reply = acme_.Do(request);
    ASSERT_TRUE(reply.ok()) << reply.status;
  }
  // As an earlier release, which knew more names, would have stored it.
  void StoreUnchecked(const std::string& subject, const std::string& text) {
    auto event = std::make_shared<store::v1::TemplateCreated>();
    v1::Template& stored = *event->mutable_template_();
    stored.set_kind("customers.deleted");
    stored.set_language("en");
    stored.set_key("customers.deleted/en");
    stored.set_state(v1::Template::ACTIVE);
    stored.set_subject(subject);
    stored.set_text(text);
    v1::CreateTemplateRequest request;
    request.set_parent("tenants/acme");
    *request.mutable_template_() = stored;
    const auto reply =
        acme_.DoWith(request, [&event](const auto&, domain::Draft& draft, const domain::Context&) {
          return draft.Emit({domain::KindNumber::kTemplate, "customers-deleted-en"}, event);
        });
    ASSERT_TRUE(reply.ok()) << reply.status;
  }
  WrittenMessage Composed(const std::string& language, const MessageValues& values) {
    return Compose(acme_.view(), {language}, values);
  }

  retrace::testing::TestTenant acme_;
};

TEST_F(TenantMessageTest, UsesTheNearestTemplate) {
  Create("customers.deleted", "zh", "来自 zh", "文");
  Create("customers.deleted", "zh-TW", "來自 zh-TW", "文");
  Create("customers.deleted", "en", "from en", "text");
  Create("customers.deleted", "de", "aus de", "Text");
  const auto subject = [&](const std::string& language) {
    const WrittenMessage message = Composed(language, Deleted(1));
    return message.language + ": " + message.subject;
  };
  EXPECT_EQ(subject("zh-CN"), "zh: 来自 zh");
  EXPECT_EQ(subject("zh-Hans-CN"), "zh: 来自 zh");
  EXPECT_EQ(subject("zh-tw"), "zh-TW: 來自 zh-TW");
  EXPECT_EQ(subject("de-AT"), "de: aus de");
  EXPECT_EQ(subject("fr"), "en: from en");
  EXPECT_EQ(subject(""), "en: from en");
  MessageValues merged = Deleted(1);
  merged.kind = "customers.merged";
  EXPECT_EQ(Composed("de", merged).subject, "Customer “Name 0” was merged into another");
}

// Chinese that Retrace ships is nearer than English of the tenant's own.
TEST_F(TenantMessageTest, DoesNotLeaveTheLanguage) {
  Create("customers.deleted", "en", "from en", "text");
  EXPECT_EQ(Composed("zh-CN", Deleted(1)).language, "zh");
  EXPECT_EQ(Composed("fr", Deleted(1)).subject, "from en");
}

// A Chinese tenant's member who reads Japanese is told in Chinese.
TEST_F(TenantMessageTest, GoesOnToTheLanguageOfTheTenant) {
  const auto told = [&](const std::vector<std::string>& languages) {
    return Compose(acme_.view(), languages, Deleted(1));
  };
  EXPECT_EQ(told({"ja", "zh"}).subject, "客户“Name 0”已被删除");
  EXPECT_EQ(told({"", "zh-CN"}).language, "zh");
  EXPECT_EQ(told({"ja", "fr"}).language, "en");
  EXPECT_EQ(told({}).language, "en");
  Create("customers.deleted", "fr", "de fr", "texte");
  Create("customers.deleted", "zh", "来自 zh", "文");
  EXPECT_EQ(told({"ja", "fr-CA"}).subject, "de fr");
  EXPECT_EQ(told({"zh-TW", "fr"}).subject, "来自 zh");
  EXPECT_EQ(told({"en-GB", "fr"}).subject, "Customer “Name 0” was deleted");
}

// The tenant's own words for the other side of the strait, or the ocean, are nearer than ours.
TEST_F(TenantMessageTest, TakesTheOnlyVariantThatThereIs) {
  Create("customers.deleted", "zh-CN", "来自 zh-CN", "文");
  Create("customers.deleted", "en-US", "from en-US", "text");
  Create("customers.deleted", "zha", "not Chinese", "text");
  EXPECT_EQ(Composed("zh", Deleted(1)).subject, "来自 zh-CN");
  EXPECT_EQ(Composed("zh-TW", Deleted(1)).subject, "来自 zh-CN");
  EXPECT_EQ(Composed("en-GB", Deleted(1)).subject, "from en-US");
  EXPECT_EQ(Composed("fr", Deleted(1)).subject, "from en-US");
  // Which of two, nobody can know.
  Create("customers.deleted", "zh-TW", "來自 zh-TW", "文");
  EXPECT_EQ(Composed("zh", Deleted(1)).subject, "客户“Name 0”已被删除");
  EXPECT_EQ(Composed("zh-HK", Deleted(1)).language, "zh");
}

TEST_F(TenantMessageTest, FindsTheEndOfADocumentInAnyCase) {
  Create("customers.deleted", "en", "S", "T", "<HTML><BODY><p>T</p></BODY></HTML>");
  EXPECT_THAT(Composed("en", Deleted(1)).html, ::testing::EndsWith("</a></p>\n</BODY></HTML>"));
}

// What only looks like the end, or like a link, is neither.
TEST_F(TenantMessageTest, AddsTheLinkWhereABrowserShowsIt) {
  Create("customers.deleted", "en", "S", "T",
         "<html><head><title>{{unsubscribe_url}}</title></head><body><p>T</p></body>"
         "<img alt=\"</body>\"><!-- </body> --></html>");
  const std::string html = Composed("en", Deleted(1)).html;
  EXPECT_THAT(html, HasSubstr("<p>T</p>\n<hr>"));
  EXPECT_THAT(html, HasSubstr("</a></p>\n</body><img alt=\"</body>\"><!-- </body> --></html>"));
}

TEST_F(TenantMessageTest, ShowsTextAsParagraphs) {
  Create("customers.deleted", "de", "{{actor}}",
         "Hallo {{recipient_name}} & Co,\n\n\nweg <ist>:\n"
         "{{#entities}}\n- {{title}}\n{{/entities}}");
  MessageValues values = Deleted(2);
  values.entities[0].title = "<b>";
  values.unsubscribe_url = "";
  const WrittenMessage message = Composed("de", values);
  EXPECT_EQ(message.text, "Hallo Anna & Co,\n\n\nweg <ist>:\n- <b>\n- Name 1\n");
  EXPECT_THAT(message.html,
              AllOf(HasSubstr("<html lang=\"de\">"), HasSubstr("<title>Bo</title>"),
                    HasSubstr("<body>\n<p>Hallo Anna &amp; Co,</p>\n<p>weg &lt;ist&gt;:<br>\n"
                              "- &lt;b&gt;<br>\n- Name 1</p>\n</body>")));
}

TEST_F(TenantMessageTest, LeavesWholeDocumentsAlone) {
  Create("customers.deleted", "en", "S", "T {{unsubscribe_url}}",
         "<!DOCTYPE html><html><body><p>{{title}}</p>"
         "<a href=\"{{unsubscribe_url}}\">off</a></body></html>");
  EXPECT_EQ(Composed("en", Deleted(1)).html,
            "<!DOCTYPE html><html><body><p>Name 0</p>"
            "<a href=\"https://crm.example/u/abc?a=1&amp;b=2\">off</a></body></html>");
  EXPECT_EQ(Composed("en", Deleted(1)).text, "T https://crm.example/u/abc?a=1&b=2");
}

TEST_F(TenantMessageTest, NoTemplateForgetsHowToUnsubscribe) {
  Create("customers.deleted", "zh", "S", "T", "<html><body><p>T</p></body></html>");
  const WrittenMessage message = Composed("zh", Deleted(1));
  EXPECT_EQ(message.text,
            "T\n\n-- \n如果不想再收到此类通知：\nhttps://crm.example/u/abc?a=1&b=2\n");
  EXPECT_THAT(message.html,
              HasSubstr("<a href=\"https://crm.example/u/abc?a=1&amp;b=2\">退订此类通知</a></p>\n"
                        "</body>"));
}

TEST_F(TenantMessageTest, ABrokenTemplateKeepsNothingFromBeingSent) {
  StoreUnchecked("S", "one\n{{owner_phone}}");
  const WrittenMessage message = Composed("en", Deleted(1));
  EXPECT_EQ(message.fault,
            "templates/customers-deleted-en: text, line 2, column 1: There is no \"owner_phone\".");
  EXPECT_EQ(message.subject, "Customer “Name 0” was deleted");
  EXPECT_THAT(message.text, HasSubstr("To undo it: retrace undo 7"));
}

TEST_F(TenantMessageTest, NeitherDoesOneThatShowsNothingOrTooMuch) {
  Create("customers.deleted", "de", "{{message}}", "T");
  EXPECT_THAT(Composed("de", Deleted(1)).fault, HasSubstr("the subject is empty"));
  std::string much = "{{#entities}}";
  for (int i = 0; i < 1000; ++i) much += "{{reason}}";
  Create("customers.deleted", "fr", "S", much + "{{/entities}}");
  MessageValues values = Deleted(10);
  values.reason = std::string(1000, 'x');
  const WrittenMessage message = Composed("fr", values);
  EXPECT_THAT(message.fault, HasSubstr("longer than 1048576 bytes"));
  EXPECT_EQ(message.language, "en");
}

// Whatever is stored, a message comes of it.
TEST_F(TenantMessageTest, NothingBreaksTheRenderer) {
  std::mt19937_64 random(20260302);
  const std::vector<std::string> pieces = {"{{",
                                           "}}",
                                           "{{title}}",
                                           "{{#entities}}",
                                           "{{/entities}}",
                                           "{{^single}}",
                                           "{{/single}}",
                                           "{{!",
                                           "<p>",
                                           "<a href=\"",
                                           "\"",
                                           ">",
                                           "\n",
                                           "\r",
                                           "\xff",
                                           "中",
                                           "{{{",
                                           "<!--",
                                           "reason",
                                           "#",
                                           "/"};
  int whole = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string parts[3];
    for (std::string& part : parts) {
      for (uint64_t left = random() % 9; left > 0; --left) part += pieces[random() % pieces.size()];
    }
    v1::Template wording;
    wording.set_kind("customers.deleted");
    wording.set_language(i % 2 == 0 ? "zh-CN" : "de");
    wording.set_subject("S" + parts[0]);
    wording.set_text(parts[1]);
    wording.set_html(parts[2]);
    const WrittenMessage message = ComposeBy(wording, Deleted(static_cast<int64_t>(random() % 13)));
    EXPECT_FALSE(message.subject.empty());
    EXPECT_EQ(message.subject.find_first_of("\r\n"), std::string::npos);
    EXPECT_THAT(message.text, HasSubstr("https://crm.example/u/abc?a=1&b=2"));
    EXPECT_THAT(message.html, HasSubstr("https://crm.example/u/abc?a=1&amp;b=2"));
    whole += message.fault.empty() ? 1 : 0;
  }
  EXPECT_GT(whole, 100);
  EXPECT_LT(whole, 4900);
}

}  // namespace
}  // namespace retrace::server
