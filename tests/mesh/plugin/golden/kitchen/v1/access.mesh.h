/* Written by protoc-gen-mesh 0.1.0 from kitchen/v1/access.proto: do not edit. */
#ifndef MESH_GEN_kitchen__v1__access_proto_H
#define MESH_GEN_kitchen__v1__access_proto_H

#include "kitchen/v1/access.pb-c.h"

#include "mesh/v1/options.mesh.h"
#include "mesh/rpc/method.h"

#if MESH_VERSION_NUMBER < 1000
#error "written by protoc-gen-mesh 0.1.0, which needs a runtime of at least that version"
#endif

MESH_BEGIN_DECLS

/* The descriptor of kitchen/v1/access.proto, for server reflection. */
extern const mesh_file kitchen__v1__access_proto__file;

/* What policies call the values of Kitchen__V1__Staff__Role. */
#define KITCHEN__V1__STAFF__ROLE__COOK__NAME "cook"
#define KITCHEN__V1__STAFF__ROLE__SOUS_CHEF__NAME "sous_chef"
#define KITCHEN__V1__STAFF__ROLE__LEVEL2__NAME "level2"

/* The same of a value; NULL for 0 and for what the enum does not have. */
MESH_API const char *kitchen__v1__staff__role__name(Kitchen__V1__Staff__Role value);

/* What policies call the values of Kitchen__V1__Permission. */
/*
 * To make a dish. * / int main(void); / *
 */
#define KITCHEN__V1__PERMISSION__DISH_COOK__NAME "dish.cook"
/*
 * The first "_" alone parts the area from the action.
 */
#define KITCHEN__V1__PERMISSION__DISH_TASTE_ANY__NAME "dish.taste_any"
#define KITCHEN__V1__PERMISSION__OVEN_2_HEAT__NAME "oven.2_heat"

/* The same of a value; NULL for 0 and for what the enum does not have. */
MESH_API const char *kitchen__v1__permission__name(Kitchen__V1__Permission value);

/* What policies call the values of Kitchen__V1__NoRole. */

/* The same of a value; NULL for 0 and for what the enum does not have. */
MESH_API const char *kitchen__v1__no_role__name(Kitchen__V1__NoRole value);

MESH_END_DECLS

#endif
