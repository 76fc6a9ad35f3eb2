// Random histories: commands of every kind on one tenant, over pools so small that they meet.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/support/decider_test.h"

namespace retrace::testing {

class RandomHistory {
 public:
  explicit RandomHistory(uint64_t seed) : random_(seed) {}

  // One random command; refusals are part of life.
  Reply Step();
  // One random command on the bin: a restore, a purge by name or by filter, a hold.
  Reply BinStep();
  // Lets weeks pass, and what lay in the bin long enough go.
  Reply ExpiryStep();
  // Takes a random commit back, in a random mode.
  Reply UndoStep();
  // Deletes a random customer with a random choice per kind and undeletes it. Returns what differs
  // between the content before and after; empty when nothing does, or when there was nobody to
  // delete.
  std::string DeleteAndUndelete();

  // Merges random customers and undoes that. Returns what differs, like DeleteAndUndelete.
  std::string MergeAndUnmerge();

  TestTenant& tenant() { return tenant_; }
  const TestTenant& tenant() const { return tenant_; }
  // How often each sort of command was done, and how often each reason refused one.
  const std::map<std::string, int>& done() const { return done_; }
  const std::map<v1::ErrorReason, int>& refused() const { return refused_; }

 private:
  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }
  bool Chance(int percent) { return Below(100) < static_cast<size_t>(percent); }
  std::string OneOf(const std::vector<std::string>& values) { return values[Below(values.size())]; }
  // The name of a random entity; empty when there is none of its collection.
  std::string Name(const std::string& collection);

  v1::Customer RandomCustomer();
  v1::Record RandomRecord();
  v1::RelatedRecords RandomChoice();
  void FillOptions(v1::CommandOptions& options);

  Reply CreateSomething();
  Reply CreateBatch();
  Reply UpdateSomething();
  Reply UpdateCustomer();
  Reply UpdateRecord();
  Reply UpdatePolicy();
  Reply UseSomething(bool active);
  Reply DeleteSomething();
  Reply DeleteBatch();
  Reply UndeleteSomething();
  v1::MergeCustomersRequest RandomMerge();
  Reply RestoreSomething();
  Reply ChangeSet();
  template <typename Request>
  Reply Do(Request request);

  std::mt19937_64 random_;
  TestTenant tenant_;
  std::map<std::string, std::vector<std::string>> names_;
  std::vector<std::string> holds_;
  std::vector<uint64_t> change_sets_;
  int last_request_ = 0;
  int last_member_ = 0;
  std::map<std::string, int> done_;
  std::map<v1::ErrorReason, int> refused_;
};

}  // namespace retrace::testing
