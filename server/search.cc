#include "server/search.h"

#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "domain/index_values.h"
#include "domain/phone.h"
#include "domain/resource.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/time_util.h"
#include "server/numbers.h"

namespace retrace::server {
namespace {

using domain::IndexDeclaration;
using domain::Kind;
using domain::Normaliser;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Sets a singular field, or adds the one element of a repeated one. False when the text is no value
// of it.
bool SetLeaf(Message& message, const FieldDescriptor& field, std::string_view text) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      repeated ? reflection.AddString(&message, &field, std::string(text))
               : reflection.SetString(&message, &field, std::string(text));
      return true;
    case FieldDescriptor::CPPTYPE_INT64: {
      const std::optional<int64_t> number = ReadNumber<int64_t>(text);
      if (!number.has_value()) return false;
      repeated ? reflection.AddInt64(&message, &field, *number)
               : reflection.SetInt64(&message, &field, *number);
      return true;
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value =
          field.enum_type()->FindValueByName(absl::AsciiStrToUpper(std::string(text)));
      if (value == nullptr) return false;
      repeated ? reflection.AddEnum(&message, &field, value)
               : reflection.SetEnum(&message, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      if (repeated || field.message_type() != google::protobuf::Timestamp::descriptor())
        return false;
      auto* time =
          static_cast<google::protobuf::Timestamp*>(reflection.MutableMessage(&message, &field));
      return google::protobuf::util::TimeUtil::FromString(std::string(text), time);
    }
    default:
      return false;
  }
}

bool SetPath(Message& message, const std::vector<std::string>& path, std::string_view text) {
  Message* at = &message;
  for (size_t i = 0; i < path.size(); ++i) {
    const FieldDescriptor* field = at->GetDescriptor()->FindFieldByName(path[i]);
    if (field == nullptr || field->is_map()) return false;
    if (i + 1 == path.size()) return SetLeaf(*at, *field, text);
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return false;
    const Reflection& reflection = *at->GetReflection();
    at = field->is_repeated() ? reflection.AddMessage(at, field)
                              : reflection.MutableMessage(at, field);
  }
  return false;
}

std::string_view Stripped(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// Only what phone numbers are written with, and at least one digit.
bool LooksLikeDigits(std::string_view text) {
  bool digit = false;
  for (const char c : text) {
    digit = digit || absl::ascii_isdigit(static_cast<unsigned char>(c));
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c)) &&
        std::string_view("+-()./# \txetXET").find(c) == std::string_view::npos)
      return false;
  }
  return digit;
}

SearchPlace Exactly(const IndexDeclaration& index, std::string value) {
  SearchPlace place{.index = &index, .lower = std::move(value)};
  place.upper = place.lower + '\0';
  return place;
}

SearchPlace BeginningWith(const IndexDeclaration& index, std::string prefix) {
  SearchPlace place{.index = &index, .lower = std::move(prefix)};
  place.upper = domain::AfterPrefix(place.lower);
  return place;
}

bool Inside(const SearchPlace& place, std::string_view value) {
  return value >= place.lower && (place.upper.empty() || value < place.upper);
}

void AddNumber(const Kind& kind, std::string_view text, std::vector<SearchPlace>& places) {
  const IndexDeclaration* index = FindIndex(kind, "number");
  if (text.front() == '#') text.remove_prefix(1);
  const std::optional<int64_t> number = ReadNumber<int64_t>(text);
  if (index == nullptr || !number.has_value()) return;
  places.push_back(Exactly(*index, domain::EncodeNumber(*number)));
}

// Exactly the text, as the index of the field folds it.
void AddExact(const Kind& kind, std::string_view field, std::string_view text,
              std::vector<SearchPlace>& places) {
  const IndexDeclaration* index = FindIndex(kind, field);
  if (index == nullptr) return;
  for (std::string& value : IndexValuesOfText(kind, *index, {std::string(field)}, text)) {
    places.push_back(Exactly(*index, std::move(value)));
  }
}

// An e-mail address or its beginning.
void AddEmail(const Kind& kind, std::string_view text, std::vector<SearchPlace>& places) {
  for (const char* field : {"emails", "email"}) {
    const IndexDeclaration* index = FindIndex(kind, field);
    if (index == nullptr) continue;
    for (std::string& value : IndexValuesOfText(kind, *index, {field}, text)) {
      places.push_back(BeginningWith(*index, std::move(value)));
    }
  }
}

