/* What a contract may not have because C, protobuf-c or the names of generated code forbid it. */
#ifndef MESH_PLUGIN_CHECK_H
#define MESH_PLUGIN_CHECK_H

#include "mesh/plugin/report.h"

/*
 * Syntax other than proto2 and proto3, and types that the request does not have. What comes after
 * relies on them, so nothing else is looked at when one is missing.
 */
void check_links(const schema *all, report *problems);

/* Groups, message sets, extensions of messages that are no options. */
void check_features(const schema *all, report *problems);

/* Two things of the contract that need the same name in C. */
void check_symbols(const schema *all, report *problems);

#endif
