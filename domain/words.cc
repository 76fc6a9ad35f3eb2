// Folding and tokenising of index_values.h.
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "domain/index_values.h"
#include "domain/text_excerpt.h"

namespace retrace::domain {
namespace {

constexpr size_t kMaxWordBytes = 64;
constexpr size_t kMaxSortBytes = 200;
// Between a name without diacritics and the same with them; before every character of a name.
constexpr char kTieBreak = '\x01';

bool IsAscii(std::string_view text) {
  unsigned char bits = 0;
  for (const char c : text) {
    bits |= static_cast<unsigned char>(c);
  }
  return bits < 0x80;
}

char LowerAscii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsAsciiWordLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

const icu::Normalizer2& Checked(const icu::Normalizer2* normalizer, const UErrorCode& status) {
  if (U_FAILURE(status) || normalizer == nullptr) {
    std::abort();  // ICU's own data is missing: nothing can be folded
  }
  return *normalizer;
}

const icu::Normalizer2& CaseFolding() {
  UErrorCode status = U_ZERO_ERROR;
  static const icu::Normalizer2& folding =
      Checked(icu::Normalizer2::getNFKCCasefoldInstance(status), status);
  return folding;
}

const icu::Normalizer2& Decomposition() {
  UErrorCode status = U_ZERO_ERROR;
  static const icu::Normalizer2& decomposition =
      Checked(icu::Normalizer2::getNFDInstance(status), status);
  return decomposition;
}

const icu::Normalizer2& Composition() {
  UErrorCode status = U_ZERO_ERROR;
  static const icu::Normalizer2& composition =
      Checked(icu::Normalizer2::getNFCInstance(status), status);
  return composition;
}

std::string Normalised(const icu::Normalizer2& normalizer, std::string_view text) {
  std::string result;
  icu::StringByteSink<std::string> sink(&result);
  UErrorCode status = U_ZERO_ERROR;
  normalizer.normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())),
                           sink, nullptr, status);
  return result;
}

UChar32 NextCharacter(std::string_view text, size_t& offset) {
  UChar32 c = 0;
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  U8_NEXT_OR_FFFD(bytes, offset, text.size(), c);
  return c;
}

// Marks that change how a letter sounds but not which letter a searcher types: accents of European
// scripts, vowel points of Arabic and Hebrew. Marks that are letters to their readers (kana
// voicing, vowel signs of Thai and Indic scripts) stay.
bool IsDiacritic(UChar32 c) {
  return (c >= 0x300 && c <= 0x36f) || (c >= 0x1ab0 && c <= 0x1aff) ||
         (c >= 0x1dc0 && c <= 0x1dff) || (c >= 0x20d0 && c <= 0x20ff) ||
         (c >= 0xfe20 && c <= 0xfe2f) ||
         (c >= 0x591 && c <= 0x5c7 && u_charType(c) == U_NON_SPACING_MARK) ||
         (c >= 0x64b && c <= 0x65f) || c == 0x670;
}

// Letters that Unicode does not take apart but keyboards without them write so; null for others.
const char* Spelling(UChar32 c) {
  switch (c) {
    case 0xe6:  // ae
      return "ae";
    case 0xf8:  // o with stroke
      return "o";
    case 0xf0:   // eth
    case 0x111:  // d with stroke
      return "d";
    case 0xfe:  // thorn
      return "th";
    case 0x127:  // h with stroke
      return "h";
    case 0x131:  // dotless i
      return "i";
    case 0x142:  // l with stroke
      return "l";
    case 0x153:  // oe
      return "oe";
    default:
      return nullptr;
  }
}

// Takes folded text.
std::string WithoutDiacritics(std::string_view folded) {
  const std::string decomposed = Normalised(Decomposition(), folded);
  std::string bare;
  bare.reserve(decomposed.size());
  for (size_t offset = 0; offset < decomposed.size();) {
    const size_t begin = offset;
    const UChar32 c = NextCharacter(decomposed, offset);
    if (IsDiacritic(c)) {
      continue;
    }
    if (const char* spelling = Spelling(c); spelling != nullptr) {
      bare += spelling;
    } else {
      bare.append(decomposed, begin, offset - begin);
    }
  }
  // Back together, so that a Hangul syllable is one character again.
  return Normalised(Composition(), bare);
}

