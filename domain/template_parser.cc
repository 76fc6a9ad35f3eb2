#include "domain/template_parser.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "domain/text_excerpt.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

using Type = TemplateName::Type;

constexpr std::string_view kOpen = "{{";
constexpr std::string_view kClose = "}}";
constexpr std::string_view kBlanks = " \t";
constexpr size_t kDeepest = 8;

std::string_view Stripped(std::string_view text) {
  constexpr std::string_view kWhite = " \t\r\n";
  const size_t begin = text.find_first_not_of(kWhite);
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(kWhite) - begin + 1);
}

size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1] ? 1 : 0)});
      diagonal = above;
    }
  }
  return row.back();
}

size_t CommonBeginning(std::string_view a, std::string_view b) {
  size_t same = 0;
  while (same < a.size() && same < b.size() && a[same] == b[same]) {
    ++same;
  }
  return same;
}

// The known name that `word` most resembles, of several the one that begins like it; empty: none is
// near.
std::string_view Nearest(std::string_view word) {
  std::string_view nearest;
  size_t best = std::max<size_t>(2, word.size() / 2);
  for (const TemplateName& name : TemplateNames()) {
    const size_t distance = word.size() > 40 ? word.size() : Distance(word, name.name);
    const bool nearer = distance < best || (distance == best && CommonBeginning(word, name.name) >
                                                                    CommonBeginning(word, nearest));
    if (nearer) {
      best = distance;
      nearest = name.name;
    }
  }
  return nearest;
}

