// The API's protos against the rules, and the rules against protos that break them.

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include "tests/proto/api_rules.h"

namespace retrace::testing {
namespace {

using ::google::protobuf::DescriptorPool;
using ::google::protobuf::FileDescriptor;
using ::google::protobuf::FileDescriptorProto;
using ::google::protobuf::FileDescriptorSet;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// A file of the build directory, which holds this program in bin.
std::filesystem::path BuildFile(const std::string& file) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / file;
}

// A descriptor set with source info, as the build writes it beside the generated code.
class DescriptorSet {
 public:
  explicit DescriptorSet(const std::string& file) {
    std::ifstream in(BuildFile("proto-gen/" + file), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    FileDescriptorSet set;
    EXPECT_TRUE(in.good() && set.ParseFromString(bytes.str())) << file;
    for (const FileDescriptorProto& proto : set.file()) {
      const FileDescriptor* built = pool_.BuildFile(proto);
      EXPECT_NE(built, nullptr) << proto.name();
      files_.push_back(built);
    }
  }

  std::vector<const FileDescriptor*> FilesOf(const std::string& package) const {
    std::vector<const FileDescriptor*> found;
    for (const FileDescriptor* file : files_) {
      if (file->package() == package) {
        found.push_back(file);
      }
    }
    return found;
  }

 private:
  DescriptorPool pool_;
  std::vector<const FileDescriptor*> files_;
};

TEST(ApiRules, ApiKeepsThem) {
  const DescriptorSet set("retrace.binpb");
  const auto files = set.FilesOf("retrace.v1");
  EXPECT_GE(files.size(), 9u);
  for (const FileDescriptor* file : files) {
    EXPECT_THAT(ApiViolations(*file), IsEmpty()) << file->name();
  }
}

TEST(ApiRules, StoreKeepsThem) {
  const DescriptorSet set("retrace.binpb");
  const auto files = set.FilesOf("retrace.store.v1");
  EXPECT_GE(files.size(), 4u);
  for (const FileDescriptor* file : files) {
    EXPECT_THAT(StoreViolations(*file), IsEmpty()) << file->name();
  }
}

// Reflection and stored events look types up by name, so a program must hold every file.
TEST(ApiRules, EveryFileIsLinked) {
  const DescriptorSet set("retrace.binpb");
  for (const std::string package : {"retrace.v1", "retrace.store.v1"}) {
    for (const FileDescriptor* file : set.FilesOf(package)) {
      EXPECT_NE(DescriptorPool::generated_pool()->FindFileByName(file->name()), nullptr)
          << file->name();
    }
  }
  EXPECT_NE(DescriptorPool::generated_pool()->FindServiceByName("grpc.health.v1.Health"), nullptr);
}

TEST(ApiRules, EachFindsWhatBreaksIt) {
  const DescriptorSet set("planted.binpb");
  const auto files = set.FilesOf("retrace.planted");
  ASSERT_EQ(files.size(), 1u);
  const std::vector<std::string> found = ApiViolations(*files[0]);
  for (const char* expected : {
           "retrace.planted.Nothing has no comment",
           "retrace.planted.Nothing.archived_at has no comment",
           "retrace.planted.Nothing.archived_at uses the word \"archived\"",
           "retrace.planted.Customers.ExplainNothing names no permission",
           "retrace.planted.Customers.ExplainNothing has no http rule",
           "retrace.planted.Customers.ExplainNothing takes Nothing",
           "retrace.planted.Customers.RestoreThing: permission \"things\" is not",
           "retrace.planted.Customers.RestoreThing has no http rule",
           "retrace.planted.Customers.ListThings is a POST",
           "retrace.planted.Customers.ListThings: path /things is not below /v1/",
           "retrace.planted.Customers.ListThings: ListThingsRequest has no page_token",
           "retrace.planted.Customers.ListThings: NothingResponse has no next_page_token",
           "retrace.planted.Customers.GetThing: GetThingRequest has no as_of",
           "retrace.planted.Customers.CountThings: path /v1/{parent=tenants/*}/things of a custom",
           "retrace.planted.Customers.UpdateThing: UpdateThingRequest has no update_mask",
           "retrace.planted.Customers.UpdateThing: UpdateThingRequest has no options",
           "retrace.planted.Customers.RestoreThing is not marked destructive",
           "retrace.planted.Customers.RestoreThing: RestoreThingRequest has no options",
           "retrace.planted.Customers.DeleteThing: NothingResponse has no plan",
           "retrace.planted.Customers.DeleteThing has no UndeleteThing",
           "retrace.planted.Customers.DeleteThing: no ListThings with show_deleted",
           "retrace.planted.Customers.DeleteThing: Thing has no delete_time",
           "retrace.planted.RestoreThingRequest.name has no field_behavior",
           "retrace.planted.RestoreThingRequest.name has no limits.max_bytes",
           "retrace.planted.RestoreThingRequest.numbers has no limits.max_items",
           "retrace.planted.RestoreThingRequest.labels bounds no keys",
           "retrace.planted.Thing: resource type",
           "retrace.planted.Thing: resource without singular",
           "retrace.planted.Thing: pattern things/{thing}",
           "retrace.planted.Thing: no field name = 1",
           "retrace.planted.Thing.state is not OUTPUT_ONLY",
           "retrace.planted.Thing.tags is repeated without a merge rule",
           "retrace.planted.Thing.labels is a map without",
           "retrace.planted.Thing.title is single but merges as many",
           "retrace.planted.Thing.parts: merge_key \"id\"",
           "retrace.planted.Thing.create_time is not a Timestamp",
       }) {
    EXPECT_THAT(found, Contains(StartsWith(expected)));
  }
}

}  // namespace
}  // namespace retrace::testing
