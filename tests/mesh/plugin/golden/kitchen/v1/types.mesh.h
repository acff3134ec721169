/* Written by protoc-gen-mesh 0.1.0 from kitchen/v1/types.proto: do not edit. */
#ifndef MESH_GEN_kitchen__v1__types_proto_H
#define MESH_GEN_kitchen__v1__types_proto_H

#include "kitchen/v1/types.pb-c.h"

#include "google/protobuf/any.mesh.h"
#include "google/protobuf/duration.mesh.h"
#include "google/protobuf/empty.mesh.h"
#include "google/protobuf/field_mask.mesh.h"
#include "google/protobuf/struct.mesh.h"
#include "google/protobuf/timestamp.mesh.h"
#include "google/protobuf/wrappers.mesh.h"
#include "kitchen/v1/access.mesh.h"
#include "pantry/v1/pantry.mesh.h"
#include "mesh/rpc/method.h"

#if MESH_VERSION_NUMBER < 1000
#error "written by protoc-gen-mesh 0.1.0, which needs a runtime of at least that version"
#endif

MESH_BEGIN_DECLS

/* The descriptor of kitchen/v1/types.proto, for server reflection. */
extern const mesh_file kitchen__v1__types_proto__file;

/* Presence of `a_double`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_double(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_double_case == KITCHEN__V1__OPTIONALS___A_DOUBLE_A_DOUBLE;
}
static inline void kitchen__v1__optionals__set_a_double(
    Kitchen__V1__Optionals *message, double value)
{
    message->_a_double_case = KITCHEN__V1__OPTIONALS___A_DOUBLE_A_DOUBLE;
    message->a_double = value;
}
static inline void kitchen__v1__optionals__clear_a_double(
    Kitchen__V1__Optionals *message)
{
    message->_a_double_case = KITCHEN__V1__OPTIONALS___A_DOUBLE__NOT_SET;
}

/* Presence of `a_float`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_float(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_float_case == KITCHEN__V1__OPTIONALS___A_FLOAT_A_FLOAT;
}
static inline void kitchen__v1__optionals__set_a_float(
    Kitchen__V1__Optionals *message, float value)
{
    message->_a_float_case = KITCHEN__V1__OPTIONALS___A_FLOAT_A_FLOAT;
    message->a_float = value;
}
static inline void kitchen__v1__optionals__clear_a_float(
    Kitchen__V1__Optionals *message)
{
    message->_a_float_case = KITCHEN__V1__OPTIONALS___A_FLOAT__NOT_SET;
}

/* Presence of `an_int32`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_an_int32(
    const Kitchen__V1__Optionals *message)
{
    return message->_an_int32_case == KITCHEN__V1__OPTIONALS___AN_INT32_AN_INT32;
}
static inline void kitchen__v1__optionals__set_an_int32(
    Kitchen__V1__Optionals *message, int32_t value)
{
    message->_an_int32_case = KITCHEN__V1__OPTIONALS___AN_INT32_AN_INT32;
    message->an_int32 = value;
}
static inline void kitchen__v1__optionals__clear_an_int32(
    Kitchen__V1__Optionals *message)
{
    message->_an_int32_case = KITCHEN__V1__OPTIONALS___AN_INT32__NOT_SET;
}

/* Presence of `an_int64`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_an_int64(
    const Kitchen__V1__Optionals *message)
{
    return message->_an_int64_case == KITCHEN__V1__OPTIONALS___AN_INT64_AN_INT64;
}
static inline void kitchen__v1__optionals__set_an_int64(
    Kitchen__V1__Optionals *message, int64_t value)
{
    message->_an_int64_case = KITCHEN__V1__OPTIONALS___AN_INT64_AN_INT64;
    message->an_int64 = value;
}
static inline void kitchen__v1__optionals__clear_an_int64(
    Kitchen__V1__Optionals *message)
{
    message->_an_int64_case = KITCHEN__V1__OPTIONALS___AN_INT64__NOT_SET;
}

/* Presence of `a_uint32`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_uint32(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_uint32_case == KITCHEN__V1__OPTIONALS___A_UINT32_A_UINT32;
}
static inline void kitchen__v1__optionals__set_a_uint32(
    Kitchen__V1__Optionals *message, uint32_t value)
{
    message->_a_uint32_case = KITCHEN__V1__OPTIONALS___A_UINT32_A_UINT32;
    message->a_uint32 = value;
}
static inline void kitchen__v1__optionals__clear_a_uint32(
    Kitchen__V1__Optionals *message)
{
    message->_a_uint32_case = KITCHEN__V1__OPTIONALS___A_UINT32__NOT_SET;
}

/* Presence of `a_uint64`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_uint64(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_uint64_case == KITCHEN__V1__OPTIONALS___A_UINT64_A_UINT64;
}
static inline void kitchen__v1__optionals__set_a_uint64(
    Kitchen__V1__Optionals *message, uint64_t value)
{
    message->_a_uint64_case = KITCHEN__V1__OPTIONALS___A_UINT64_A_UINT64;
    message->a_uint64 = value;
}
static inline void kitchen__v1__optionals__clear_a_uint64(
    Kitchen__V1__Optionals *message)
{
    message->_a_uint64_case = KITCHEN__V1__OPTIONALS___A_UINT64__NOT_SET;
}

/* Presence of `a_sint32`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_sint32(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_sint32_case == KITCHEN__V1__OPTIONALS___A_SINT32_A_SINT32;
}
static inline void kitchen__v1__optionals__set_a_sint32(
    Kitchen__V1__Optionals *message, int32_t value)
{
    message->_a_sint32_case = KITCHEN__V1__OPTIONALS___A_SINT32_A_SINT32;
    message->a_sint32 = value;
}
static inline void kitchen__v1__optionals__clear_a_sint32(
    Kitchen__V1__Optionals *message)
{
    message->_a_sint32_case = KITCHEN__V1__OPTIONALS___A_SINT32__NOT_SET;
}

/* Presence of `a_sint64`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_sint64(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_sint64_case == KITCHEN__V1__OPTIONALS___A_SINT64_A_SINT64;
}
static inline void kitchen__v1__optionals__set_a_sint64(
    Kitchen__V1__Optionals *message, int64_t value)
{
    message->_a_sint64_case = KITCHEN__V1__OPTIONALS___A_SINT64_A_SINT64;
    message->a_sint64 = value;
}
static inline void kitchen__v1__optionals__clear_a_sint64(
    Kitchen__V1__Optionals *message)
{
    message->_a_sint64_case = KITCHEN__V1__OPTIONALS___A_SINT64__NOT_SET;
}

/* Presence of `a_fixed32`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_fixed32(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_fixed32_case == KITCHEN__V1__OPTIONALS___A_FIXED32_A_FIXED32;
}
static inline void kitchen__v1__optionals__set_a_fixed32(
    Kitchen__V1__Optionals *message, uint32_t value)
{
    message->_a_fixed32_case = KITCHEN__V1__OPTIONALS___A_FIXED32_A_FIXED32;
    message->a_fixed32 = value;
}
static inline void kitchen__v1__optionals__clear_a_fixed32(
    Kitchen__V1__Optionals *message)
{
    message->_a_fixed32_case = KITCHEN__V1__OPTIONALS___A_FIXED32__NOT_SET;
}

/* Presence of `a_fixed64`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_fixed64(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_fixed64_case == KITCHEN__V1__OPTIONALS___A_FIXED64_A_FIXED64;
}
static inline void kitchen__v1__optionals__set_a_fixed64(
    Kitchen__V1__Optionals *message, uint64_t value)
{
    message->_a_fixed64_case = KITCHEN__V1__OPTIONALS___A_FIXED64_A_FIXED64;
    message->a_fixed64 = value;
}
static inline void kitchen__v1__optionals__clear_a_fixed64(
    Kitchen__V1__Optionals *message)
{
    message->_a_fixed64_case = KITCHEN__V1__OPTIONALS___A_FIXED64__NOT_SET;
}

/* Presence of `a_sfixed32`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_sfixed32(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_sfixed32_case == KITCHEN__V1__OPTIONALS___A_SFIXED32_A_SFIXED32;
}
static inline void kitchen__v1__optionals__set_a_sfixed32(
    Kitchen__V1__Optionals *message, int32_t value)
{
    message->_a_sfixed32_case = KITCHEN__V1__OPTIONALS___A_SFIXED32_A_SFIXED32;
    message->a_sfixed32 = value;
}
static inline void kitchen__v1__optionals__clear_a_sfixed32(
    Kitchen__V1__Optionals *message)
{
    message->_a_sfixed32_case = KITCHEN__V1__OPTIONALS___A_SFIXED32__NOT_SET;
}

/* Presence of `a_sfixed64`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_sfixed64(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_sfixed64_case == KITCHEN__V1__OPTIONALS___A_SFIXED64_A_SFIXED64;
}
static inline void kitchen__v1__optionals__set_a_sfixed64(
    Kitchen__V1__Optionals *message, int64_t value)
{
    message->_a_sfixed64_case = KITCHEN__V1__OPTIONALS___A_SFIXED64_A_SFIXED64;
    message->a_sfixed64 = value;
}
static inline void kitchen__v1__optionals__clear_a_sfixed64(
    Kitchen__V1__Optionals *message)
{
    message->_a_sfixed64_case = KITCHEN__V1__OPTIONALS___A_SFIXED64__NOT_SET;
}

/* Presence of `a_bool`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_bool(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_bool_case == KITCHEN__V1__OPTIONALS___A_BOOL_A_BOOL;
}
static inline void kitchen__v1__optionals__set_a_bool(
    Kitchen__V1__Optionals *message, protobuf_c_boolean value)
{
    message->_a_bool_case = KITCHEN__V1__OPTIONALS___A_BOOL_A_BOOL;
    message->a_bool = value;
}
static inline void kitchen__v1__optionals__clear_a_bool(
    Kitchen__V1__Optionals *message)
{
    message->_a_bool_case = KITCHEN__V1__OPTIONALS___A_BOOL__NOT_SET;
}

/* Presence of `a_string`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_a_string(
    const Kitchen__V1__Optionals *message)
{
    return message->_a_string_case == KITCHEN__V1__OPTIONALS___A_STRING_A_STRING;
}
static inline void kitchen__v1__optionals__set_a_string(
    Kitchen__V1__Optionals *message, const char *value)
{
    message->_a_string_case = KITCHEN__V1__OPTIONALS___A_STRING_A_STRING;
    message->a_string = (char *)value;
}
static inline void kitchen__v1__optionals__clear_a_string(
    Kitchen__V1__Optionals *message)
{
    message->_a_string_case = KITCHEN__V1__OPTIONALS___A_STRING__NOT_SET;
}

/* Presence of `some_bytes`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_some_bytes(
    const Kitchen__V1__Optionals *message)
{
    return message->_some_bytes_case == KITCHEN__V1__OPTIONALS___SOME_BYTES_SOME_BYTES;
}
static inline void kitchen__v1__optionals__set_some_bytes(
    Kitchen__V1__Optionals *message, ProtobufCBinaryData value)
{
    message->_some_bytes_case = KITCHEN__V1__OPTIONALS___SOME_BYTES_SOME_BYTES;
    message->some_bytes = value;
}
static inline void kitchen__v1__optionals__clear_some_bytes(
    Kitchen__V1__Optionals *message)
{
    message->_some_bytes_case = KITCHEN__V1__OPTIONALS___SOME_BYTES__NOT_SET;
}

/* Presence of `taste`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_taste(
    const Kitchen__V1__Optionals *message)
{
    return message->_taste_case == KITCHEN__V1__OPTIONALS___TASTE_TASTE;
}
static inline void kitchen__v1__optionals__set_taste(
    Kitchen__V1__Optionals *message, Kitchen__V1__Taste value)
{
    message->_taste_case = KITCHEN__V1__OPTIONALS___TASTE_TASTE;
    message->taste = value;
}
static inline void kitchen__v1__optionals__clear_taste(
    Kitchen__V1__Optionals *message)
{
    message->_taste_case = KITCHEN__V1__OPTIONALS___TASTE__NOT_SET;
}

/* Presence of `scalars`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_scalars(
    const Kitchen__V1__Optionals *message)
{
    return message->_scalars_case == KITCHEN__V1__OPTIONALS___SCALARS_SCALARS;
}
static inline void kitchen__v1__optionals__set_scalars(
    Kitchen__V1__Optionals *message, Kitchen__V1__Scalars *value)
{
    message->_scalars_case = KITCHEN__V1__OPTIONALS___SCALARS_SCALARS;
    message->scalars = value;
}
static inline void kitchen__v1__optionals__clear_scalars(
    Kitchen__V1__Optionals *message)
{
    message->_scalars_case = KITCHEN__V1__OPTIONALS___SCALARS__NOT_SET;
}

/* Presence of `unit`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_unit(
    const Kitchen__V1__Optionals *message)
{
    return message->_unit_case == KITCHEN__V1__OPTIONALS___UNIT_UNIT;
}
static inline void kitchen__v1__optionals__set_unit(
    Kitchen__V1__Optionals *message, Pantry__V1__Unit value)
{
    message->_unit_case = KITCHEN__V1__OPTIONALS___UNIT_UNIT;
    message->unit = value;
}
static inline void kitchen__v1__optionals__clear_unit(
    Kitchen__V1__Optionals *message)
{
    message->_unit_case = KITCHEN__V1__OPTIONALS___UNIT__NOT_SET;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/* Presence of `old`; set keeps the pointer it is given. */
