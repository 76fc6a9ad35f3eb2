// The one event that an undo writes, whatever the kind: Reverted.
#pragma once

#include "domain/context.h"
#include "domain/entity.h"
#include "domain/kind.h"
#include "retrace/store/v1/entities.pb.h"

namespace retrace::domain {

// Sets what the event lists, and remembers in the row's head what it takes back.
void ApplyReverted(const store::v1::Reverted& event, const Kind& kind, const CommitHeader& header,
                   Row& row);
// Number of the field that the kind's reference is in; 0: it has none.
int ReferenceField(const Kind& kind);

}  // namespace retrace::domain
