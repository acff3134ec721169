/* Written by protoc-gen-mesh 0.1.0 from kitchen/v1/access.proto: do not edit. */
#ifndef PROTOBUF_C__NO_DEPRECATED
#define PROTOBUF_C__NO_DEPRECATED
#endif

#include "kitchen/v1/access.mesh.h"

static const uint8_t file_bytes[344] = {
    10,23,107,105,116,99,104,101,110,47,118,49,47,97,99,99,101,115,115,46,
    112,114,111,116,111,18,10,107,105,116,99,104,101,110,46,118,49,26,21,109,
    101,115,104,47,118,49,47,111,112,116,105,111,110,115,46,112,114,111,116,111,
    34,124,10,5,83,116,97,102,102,18,42,10,4,114,111,108,101,24,1,32,
    1,40,14,50,22,46,107,105,116,99,104,101,110,46,118,49,46,83,116,97,
    102,102,46,82,111,108,101,82,4,114,111,108,101,34,71,10,4,82,111,108,
    101,18,20,10,16,82,79,76,69,95,85,78,83,80,69,67,73,70,73,69,
    68,16,0,18,8,10,4,67,79,79,75,16,1,18,13,10,9,83,79,85,
    83,95,67,72,69,70,16,2,18,10,10,6,76,69,86,69,76,50,16,3,
    26,4,192,187,24,1,42,107,10,10,80,101,114,109,105,115,115,105,111,110,
    18,26,10,22,80,69,82,77,73,83,83,73,79,78,95,85,78,83,80,69,
    67,73,70,73,69,68,16,0,18,13,10,9,68,73,83,72,95,67,79,79,
    75,16,1,18,27,10,14,68,73,83,72,95,84,65,83,84,69,95,65,78,
    89,16,254,255,255,255,255,255,255,255,255,1,18,15,10,11,79,86,69,78,
    95,50,95,72,69,65,84,16,7,26,4,184,187,24,1,42,39,10,6,78,
    111,82,111,108,101,18,23,10,19,78,79,95,82,79,76,69,95,85,78,83,
    80,69,67,73,70,73,69,68,16,0,26,4,192,187,24,1,98,6,112,114,
    111,116,111,51,
};

static const mesh_file *const file_imports[] = {
    &mesh__v1__options_proto__file,
};

const mesh_file kitchen__v1__access_proto__file = {
    .name = "kitchen/v1/access.proto",
    .descriptor = file_bytes,
    .descriptor_size = sizeof file_bytes,
    .dependencies = file_imports,
    .dependency_count = 1,
};

const char *kitchen__v1__staff__role__name(Kitchen__V1__Staff__Role value)
{
    switch (value) {
    case KITCHEN__V1__STAFF__ROLE__COOK:
        return KITCHEN__V1__STAFF__ROLE__COOK__NAME;
    case KITCHEN__V1__STAFF__ROLE__SOUS_CHEF:
        return KITCHEN__V1__STAFF__ROLE__SOUS_CHEF__NAME;
    case KITCHEN__V1__STAFF__ROLE__LEVEL2:
        return KITCHEN__V1__STAFF__ROLE__LEVEL2__NAME;
    default:
        return NULL;
    }
}

const char *kitchen__v1__permission__name(Kitchen__V1__Permission value)
{
    switch (value) {
    case KITCHEN__V1__PERMISSION__DISH_COOK:
        return KITCHEN__V1__PERMISSION__DISH_COOK__NAME;
    case KITCHEN__V1__PERMISSION__DISH_TASTE_ANY:
        return KITCHEN__V1__PERMISSION__DISH_TASTE_ANY__NAME;
    case KITCHEN__V1__PERMISSION__OVEN_2_HEAT:
        return KITCHEN__V1__PERMISSION__OVEN_2_HEAT__NAME;
    default:
        return NULL;
    }
}

const char *kitchen__v1__no_role__name(Kitchen__V1__NoRole value)
{
    switch (value) {
    default:
        return NULL;
    }
}
