// The texts that Retrace ships, for every kind of notification in English and Chinese: written in
// the language of templates (domain/template_text.h), so that a tenant can begin with them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace retrace::server {

// What is said of one kind. All are templates, without markup.
struct KindWords {
  std::string_view kind;        // empty: of a kind that the language has no words for
  std::string_view subject;     // without saying that it is a correction
  std::string_view lead;        // what happened
  std::string_view correction;  // what the recipient was told, and that it was taken back
  std::string_view message;     // where `message` says more than words; empty: as it is
  std::string_view next;        // what can be done about it; may be empty
};

// How a language says what is the same for all kinds.
struct LanguageWords {
  std::string_view language;            // "en"
  std::string_view markup_language;     // what browsers call it
  std::string_view correction_subject;  // goes before the subject
  std::string_view greeting;
  std::string_view more;  // "and 3 more"
  std::string_view actor;
  std::string_view server;  // who did what nobody did
  std::string_view time;
  std::string_view reason;
  std::string_view about;
  std::string_view unsubscribe;       // before the address
  std::string_view unsubscribe_link;  // what is clicked
  std::span<const KindWords> kinds;
};

const LanguageWords& EnglishWords();
const LanguageWords& ChineseWords();
// Chinese for any `zh`, English for any other language.
const LanguageWords& WordsFor(std::string_view language);

struct BuiltInTemplate {
  std::string kind;
  std::string language;  // "en", "zh"
  std::string subject;
  std::string text;
  std::string html;  // what stands in the body
};

// For every kind, by kind and language.
std::span<const BuiltInTemplate> BuiltInTemplates();
// In the words for the language; of an unknown kind a general one.
const BuiltInTemplate& BuiltInFor(std::string_view kind, std::string_view language);

// A body as a whole document in the language. The title is text, escaped here.
std::string HtmlDocument(std::string_view language, std::string_view title, std::string_view body);

}  // namespace retrace::server
