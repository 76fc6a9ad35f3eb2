#include "tests/domain/sample_kind.h"

#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "domain/decider.h"
#include "domain/lifecycle.h"
#include "domain/standard.h"
#include "fmt/format.h"

namespace retrace::testing {
namespace {

using domain::Context;
using domain::Draft;
using domain::EntityRef;
using domain::Row;

void DeriveSample(std::string_view /*tenant*/, Row& row) {
  auto sample = std::make_shared<Sample>(row.As<Sample>());
  sample->set_shout(absl::AsciiStrToUpper(sample->level()));
  row.resource = std::move(sample);
}

void ApplySample(const google::protobuf::Message& event, const domain::CommitHeader& header,
                 Row& row) {
  domain::ApplyResourceEvent(event, header, row);
  DeriveSample("", row);
}

absl::Status CheckSample(const EntityRef& entity, const Row* before, const Row& after,
                         const domain::View&, const Context& context) {
  return domain::CheckMove(entity, before, after, context);
}

std::string SubjectOfSample(const EntityRef& entity, const Row&) {
  return fmt::format("samples/{}", entity.id);
}

absl::Status DecidePut(const PutSampleRequest& request, Draft& draft, const Context& context) {
  if (request.id().empty()) {
    return domain::CreateEntity<SampleCreated>({kSample, context.new_id()}, request.sample(),
                                               draft);
  }
  v1::CommandOptions none;
  Sample given = request.sample();
  given.set_name(fmt::format("tenants/{}/samples/{}", context.header.tenant, request.id()));
  return domain::UpdateEntity<SampleUpdated>(
      kSample, given, request.update_mask(), none, draft, context,
      [&](const Sample& before, Sample& after, std::vector<std::string>& paths) {
        if (domain::Names(paths, "score")) {
          after.set_score(before.score() + request.sample().score());
        }
        return absl::OkStatus();
      });
}

}  // namespace

void AddSampleKind() {
  domain::Kind kind;
  kind.number = kSample;
  kind.singular = "sample";
  kind.collection = "samples";
  kind.resource = &Sample::default_instance();
  kind.events = {&SampleCreated::default_instance(), &SampleUpdated::default_instance()};
  kind.content = true;
  kind.apply = ApplySample;
  kind.derive = DeriveSample;
  kind.check = CheckSample;
  kind.subject = SubjectOfSample;
  domain::AddKind(std::move(kind));
}

Reply CreateSample(TestTenant& tenant, const Sample& sample) {
  PutSampleRequest request;
  *request.mutable_sample() = sample;
  return tenant.DoWith(request, DecidePut);
}

Reply UpdateSample(TestTenant& tenant, const std::string& id, const Sample& sample,
                   const std::vector<std::string>& paths, int64_t change_set) {
  PutSampleRequest request;
  request.set_id(id);
  *request.mutable_sample() = sample;
  for (const std::string& path : paths) {
    request.mutable_update_mask()->add_paths(path);
  }
  request.mutable_options()->set_change_set(change_set);
  return tenant.DoWith(request, DecidePut);
}

Reply DeleteSample(TestTenant& tenant, const std::string& id) {
  DeleteSampleRequest request;
  request.set_id(id);
  return tenant.DoWith(
      request, [](const DeleteSampleRequest& given, Draft& draft, const Context& context) {
        return domain::DecideDelete(
            kSample, fmt::format("tenants/{}/samples/{}", context.header.tenant, given.id()), {},
            draft, context);
      });
}

}  // namespace retrace::testing