void AddPhone(const Kind& kind, std::string_view text, std::string_view region,
              std::vector<SearchPlace>& places) {
  const IndexDeclaration* index = FindIndex(kind, "phones");
  if (index == nullptr) return;
  std::vector<std::string> spellings = domain::PhoneSpellings(region, text);
  std::sort(spellings.begin(), spellings.end());
  spellings.erase(std::unique(spellings.begin(), spellings.end()), spellings.end());
  for (std::string& spelling : spellings) {
    if (spelling.empty()) continue;
    SearchPlace place{.index = index, .lower = std::move(spelling)};
    place.upper = domain::AfterPhoneDigits(place.lower);
    places.push_back(std::move(place));
  }
}

// A place for every word: each may be the one that is walked. The longest comes first, as it is
// mostly the rarest.
std::vector<SearchPlace> WordPlaces(const Kind& kind, std::string_view text) {
  std::vector<SearchPlace> choices;
  const auto index =
      std::find_if(kind.indexes.begin(), kind.indexes.end(), [](const IndexDeclaration& declared) {
        return declared.normaliser == Normaliser::kNameWords;
      });
  if (index == kind.indexes.end()) return choices;
  std::vector<std::string> words = domain::QueryWords(text);
  std::sort(words.begin(), words.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  words.erase(std::unique(words.begin(), words.end()), words.end());
  std::erase(words, "");
  for (size_t i = 0; i < words.size(); ++i) {
    SearchPlace place = BeginningWith(*index, words[i]);
    for (size_t j = 0; j < words.size(); ++j) {
      if (j != i) place.other_words.push_back(words[j]);
    }
    choices.push_back(std::move(place));
  }
  return choices;
}

bool HasWords(const std::vector<std::string>& values, const std::vector<std::string>& words) {
  return std::all_of(words.begin(), words.end(), [&](const std::string& word) {
    const auto it = std::lower_bound(values.begin(), values.end(), word);
    return it != values.end() && it->starts_with(word);
  });
}

}  // namespace

bool IsEmptySearch(std::string_view text) { return Stripped(text).empty(); }

const IndexDeclaration* FindIndex(const Kind& kind, std::string_view field) {
  for (const IndexDeclaration& index : kind.indexes) {
    if (index.fields.size() == 1 && index.fields[0] == field &&
        index.normaliser != Normaliser::kNameWords && index.normaliser != Normaliser::kSortName) {
      return &index;
    }
  }
  return nullptr;
}

std::vector<std::string> IndexValuesOfText(const Kind& kind, const IndexDeclaration& index,
                                           const std::vector<std::string>& path,
                                           std::string_view text) {
  const std::unique_ptr<Message> probe(kind.resource->New());
  if (text.empty() || !SetPath(*probe, path, text)) return {};
  return domain::IndexValues(index, *probe);
}

Search Search::Parse(const Kind& kind, std::string_view text, std::string_view region) {
  Search search;
  text = Stripped(text);
  if (text.empty()) return search;
  const bool digits = LooksLikeDigits(text);
  if (digits) AddNumber(kind, text, search.places_);
  if (text.front() == '#') return search;
  const std::string lower = absl::AsciiStrToLower(std::string(text));
  if (domain::IsId(lower)) search.places_.push_back({.id = lower});
  AddExact(kind, "external_id", text, search.places_);
  if (text.find('@') != std::string_view::npos) {
    AddEmail(kind, text, search.places_);
    return search;
  }
  // Letters may belong to it, as in 1-800-FLOWERS.
  if (text.find_first_of("0123456789") != std::string_view::npos)
    AddPhone(kind, text, region, search.places_);
  std::vector<SearchPlace> words = WordPlaces(kind, text);
  if (words.empty()) return search;
  search.places_.push_back(words.front());
  if (words.size() > 1) search.word_choices_ = std::move(words);
  return search;
}

Search Search::WithWord(size_t choice) const {
  Search search = *this;
  if (choice < word_choices_.size()) search.places_.back() = word_choices_[choice];
  return search;
}

std::optional<Search::Find> Search::FirstFind(std::string_view id, const Message& resource) const {
  const IndexDeclaration* index = nullptr;
  std::vector<std::string> values;
  for (size_t i = 0; i < places_.size(); ++i) {
    const SearchPlace& place = places_[i];
    if (place.index == nullptr) {
      if (place.id == id) return Find{i, ""};
      continue;
    }
    if (place.index != index) {
      index = place.index;
      values = domain::IndexValues(*index, resource);
    }
    const auto value = std::lower_bound(values.begin(), values.end(), place.lower);
    if (value == values.end() || !Inside(place, *value)) continue;
    if (HasWords(values, place.other_words)) return Find{i, *value};
  }
  return std::nullopt;
}

}  // namespace retrace::server
