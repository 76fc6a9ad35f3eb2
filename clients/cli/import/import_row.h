#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "clients/cli/field_values.h"
#include "clients/cli/import/column_map.h"
#include "clients/cli/import/csv_reader.h"
#include "google/protobuf/message.h"

namespace retrace::cli {

// One row of a file on its way to become an entity.
struct ImportRow {
  int64_t line = 0;
  // What finds the entity again: its external id, or a member's id.
  std::string key;
  // Tells an edited row from one that was imported as it is.
  std::string hash;
  std::unique_ptr<google::protobuf::Message> entity;
  // By field (`customer`, `owner`, `lead`): what the file says, to be replaced by a name.
  std::map<std::string, std::string> references;
  // Why it is rejected; empty while it is good.
  std::string fault;
  // What a person should know although it went well.
  std::string note;
};

// The attribute that keeps the hash of the row that an entity was imported from.
inline constexpr char kRowHashAttribute[] = "retrace.import/row-hash";

// Turns records of a file into rows.
class RowReader {
 public:
  // `prototype`: an empty entity, or one with what every row has (a record's kind).
  RowReader(std::unique_ptr<google::protobuf::Message> prototype, std::vector<ColumnTarget> targets,
            ValueRules rules, std::vector<std::string> header);

  ImportRow Read(const CsvRecord& record) const;

  // The fields that the file writes, for update masks; without `id`.
  const std::set<std::string>& fields() const { return fields_; }
  // The attributes that the file writes.
  const std::set<std::string>& attributes() const { return attributes_; }
  bool Writes(const std::string& field) const { return fields_.contains(field); }

 private:
  void ReadCell(const ColumnTarget& target, const std::string& cell, ImportRow& row) const;

  const std::unique_ptr<google::protobuf::Message> prototype_;
  const std::vector<ColumnTarget> targets_;
  const ValueRules rules_;
  const std::vector<std::string> header_;
  std::set<std::string> fields_;
  std::set<std::string> attributes_;
};

// A hash (32 hexadecimal digits) over the content of an entity; equal for equal content.
std::string ContentHash(const google::protobuf::Message& entity);

// An id made of a name, e.g. `anna-snelling`; other scripts are spelled in Latin letters
// (`wang-xiao-ming`). Empty when nothing is left of it.
std::string SlugOf(const std::string& name);

}  // namespace retrace::cli
