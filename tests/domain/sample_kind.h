// A kind with every merge rule, which only tests have, and its commands.
#pragma once

#include <string>

#include "domain/kind.h"
#include "tests/domain/sample.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::testing {

inline constexpr auto kSample = static_cast<domain::KindNumber>(200);

// Puts the kind into the list of kinds; to be called before anything else.
void AddSampleKind();

// Creates a sample.
Reply CreateSample(TestTenant& tenant, const Sample& sample);
// Sets the paths; `score` is added to.
Reply UpdateSample(TestTenant& tenant, const std::string& id, const Sample& sample,
                   const std::vector<std::string>& paths, int64_t change_set = 0);
// Moves it to the bin.
Reply DeleteSample(TestTenant& tenant, const std::string& id);

}  // namespace retrace::testing
