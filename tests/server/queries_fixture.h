// Lists read page by page, and a ledger to ask them of.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/queries.h"
#include "tests/server/list_model.h"
#include "tests/support/small_ledger.h"

namespace retrace::testing {

template <typename Request>
struct ListOf;
template <>
struct ListOf<v1::ListCustomersRequest> {
  static constexpr domain::KindNumber kKind = domain::KindNumber::kCustomer;
  static constexpr const char* kMethod = "retrace.v1.Customers.ListCustomers";
  static const auto& Of(const v1::ListCustomersResponse& response) { return response.customers(); }
};
template <>
struct ListOf<v1::ListRecordsRequest> {
  static constexpr domain::KindNumber kKind = domain::KindNumber::kRecord;
  static constexpr const char* kMethod = "retrace.v1.Records.ListRecords";
  static const auto& Of(const v1::ListRecordsResponse& response) { return response.records(); }
};
template <>
struct ListOf<v1::ListMembersRequest> {
  static constexpr domain::KindNumber kKind = domain::KindNumber::kMember;
  static constexpr const char* kMethod = "retrace.v1.Members.ListMembers";
  static const auto& Of(const v1::ListMembersResponse& response) { return response.members(); }
};

template <typename Request>
Request RequestFor(const Asked& asked) {
  Request request;
  request.set_parent("tenants/acme");
  request.set_filter(asked.filter);
  request.set_order_by(asked.order_by);
  request.set_query(asked.query);
  request.set_show_inactive(asked.show_inactive);
  request.set_show_deleted(asked.show_deleted);
  return request;
}

// Names on all pages, in order; each page's answered position must be the first's. Between pages
// `meanwhile` runs.
template <typename Request, typename Meanwhile>
std::vector<std::string> AllPages(SmallLedger& small, const server::PageLimits& limits,
                                  Request request, int page_size, const Meanwhile& meanwhile) {
  const server::Queries queries(small.ledger(), limits);
  std::vector<std::string> names;
  int64_t position = -1;
  for (int page = 0; page < 2000; ++page) {
    request.set_page_size(page_size);
    const auto response = queries.Answer(small.Call(ListOf<Request>::kMethod), request);
    EXPECT_TRUE(response.ok()) << response.status() << request.ShortDebugString();
    if (!response.ok()) return names;
    if (position < 0) position = response->answered().position();
    EXPECT_EQ(response->answered().position(), position);
    EXPECT_LE(ListOf<Request>::Of(*response).size(), page_size);
    for (const auto& resource : ListOf<Request>::Of(*response)) names.push_back(resource.name());
    if (response->next_page_token().empty()) return names;
    request.set_page_token(response->next_page_token());
    meanwhile();
  }
  ADD_FAILURE() << "no end of pages: " << request.ShortDebugString();
  return names;
}

template <typename Request>
std::vector<std::string> AllPages(SmallLedger& small, const Request& request) {
  return AllPages(small, {}, request, 50, [] {});
}

class QueriesFixture : public ::testing::Test {
 protected:
  std::string Create(std::string_view text) {
    v1::CreateCustomerRequest request;
    ParseText(text, *request.mutable_customer());
    const Done done = small_.Do(request);
    EXPECT_TRUE(done.status.ok()) << done.status;
    return "tenants/acme/customers/" + done.id();
  }
  std::vector<std::string> Search(std::string_view query) {
    return AllPages(small_, RequestFor<v1::ListCustomersRequest>({.query = std::string(query)}));
  }
  std::vector<std::string> Filter(std::string_view filter) {
    return AllPages(small_, RequestFor<v1::ListCustomersRequest>({.filter = std::string(filter)}));
  }
  absl::Status ListError(const v1::ListCustomersRequest& request) {
    return server::Queries(small_.ledger()).Answer(small_.Call("list"), request).status();
  }
  server::Queries queries() { return server::Queries(small_.ledger()); }

  SmallLedger small_;
};

}  // namespace retrace::testing
