#include "domain/field_path.h"

#include <cctype>

#include "domain/field_traits.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

bool IsPlainName(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) != 0) {
    return false;
  }
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') {
      return false;
    }
  }
  return true;
}

// One segment of a path as it was written.
struct Segment {
  std::string text;
  bool quoted = false;
};

// Takes the next segment off `rest`. A backtick inside backticks is written twice.
absl::StatusOr<Segment> TakeSegment(std::string_view& rest) {
  Segment segment;
  if (rest.empty() || rest[0] != '`') {
    segment.text = std::string(rest.substr(0, rest.find('.')));
    rest.remove_prefix(segment.text.size());
    if (segment.text.empty()) {
      return absl::InvalidArgumentError("has an empty name");
    }
    return segment;
  }
  segment.quoted = true;
  for (size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] != '`') {
      segment.text += rest[i];
    } else if (i + 1 < rest.size() && rest[i + 1] == '`') {
      segment.text += rest[i++];
    } else {
      rest.remove_prefix(i + 1);
      if (!rest.empty() && rest[0] != '.') {
        return absl::InvalidArgumentError("goes on after a closing backtick");
      }
      return segment;
    }
  }
  return absl::InvalidArgumentError("has a backtick without its partner");
}

absl::StatusOr<std::vector<Segment>> Split(std::string_view text) {
  std::vector<Segment> segments;
  std::string_view rest = text;
  while (true) {
    absl::StatusOr<Segment> segment = TakeSegment(rest);
    if (!segment.ok()) {
      return segment.status();
    }
    segments.push_back(*std::move(segment));
    if (rest.empty()) {
      return segments;
    }
    rest.remove_prefix(1);
  }
}

// What follows a field that cannot be gone into.
absl::Status NoWayInto(const FieldDescriptor& field, std::string_view step) {
  if (field.is_repeated()) {
    return absl::InvalidArgumentError(
        fmt::format("goes into `{}`, which is a list: it is written as a whole", field.name()));
  }
  if (field.message_type() != nullptr) {
    return absl::InvalidArgumentError(
        fmt::format("goes into `{}`, which is written as a whole", field.name()));
  }
  return absl::InvalidArgumentError(fmt::format(
      "goes into `{}`, which is one value and has no `{}`", field.name(), Excerpt(step)));
}

bool IsWellKnown(const Descriptor& type) { return type.file()->package() == "google.protobuf"; }

}  // namespace

absl::StatusOr<FieldPath> ParseFieldPath(std::string_view text, const Descriptor& type) {
  absl::StatusOr<std::vector<Segment>> segments = Split(text);
  if (!segments.ok()) {
    return segments.status();
  }
  FieldPath path;
  const Descriptor* inside = &type;
  for (size_t i = 0; i < segments->size(); ++i) {
    Segment& segment = (*segments)[i];
    if (i > 0 && path.last().is_map()) {
      if (path.has_key) {
        return absl::InvalidArgumentError(
            fmt::format("goes on below a key of `{}`; a key with dots stands in backticks",
                        path.last().name()));
      }
      if (segment.text.empty()) {
        return absl::InvalidArgumentError("has an empty key");
      }
      path.has_key = true;
      path.key = std::move(segment.text);
      continue;
    }
    if (i > 0) {
      const FieldDescriptor& outer = path.last();
      inside = outer.message_type();
      if (outer.is_repeated() || inside == nullptr || IsWellKnown(*inside)) {
        return NoWayInto(outer, segment.text);
      }
    }
    const FieldDescriptor* field = segment.quoted ? nullptr : FieldNamed(*inside, segment.text);
    if (field == nullptr) {
      return absl::InvalidArgumentError(
          fmt::format("names `{}`, which {} does not have", Excerpt(segment.text), inside->name()));
    }
    path.fields.push_back(field);
  }
  return path;
}

std::string PathStep(std::string_view key) {
  if (IsPlainName(key)) {
    return std::string(key);
  }
  std::string step = "`";
  for (const char c : key) {
    step += c;
    if (c == '`') {
      step += c;
    }
  }
  return step + "`";
}

std::string FormatFieldPath(const FieldPath& path) {
  std::string text;
  for (const FieldDescriptor* field : path.fields) {
    if (!text.empty()) {
      text += '.';
    }
    text += field->name();
  }
  if (path.has_key) {
    text += "." + PathStep(path.key);
  }
  return text;
}

}  // namespace retrace::domain