const TemplateName* Find(std::string_view word) {
  const auto names = TemplateNames();
  const auto found = std::find_if(names.begin(), names.end(),
                                  [word](const TemplateName& name) { return name.name == word; });
  return found == names.end() ? nullptr : &*found;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<TemplateFault> Parse(std::vector<TemplateNode>& nodes) {
    while (!fault_ && at_ < text_.size()) {
      ReadLiteralAndTag();
    }
    if (!fault_ && open_.size() > 1) {
      const TemplateNode& section = open_.back();
      Fault(section.offset, fmt::format("The section {} is not closed; {{{{/{}}}}} is missing.",
                                        section.name->name, section.name->name));
    }
    nodes = std::move(open_.front().children);
    return std::move(fault_);
  }

 private:
  struct Tag {
    size_t begin = 0;  // of the braces
    size_t end = 0;    // behind them
    char sigil = 0;    // 0: a value
    std::string_view word;
  };

  void Fault(size_t offset, std::string problem, std::string nearest = {}) {
    fault_ = FaultAt(text_, offset, std::move(problem), std::move(nearest));
  }

  void AddLiteral(size_t begin, size_t end) {
    if (begin < end) {
      TemplateNode node;
      node.text = std::string(text_.substr(begin, end - begin));
      node.offset = begin;
      open_.back().children.push_back(std::move(node));
    }
  }

  void ReadLiteralAndTag() {
    const size_t begin = text_.find(kOpen, at_);
    if (begin == std::string_view::npos) {
      AddLiteral(at_, text_.size());
      at_ = text_.size();
      return;
    }
    std::optional<Tag> tag = ReadTag(begin);
    if (!tag) {
      return;
    }
    size_t literal_end = begin, next = tag->end;
    if (tag->sigil != 0) {
      TakeLine(literal_end, next);
    }
    AddLiteral(at_, literal_end);
    at_ = next;
    Act(*tag);
  }

  // Nothing, and a fault, when it is none.
  std::optional<Tag> ReadTag(size_t begin) {
    const size_t close = text_.find(kClose, begin + kOpen.size());
    if (close == std::string_view::npos) {
      Fault(begin, "The tag is not closed; }} is missing.");
      return std::nullopt;
    }
    Tag tag{begin, close + kClose.size(), 0, {}};
    tag.word = Stripped(text_.substr(begin + kOpen.size(), close - begin - kOpen.size()));
    if (!tag.word.empty() &&
        std::string_view("#^/!>&={").find(tag.word[0]) != std::string_view::npos) {
      tag.sigil = tag.word[0];
      tag.word = Stripped(tag.word.substr(1));
    }
    if (tag.sigil == '{' || tag.sigil == '&') {
      Fault(begin, "Values are always escaped; write the name in two braces.");
    } else if (tag.sigil == '>') {
      Fault(begin, "A template cannot include another one.");
    } else if (tag.sigil == '=') {
      Fault(begin, "The delimiters are always {{ and }}.");
    } else if (tag.sigil != '!' && tag.word.find_first_of("{}\n") != std::string_view::npos) {
      Fault(begin, "The tag is not closed; }} is missing.");
    } else if (tag.sigil != '!' && tag.word.empty()) {
      Fault(begin, "The tag names nothing.");
    }
    return fault_ ? std::nullopt : std::optional(tag);
  }

  // Widens a tag that stands alone on its line to the line.
  void TakeLine(size_t& begin, size_t& end) const {
    const size_t before = text_.find_last_not_of(kBlanks, begin - 1);
    const size_t line = begin == 0 || before == std::string_view::npos ? 0 : before + 1;
    const size_t after = std::min(text_.find_first_not_of(kBlanks, end), text_.size());
    const std::string_view rest = text_.substr(after);
    const size_t line_break = rest.starts_with("\r\n") ? 2 : rest.starts_with('\n') ? 1 : 0;
    const bool alone = (line == 0 || text_[line - 1] == '\n') && (line_break > 0 || rest.empty());
    if (alone) {
      begin = line;
      end = after + line_break;
    }
  }

  void Act(const Tag& tag) {
    if (tag.sigil == '!') {
      return;
    }
    const TemplateName* name = Find(tag.word);
    if (name == nullptr) {
      const std::string_view nearest = Nearest(tag.word);
      const std::string meant =
          nearest.empty() ? std::string() : fmt::format("; perhaps {} is meant", nearest);
      Fault(tag.begin, fmt::format("There is no {}{}.", QuotedExcerpt(tag.word), meant),
            std::string(nearest));
    } else if (tag.sigil == 0) {
      AddValue(tag, *name);
    } else if (tag.sigil == '/') {
      CloseSection(tag, *name);
    } else {
      OpenSection(tag, *name);
    }
  }

  void AddValue(const Tag& tag, const TemplateName& name) {
    if (name.type == Type::kFlag || name.type == Type::kList) {
      Fault(tag.begin, fmt::format("{0} is a section: {{{{#{0}}}}} ... {{{{/{0}}}}}.", name.name));
      return;
    }
    TemplateNode node;
    node.type = TemplateNode::kValue;
    node.name = &name;
    node.offset = tag.begin;
    open_.back().children.push_back(std::move(node));
  }

  void OpenSection(const Tag& tag, const TemplateName& name) {
    // Sections of sections of entities would show ten times ten, and so on.
    const bool repeated =
        name.type == Type::kList && tag.sigil == '#' &&
        std::any_of(open_.begin() + 1, open_.end(), [](const TemplateNode& node) {
          return node.type == TemplateNode::kSection && node.name->type == Type::kList;
        });
    if (repeated) {
      Fault(tag.begin, fmt::format("{} stands within itself.", name.name));
      return;
    }
    if (open_.size() > kDeepest) {
      Fault(tag.begin, fmt::format("Sections go at most {} deep.", kDeepest));
      return;
    }
    TemplateNode node;
    node.type = tag.sigil == '#' ? TemplateNode::kSection : TemplateNode::kInverted;
    node.name = &name;
    node.offset = tag.begin;
    open_.push_back(std::move(node));
  }

  void CloseSection(const Tag& tag, const TemplateName& name) {
    if (open_.size() == 1) {
      Fault(tag.begin, fmt::format("The section {} is closed but was not opened.", name.name));
      return;
    }
    if (open_.back().name != &name) {
      Fault(tag.begin,
            fmt::format("{} is closed where {} is open; close that first.", name.name,
                        open_.back().name->name),
            std::string(open_.back().name->name));
      return;
    }
    TemplateNode section = std::move(open_.back());
    open_.pop_back();
    open_.back().children.push_back(std::move(section));
  }

  const std::string_view text_;
  size_t at_ = 0;
  // Sections that are open, the outermost first; before them what stands in none.
  std::vector<TemplateNode> open_ = std::vector<TemplateNode>(1);
  std::optional<TemplateFault> fault_;
};

}  // namespace

std::optional<TemplateFault> ParseTemplate(std::string_view text,
                                           std::vector<TemplateNode>& nodes) {
  return Parser(text).Parse(nodes);
}

TemplateFault FaultAt(std::string_view text, size_t offset, std::string problem,
                      std::string nearest) {
  const std::string_view before = text.substr(0, offset);
  const size_t line_break = before.rfind('\n');
  const std::string_view line =
      line_break == std::string_view::npos ? before : before.substr(line_break + 1);
  TemplateFault fault;
  fault.line = 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  fault.column = 1 + static_cast<int>(std::count_if(line.begin(), line.end(), [](char c) {
                   return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
                 }));
  fault.problem = std::move(problem);
  fault.nearest = std::move(nearest);
  return fault;
}

}  // namespace retrace::domain
