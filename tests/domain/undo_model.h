// What undo must come to, as somebody would compute it who keeps every commit and replays those
// that stand. Knows nothing of how domain does it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/support/decider_test.h"

namespace retrace::testing {

class UndoModel {
 public:
  // Takes the tenant as it is for the beginning.
  void Remember(const TestTenant& tenant) { now_ = Look(tenant); }
  // An ordinary command has made the newest commit.
  void Did(const TestTenant& tenant);
  // An undo of all of that commit has made the newest one. Returns what it must not have touched:
  // what others did to an entity that it made absent, or what lies in the bin; empty: nothing.
  std::string Undid(const TestTenant& tenant, domain::Position position);
  // What differs between the tenant and a replay of the commits that stand; empty: nothing.
  std::string Differs(const TestTenant& tenant) const;

 private:
  // By path; of an entity that counts as absent none.
  using Fields = std::map<std::string, std::string>;
  using Content = std::map<domain::EntityRef, Fields>;
  struct Commit {
    domain::Position undoes = 0;
    // The value after it; "" when the path was cleared. Of numbers that add up, what was added.
    Content writes;
    std::set<domain::EntityRef> created;
  };

  static Content Look(const TestTenant& tenant);
  // The commits that do not stand.
  std::set<domain::Position> Gone() const;
  // The newest commit that stands, is no undo and wrote the entity; 0: none.
  domain::Position LastPlainWrite(const domain::EntityRef& entity) const;

  Content now_;
  std::map<domain::Position, Commit> commits_;
};

}  // namespace retrace::testing
