#include "server/message.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "domain/notification_kinds.h"
#include "domain/template_text.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/built_in_templates.h"
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
  return Compose(retrace::testing::MemoryView(rows), language, values);
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
            "To undo it: retrace undo 7\n"
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
            "如需撤销：retrace undo 7\n"
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

}  // namespace
}  // namespace retrace::server