enum class Letter { kNone, kSpaced, kUnspaced, kMark, kApostrophe };

Letter LetterOf(UChar32 c) {
  if (c < 0x80) {
    return IsAsciiWordLetter(static_cast<char>(c)) ? Letter::kSpaced
           : c == '\''                             ? Letter::kApostrophe
                                                   : Letter::kNone;
  }
  if (c == 0x2019 || c == 0x2bc) {
    return Letter::kApostrophe;
  }
  const uint32_t category = U_GET_GC_MASK(c);
  if ((category & U_GC_M_MASK) != 0) {
    return Letter::kMark;
  }
  if ((category & (U_GC_L_MASK | U_GC_N_MASK)) == 0) {
    return Letter::kNone;
  }
  if (c == 0x30fc) {
    return Letter::kUnspaced;  // the long vowel of kana belongs to no script of its own
  }
  UErrorCode status = U_ZERO_ERROR;
  switch (uscript_getScript(c, &status)) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_THAI:
    case USCRIPT_LAO:
    case USCRIPT_KHMER:
    case USCRIPT_MYANMAR:
      return Letter::kUnspaced;
    default:
      return Letter::kSpaced;
  }
}

// Letters and digits without anything between them.
struct Run {
  std::string_view text;
  bool unspaced = false;
  bool joined = false;  // an apostrophe stands between this and the run before
};

std::vector<Run> RunsOf(std::string_view text) {
  std::vector<Run> runs;
  bool open = false;
  bool apostrophe = false;
  for (size_t offset = 0; offset < text.size();) {
    const size_t begin = offset;
    const Letter letter = LetterOf(NextCharacter(text, offset));
    const bool is_letter = letter == Letter::kSpaced || letter == Letter::kUnspaced;
    if (open && (letter == Letter::kMark ||
                 (is_letter && runs.back().unspaced == (letter == Letter::kUnspaced)))) {
      Run& run = runs.back();
      run.text = std::string_view(run.text.data(), run.text.size() + offset - begin);
    } else if (is_letter) {
      const bool unspaced = letter == Letter::kUnspaced;
      const bool joined = apostrophe && !unspaced && !runs.back().unspaced;
      runs.push_back({text.substr(begin, offset - begin), unspaced, joined});
      open = true;
    } else {
      apostrophe = open && letter == Letter::kApostrophe;
      open = false;
    }
  }
  return runs;
}

// The text as runs are taken from it.
std::string SearchForm(std::string_view text) {
  std::string folded = FoldCaseless(text);
  return IsAscii(folded) ? folded : WithoutDiacritics(folded);
}

// Keeps words, each once, up to the bound.
class WordList {
 public:
  void Add(std::string_view word) {
    word = CutUtf8(word, kMaxWordBytes);
    if (!full() && std::find(words_.begin(), words_.end(), word) == words_.end()) {
      words_.emplace_back(word);
    }
  }
  bool full() const { return words_.size() >= kMaxSearchWords; }
  std::vector<std::string> Sorted() && {
    std::sort(words_.begin(), words_.end());
    return std::move(words_);
  }

 private:
  std::vector<std::string> words_;
};

// Where the suffixes of a run begin, but for the run itself: at every letter, not at its marks.
std::vector<size_t> SuffixOffsets(std::string_view run) {
  std::vector<size_t> offsets;
  for (size_t offset = 0; offset < run.size() && offsets.size() < kMaxSearchWords;) {
    const size_t begin = offset;
    if (LetterOf(NextCharacter(run, offset)) != Letter::kMark && begin > 0) {
      offsets.push_back(begin);
    }
  }
  return offsets;
}

