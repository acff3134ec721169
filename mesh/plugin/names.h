/*
 * How names of a contract become names of C. The rules for messages and enums are those of
 * protoc-gen-c 1.4, since its output and ours name the same things:
 *
 *   "order.v1.OrderLine"   type   Order__V1__OrderLine    (each part: "_x" becomes "X")
 *                          lower  order__v1__order_line   (each part: "_" before a hump)
 *                          upper  ORDER__V1__ORDER_LINE
 *
 * Results live in the arena.
 */
#ifndef MESH_PLUGIN_NAMES_H
#define MESH_PLUGIN_NAMES_H

#include <stdbool.h>

#include "mesh/base/arena.h"

/* The three forms of a full name. */
const char *names_type(mesh_arena *arena, const char *full_name);
const char *names_lower(mesh_arena *arena, const char *full_name);
const char *names_upper(mesh_arena *arena, const char *full_name);

/* The same of one part without dots: "order_line" -> "OrderLine". */
const char *names_camel(mesh_arena *arena, const char *part);

/* A field as a struct member: lower case, with "_" behind it when it is a keyword. */
const char *names_member(mesh_arena *arena, const char *field);

/* All letters in lower case, nothing else changed. */
const char *names_to_lower(mesh_arena *arena, const char *name);

/* A method as a member of the handler table: lower form, with "_" behind a keyword. */
const char *names_slot(mesh_arena *arena, const char *method);

/* A file's path as part of an identifier: "order/v1/order.proto" -> "order__v1__order_proto". */
const char *names_file(mesh_arena *arena, const char *path);

/* The path without ".proto", as protoc-gen-c names its outputs. */
const char *names_stem(mesh_arena *arena, const char *path);

/* Keyword of C11 or C++20. The second: one of those that protoc-gen-c does not know. */
bool names_is_keyword(const char *name);
bool names_is_overlooked_keyword(const char *name);

/* [A-Za-z_][A-Za-z0-9_]*, and the same with dots between. */
bool names_is_identifier(const char *name);
bool names_is_full(const char *name);

#endif
