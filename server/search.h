// Search: what a person typed, told apart by its shape, as places in the indexes where it may be
// found.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/entity.h"
#include "domain/kind.h"
#include "google/protobuf/message.h"

namespace retrace::server {

// One place where entities that fit may be found: an index range, or, without an index, the one
// entity with that id.
struct SearchPlace {
  const domain::IndexDeclaration* index = nullptr;  // null: `id` says it all
  std::string id;
  std::string lower;  // values from here (inclusive)
  std::string upper;  // to here (exclusive; empty: no bound)
  // Words that must be found, too: prefixes of values of the same index.
  std::vector<std::string> other_words;
};

// A search, ready to be walked place by place, or to be tried on rows. Immutable; thread-safe.
class Search {
 public:
  // The places in the order in which they are told: number, id, external id, e-mail, phone, words.
  // `region` is the tenant's, for phone numbers without a country code. A text in which nothing can
  // be found has no places.
  static Search Parse(const domain::Kind& kind, std::string_view text, std::string_view region);

  const std::vector<SearchPlace>& places() const { return places_; }
  // With several words: the places that differ only in which word is walked and which are tried;
  // the last of places() is the first of them. Empty otherwise.
  const std::vector<SearchPlace>& word_choices() const { return word_choices_; }
  // The same search with another word walked.
  Search WithWord(size_t choice) const;

  // The first place where the row is found, with the first value it is found by there (empty at an
  // id); nothing: it is not.
  struct Find {
    size_t place = 0;
    std::string value;
  };
  std::optional<Find> FirstFind(std::string_view id,
                                const google::protobuf::Message& resource) const;

 private:
  std::vector<SearchPlace> places_;
  std::vector<SearchPlace> word_choices_;
};

// True when nothing but white space was typed.
bool IsEmptySearch(std::string_view text);

// The index over exactly this one field or path; null when there is none.
const domain::IndexDeclaration* FindIndex(const domain::Kind& kind, std::string_view field);
// The values that an entity has in the index whose field at `path` (e.g. `phones.e164`) is set to
// `text` and nothing else is. Empty when there is no such field or the text is no value of it.
std::vector<std::string> IndexValuesOfText(const domain::Kind& kind,
                                           const domain::IndexDeclaration& index,
                                           const std::vector<std::string>& path,
                                           std::string_view text);

}  // namespace retrace::server
