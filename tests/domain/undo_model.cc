#include "tests/domain/undo_model.h"

#include <algorithm>
#include <utility>

#include "domain/kind.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "google/protobuf/text_format.h"
#include "retrace/v1/annotations.pb.h"

namespace retrace::testing {
namespace {

using domain::EntityRef;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

constexpr char kLifecycle[] = "#lifecycle";
constexpr char kDelta = '+';

std::string Text(const Message& message, const FieldDescriptor& field, int index) {
  std::string text;
  TextFormat::PrintFieldValueToString(message, &field, index, &text);
  return text;
}

std::string Text(const Message& message, const std::string& field) {
  const FieldDescriptor* found = message.GetDescriptor()->FindFieldByName(field);
  return Text(message, *found, -1);
}

void AddRepeated(const Message& message, const FieldDescriptor& field,
                 std::map<std::string, std::string>& fields) {
  const auto rule = field.options().GetExtension(v1::merge);
  const auto& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, &field);
  std::set<std::string> keys;
  std::string whole;
  bool repeats = false;
  std::map<std::string, std::string> members;
  for (int i = 0; i < size; ++i) {
    const std::string text = Text(message, field, i);
    whole += text + ";";
    std::string key = text;
    if (field.is_map() || rule == v1::KEYED) {
      const Message& element = reflection.GetRepeatedMessage(message, &field, i);
      key = Text(element, field.is_map() ? "key" : field.options().GetExtension(v1::merge_key));
    }
    repeats |= !keys.insert(key).second;
    members[fmt::format("{}[{}]", field.name(), key)] = text;
  }
  if (rule == v1::SET || rule == v1::MAP || (rule == v1::KEYED && !repeats)) {
    fields.merge(members);
  } else if (size > 0) {
    fields[field.name()] = whole;
  }
}

std::map<std::string, std::string> Flatten(const Message& message) {
  std::map<std::string, std::string> fields;
  const auto& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const auto rule = field.options().GetExtension(v1::merge);
    if (field.name() == "name" || rule == v1::DERIVED) continue;
    if (field.is_repeated()) {
      AddRepeated(message, field, fields);
    } else if (!message.GetReflection()->HasField(message, &field)) {
      continue;
    } else if (const auto* oneof = field.real_containing_oneof()) {
      fields[oneof->name()] = field.name() + Text(message, field, -1);
    } else {
      fields[rule == v1::DELTA ? kDelta + field.name() : field.name()] = Text(message, field, -1);
    }
  }
  return fields;
}

int64_t Number(const std::string& text) { return text.empty() ? 0 : std::stoll(text); }

std::string ValueIn(const std::map<std::string, std::string>& fields, const std::string& path) {
  const auto found = fields.find(path);
  return found == fields.end() ? "" : found->second;
}

}  // namespace

UndoModel::Content UndoModel::Look(const TestTenant& tenant) {
  Content content;
  for (const auto& [entity, bytes] : tenant.rows().RowsAt(domain::kLatest)) {
    const domain::RowPtr row = tenant.RowOf(entity);
    if (!domain::KindOf(entity.kind).content) continue;
    Fields fields = Flatten(*row->resource);
    fields[kLifecycle] = row->head.create_undone() ? ""
                         : row->live()             ? "live"
                         : row->merged()           ? "merged into " + row->head.merged_into().id()
                                                   : "binned";
    content[entity] = std::move(fields);
  }
  return content;
}

void UndoModel::Did(const TestTenant& tenant) {
  Content after = Look(tenant);
  Commit commit;
  for (const auto& [entity, fields] : after) {
    const bool is_new = !now_.contains(entity);
    const Fields before = is_new ? Fields() : now_.at(entity);
    if (is_new) commit.created.insert(entity);
    std::set<std::string> paths;
    for (const auto& [path, value] : before) paths.insert(path);
    for (const auto& [path, value] : fields) paths.insert(path);
    for (const std::string& path : paths) {
      const std::string was = ValueIn(before, path);
      const std::string is = ValueIn(fields, path);
      if (was == is) continue;
      commit.writes[entity][path] =
          path[0] == kDelta ? std::to_string(Number(is) - Number(was)) : is;
    }
  }
  commits_[tenant.head()] = std::move(commit);
  now_ = std::move(after);
}

std::string UndoModel::Undid(const TestTenant& tenant, domain::Position position) {
  commits_[tenant.head()].undoes = position;
  const Content before = std::exchange(now_, Look(tenant));
  for (const auto& [entity, fields] : now_) {
    Fields was = before.at(entity);
    Fields is = fields;
    const std::string lifecycle = std::exchange(is[kLifecycle], "");
    const bool was_live = std::exchange(was[kLifecycle], "") == "live";
    const std::string name = domain::NameOf(tenant.id(), entity);
    if (is != was && lifecycle != "live" && !was_live) {
      return fmt::format("{} was changed where it lay", name);
    }
    if (commits_[position].created.contains(entity) && lifecycle.empty()) {
      if (const domain::Position last = LastPlainWrite(entity); last > position) {
        return fmt::format("{} was made absent with what commit {} wrote", name, last);
      }
    }
  }
  return "";
}

std::set<domain::Position> UndoModel::Gone() const {
  std::set<domain::Position> gone;
  for (auto it = commits_.rbegin(); it != commits_.rend(); ++it) {
    if (it->second.undoes != 0 && !gone.contains(it->first)) gone.insert(it->second.undoes);
  }
  return gone;
}

domain::Position UndoModel::LastPlainWrite(const EntityRef& entity) const {
  const std::set<domain::Position> gone = Gone();
  for (auto it = commits_.rbegin(); it != commits_.rend(); ++it) {
    if (it->second.writes.contains(entity) && !gone.contains(it->first)) return it->first;
  }
  return 0;
}

std::string UndoModel::Differs(const TestTenant& tenant) const {
  const std::set<domain::Position> gone = Gone();
  Content expected;
  for (const auto& [position, commit] : commits_) {
    for (const auto& [entity, writes] : commit.writes) {
      // What a creation gave stays below what came later, even if the entity counts as absent.
      if (gone.contains(position) && !commit.created.contains(entity)) continue;
      for (const auto& [path, value] : writes) {
        std::string& at = expected[entity][path];
        if (path[0] == kDelta) {
          at = std::to_string(Number(at) + Number(value));
        } else if (path != kLifecycle || !gone.contains(position)) {
          at = value;
        }
      }
    }
  }
  for (const auto& [entity, fields] : Look(tenant)) {
    const Fields wanted = expected.contains(entity) ? expected.at(entity) : Fields();
    if (ValueIn(wanted, kLifecycle).empty() && ValueIn(fields, kLifecycle).empty()) continue;
    std::set<std::string> paths;
    for (const auto& [path, value] : wanted) paths.insert(path);
    for (const auto& [path, value] : fields) paths.insert(path);
    for (const std::string& path : paths) {
      const std::string is = ValueIn(fields, path);
      const std::string should = ValueIn(wanted, path);
      const bool same = path[0] == kDelta ? Number(is) == Number(should) : is == should;
      if (!same && entity.kind != domain::KindNumber::kPolicy) {
        return fmt::format("{} {}: is `{}`, should be `{}`", domain::NameOf(tenant.id(), entity),
                           path, is, should);
      }
    }
  }
  return "";
}

}  // namespace retrace::testing