__attribute__((deprecated)) static inline bool kitchen__v1__optionals__has_old(
    const Kitchen__V1__Optionals *message)
{
    return message->_old_case == KITCHEN__V1__OPTIONALS___OLD_OLD;
}
__attribute__((deprecated)) static inline void kitchen__v1__optionals__set_old(
    Kitchen__V1__Optionals *message, int32_t value)
{
    message->_old_case = KITCHEN__V1__OPTIONALS___OLD_OLD;
    message->old = value;
}
__attribute__((deprecated)) static inline void kitchen__v1__optionals__clear_old(
    Kitchen__V1__Optionals *message)
{
    message->_old_case = KITCHEN__V1__OPTIONALS___OLD__NOT_SET;
}
#pragma GCC diagnostic pop

/* Presence of `mixedcase`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_mixedcase(
    const Kitchen__V1__Optionals *message)
{
    return message->_mixed_case_case == KITCHEN__V1__OPTIONALS___MIXED_CASE_MIXED_CASE;
}
static inline void kitchen__v1__optionals__set_mixedcase(
    Kitchen__V1__Optionals *message, const char *value)
{
    message->_mixed_case_case = KITCHEN__V1__OPTIONALS___MIXED_CASE_MIXED_CASE;
    message->mixedcase = (char *)value;
}
static inline void kitchen__v1__optionals__clear_mixedcase(
    Kitchen__V1__Optionals *message)
{
    message->_mixed_case_case = KITCHEN__V1__OPTIONALS___MIXED_CASE__NOT_SET;
}

/* Presence of `class`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_class(
    const Kitchen__V1__Optionals *message)
{
    return message->_class_case == KITCHEN__V1__OPTIONALS___CLASS_CLASS;
}
static inline void kitchen__v1__optionals__set_class(
    Kitchen__V1__Optionals *message, int32_t value)
{
    message->_class_case = KITCHEN__V1__OPTIONALS___CLASS_CLASS;
    message->class_ = value;
}
static inline void kitchen__v1__optionals__clear_class(
    Kitchen__V1__Optionals *message)
{
    message->_class_case = KITCHEN__V1__OPTIONALS___CLASS__NOT_SET;
}

/* Presence of `constexpr`; set keeps the pointer it is given. */
static inline bool kitchen__v1__optionals__has_constexpr(
    const Kitchen__V1__Optionals *message)
{
    return message->_constexpr_case == KITCHEN__V1__OPTIONALS___CONSTEXPR_CONSTEXPR;
}
static inline void kitchen__v1__optionals__set_constexpr(
    Kitchen__V1__Optionals *message, int32_t value)
{
    message->_constexpr_case = KITCHEN__V1__OPTIONALS___CONSTEXPR_CONSTEXPR;
    message->constexpr_ = value;
}
static inline void kitchen__v1__optionals__clear_constexpr(
    Kitchen__V1__Optionals *message)
{
    message->_constexpr_case = KITCHEN__V1__OPTIONALS___CONSTEXPR__NOT_SET;
}

MESH_END_DECLS

#endif
