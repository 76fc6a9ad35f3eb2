// Putting what callers send into its stored form, and saying what is wrong with it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "domain/context.h"
#include "domain/entity.h"
#include "domain/view.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "retrace/v1/common.pb.h"

namespace retrace::domain {

// Collects what is wrong with the fields of one request.
class FieldFaults {
 public:
  // `prefix` is what the request calls the resource, e.g. `customer`.
  explicit FieldFaults(std::string_view prefix) : prefix_(prefix) {}

  void Add(std::string_view field, std::string_view description);
  bool empty() const { return faults_.empty(); }
  // INVALID_FIELD naming all of them; OK when there are none.
  absl::Status ToStatus() const;

 private:
  std::string prefix_;
  std::vector<std::pair<std::string, std::string>> faults_;
};

// Cuts white space off both ends, ideographic and no-break spaces too.
void Trim(std::string& text);
// True when nothing but white space is in it.
bool IsBlank(std::string_view text);

// Trims; drops what is there already; blank ones are faults.
void NormaliseTags(google::protobuf::RepeatedPtrField<std::string>& tags, FieldFaults& faults);
// Trims; checks; drops what is there already, told apart without case.
void NormaliseEmails(google::protobuf::RepeatedPtrField<std::string>& emails, FieldFaults& faults);
// Countries become codes where they are known. Two addresses with one label are a fault.
void NormaliseAddresses(google::protobuf::RepeatedPtrField<v1::Address>& addresses,
                        FieldFaults& faults);
// Reads each number in `region`; drops those whose text is there already; blank ones are faults.
void NormalisePhones(std::string_view region, google::protobuf::RepeatedPtrField<v1::Phone>& phones,
                     FieldFaults& faults);
// Reads each number in `region` ahead of a decider, which then finds it read (phone.h).
void ReadPhonesAhead(std::string_view region,
                     const google::protobuf::RepeatedPtrField<v1::Phone>& phones);
// Upper case; a code that is none is a fault of `field`.
void NormaliseCurrency(std::string& code, std::string_view field, FieldFaults& faults);

// Refuses a reference `name` of the entity `from` that is malformed (INVALID_FIELD), or to what
// does not exist in this tenant or lies in the bin (REFERENCE_BROKEN). Empty names are fine.
absl::Status CheckReference(std::string_view name, KindNumber kind, std::string_view field,
                            const View& view, const Context& context);

}  // namespace retrace::domain