void AddSuffixes(const std::vector<Run>& runs, WordList& words) {
  std::vector<std::pair<std::string_view, std::vector<size_t>>> suffixes;
  size_t longest = 0;
  for (const Run& run : runs) {
    if (run.unspaced) {
      suffixes.emplace_back(run.text, SuffixOffsets(run.text));
      longest = std::max(longest, suffixes.back().second.size());
    }
  }
  for (size_t i = 0; i < longest && !words.full(); ++i) {
    for (const auto& [run, offsets] : suffixes) {
      if (i < offsets.size()) {
        words.Add(run.substr(offsets[i]));
      }
    }
  }
}

// Words on both sides of apostrophes, as one.
void AddJoined(const std::vector<Run>& runs, WordList& words) {
  std::string joined;
  for (size_t i = 0; i < runs.size() && !words.full(); ++i) {
    joined = runs[i].joined ? joined + std::string(runs[i].text) : std::string(runs[i].text);
    const bool ends = i + 1 == runs.size() || !runs[i + 1].joined;
    if (runs[i].joined && ends) {
      words.Add(joined);
    }
  }
}

}  // namespace

std::string FoldCaseless(std::string_view text) {
  if (!IsAscii(text)) {
    return Normalised(CaseFolding(), text);
  }
  std::string folded(text);
  for (char& c : folded) {
    c = LowerAscii(c);
  }
  return folded;
}

std::string FoldForSort(std::string_view text) {
  std::string folded;
  for (const char c : FoldCaseless(text)) {
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    if (!space) {
      folded += c;
    } else if (!folded.empty() && folded.back() != ' ') {
      folded += ' ';
    }
  }
  if (!folded.empty() && folded.back() == ' ') {
    folded.pop_back();
  }
  if (IsAscii(folded)) {
    return std::string(CutUtf8(folded, kMaxSortBytes));
  }
  const std::string bare = WithoutDiacritics(folded);
  return std::string(CutUtf8(bare == folded ? bare : bare + kTieBreak + folded, kMaxSortBytes));
}

std::vector<std::string> SearchWords(std::string_view text) {
  const std::string form = SearchForm(text);
  const std::vector<Run> runs = RunsOf(form);
  WordList words;
  bool unspaced = false;
  bool joined = false;
  for (const Run& run : runs) {
    words.Add(run.text);
    unspaced |= run.unspaced;
    joined |= run.joined;
  }
  if (joined) {
    AddJoined(runs, words);
  }
  if (unspaced) {
    AddSuffixes(runs, words);
  }
  return std::move(words).Sorted();
}

std::vector<std::string> QueryWords(std::string_view query) {
  const std::string form = SearchForm(query);
  std::vector<std::string> typed;
  for (const Run& run : RunsOf(form)) {
    typed.emplace_back(CutUtf8(run.text, kMaxWordBytes));
  }
  // In sorted order a word that begins another stands directly before one that it begins.
  std::vector<std::string> sorted = typed;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::string> words;
  for (std::string& word : typed) {
    const auto next = std::upper_bound(sorted.begin(), sorted.end(), word);
    const bool implied = next != sorted.end() && next->starts_with(word);
    if (!implied && std::find(words.begin(), words.end(), word) == words.end()) {
      words.push_back(std::move(word));
    }
  }
  return words;
}

std::string PhoneDigits(std::string_view text) {
  std::string digits;
  for (size_t offset = 0; offset < text.size();) {
    const size_t begin = offset;
    const UChar32 c = NextCharacter(text, offset);
    if (const int32_t digit = u_charDigitValue(c); digit >= 0) {
      digits += static_cast<char>('0' + digit);
      continue;
    }
    // What follows `x`, `ext`, `#` or `;` behind a number is its extension.
    const char lower = c < 0x80 ? LowerAscii(static_cast<char>(c)) : '\0';
    const bool extension = lower == 'x' || lower == '#' || lower == ';' ||
                           (lower == 'e' && FoldCaseless(text.substr(begin, 3)) == "ext");
    if (extension && digits.size() >= 3) {
      break;
    }
  }
  return digits;
}

}  // namespace retrace::domain
