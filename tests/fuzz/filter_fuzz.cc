// Any bytes as a filter: no crash, no undefined behaviour; what parses prints, parses to the same
// tree and runs. Built with clang only.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "domain/filter.h"
#include "domain/refusal.h"
#include "retrace/v1/records.pb.h"
#include "tests/domain/filter_text.h"

namespace {

using retrace::domain::Filter;
using retrace::domain::ParseFilter;

retrace::v1::Record SampleRecord() {
  retrace::v1::Record record;
  record.set_title("Große Brücke");
  record.set_kind(retrace::v1::Record::DEAL);
  record.mutable_amount()->set_minor_units(5);
  record.mutable_due_time()->set_seconds(1709193600);
  (*record.mutable_attributes())["colour"] = "red";
  record.add_tags("vip");
  record.add_phones()->set_raw("+1 415 555 2671");
  return record;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const retrace::v1::Record record = SampleRecord();
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto tree = ParseFilter(text);
  if (!tree.ok()) {
    if (retrace::domain::ReasonOf(tree.status()) != retrace::v1::INVALID_FILTER) {
      std::abort();
    }
    return 0;
  }
  const std::string printed = retrace::testing::PrintFilter(**tree);
  const auto again = ParseFilter(printed);
  // Printing adds quotes and parentheses, so that it may pass a bound that the text kept.
  if (again.ok() && !retrace::testing::SameTree(**tree, **again)) {
    std::abort();
  }
  if (!again.ok() && printed.size() <= 8192 &&
      again.status().message().find("more than 20 deep") == absl::string_view::npos) {
    std::abort();
  }
  if (const auto filter = Filter::Parse(text, *retrace::v1::Record::descriptor(), {});
      filter.ok()) {
    filter->Matches(record);
  }
  return 0;
}
