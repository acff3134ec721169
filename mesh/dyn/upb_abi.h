/*
 * The part of upb's run-time API that this module calls, declared here because Debian has the
 * library (libupb.so.29, which the gRPC core loads anyway) without headers that could be installed
 * beside libgrpc-dev: docs/adr/0005-upb-by-prototype.md. Names, argument types and values are the
 * library's binary interface and belong to that soname; abi_check.h refuses any other one. Private
 * to mesh/dyn.
 *
 * Memory: everything made for a message lives in a upb_Arena, everything that is defined lives in
 * its upb_DefPool. A pool is read by any number of threads as long as none adds to it.
 */
#ifndef MESH_DYN_UPB_ABI_H
#define MESH_DYN_UPB_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESH_DYN_UPB_SONAME "libupb.so.29"

typedef struct upb_alloc upb_alloc;
typedef struct upb_Arena upb_Arena;
typedef struct upb_Array upb_Array;
typedef struct upb_DefPool upb_DefPool;
typedef struct upb_EnumDef upb_EnumDef;
typedef struct upb_EnumValueDef upb_EnumValueDef;
typedef struct upb_ExtensionRange upb_ExtensionRange;
typedef struct upb_ExtensionRegistry upb_ExtensionRegistry;
typedef struct upb_FieldDef upb_FieldDef;
typedef struct upb_FileDef upb_FileDef;
typedef struct upb_Map upb_Map;
typedef struct upb_MessageDef upb_MessageDef;
typedef struct upb_MethodDef upb_MethodDef;
typedef struct upb_MiniTable upb_MiniTable;
typedef struct upb_OneofDef upb_OneofDef;
typedef struct upb_ServiceDef upb_ServiceDef;
typedef void upb_Message;

typedef struct upb_StringView {
    const char *data; /* not NUL-terminated */
    size_t size;
} upb_StringView;

typedef struct upb_Status {
    bool ok;
    char msg[127];
} upb_Status;

typedef union upb_MessageValue {
    bool bool_val;
    float float_val;
    double double_val;
    int32_t int32_val;
    int64_t int64_val;
    uint32_t uint32_val;
    uint64_t uint64_val;
    const upb_Map *map_val;
    const upb_Message *msg_val;
    const upb_Array *array_val;
    upb_StringView str_val;
} upb_MessageValue;

/* How a value is held in memory. */
typedef enum upb_CType {
    kUpb_CType_Bool = 1,
    kUpb_CType_Float,
    kUpb_CType_Int32,
    kUpb_CType_UInt32,
    kUpb_CType_Enum,
    kUpb_CType_Message,
    kUpb_CType_Double,
    kUpb_CType_Int64,
    kUpb_CType_UInt64,
    kUpb_CType_String,
    kUpb_CType_Bytes
} upb_CType;

typedef enum upb_WellKnown {
    kUpb_WellKnown_Unspecified,
    kUpb_WellKnown_Any,
    kUpb_WellKnown_FieldMask,
    kUpb_WellKnown_Duration,
    kUpb_WellKnown_Timestamp,
    kUpb_WellKnown_DoubleValue,
    kUpb_WellKnown_FloatValue,
    kUpb_WellKnown_Int64Value,
    kUpb_WellKnown_UInt64Value,
    kUpb_WellKnown_Int32Value,
    kUpb_WellKnown_UInt32Value,
    kUpb_WellKnown_StringValue,
    kUpb_WellKnown_BytesValue,
    kUpb_WellKnown_BoolValue,
    kUpb_WellKnown_Value,
    kUpb_WellKnown_ListValue,
    kUpb_WellKnown_Struct
} upb_WellKnown;

enum {
    kUpb_Syntax_Proto2 = 2,
    kUpb_DecodeStatus_Ok = 0,
    kUpb_DecodeStatus_Malformed = 1,
    kUpb_DecodeStatus_OutOfMemory = 2,
    kUpb_DecodeStatus_BadUtf8 = 3,
    kUpb_DecodeStatus_MaxDepthExceeded = 4,
    kUpb_EncodeStatus_Ok = 0,
    kUpb_EncodeStatus_MaxDepthExceeded = 2,
    kUpb_JsonDecode_IgnoreUnknown = 1,
    kUpb_JsonEncode_EmitDefaults = 1,
    kUpb_JsonEncode_UseProtoNames = 2,
    kUpb_JsonEncode_FormatEnumsAsIntegers = 4,
    kUpb_TextEncode_SingleLine = 1,
    kUpb_TextEncode_SkipUnknown = 2
};

/* The depth limit of encode and decode travels in the upper half of their options. */
#define MESH_DYN_UPB_DEPTH(depth) ((depth) << 16)

/* Where the iterations over messages and maps start. */
#define MESH_DYN_UPB_BEGIN ((size_t)-1)

/* Arenas */
extern upb_alloc upb_alloc_global;
upb_Arena *upb_Arena_Init(void *block, size_t size, upb_alloc *alloc);
void upb_Arena_Free(upb_Arena *arena);

/* Pools. FindFileByName and its like return NULL when there is no such thing. */
typedef struct upb_DefPool_Init upb_DefPool_Init;
extern upb_DefPool_Init google_protobuf_descriptor_proto_upbdefinit;
bool _upb_DefPool_LoadDefInitEx(upb_DefPool *pool, const upb_DefPool_Init *init, bool rebuild);
upb_DefPool *upb_DefPool_New(void);
void upb_DefPool_Free(upb_DefPool *pool);
const upb_FileDef *upb_DefPool_AddFile(upb_DefPool *pool, const upb_Message *file,
                                       upb_Status *status);
const upb_MessageDef *upb_DefPool_FindMessageByNameWithSize(const upb_DefPool *pool,
                                                            const char *name, size_t size);
const upb_MessageDef *upb_DefPool_FindMessageByName(const upb_DefPool *pool, const char *name);
const upb_EnumDef *upb_DefPool_FindEnumByName(const upb_DefPool *pool, const char *name);
const upb_ServiceDef *upb_DefPool_FindServiceByNameWithSize(const upb_DefPool *pool,
                                                            const char *name, size_t size);
const upb_FieldDef *upb_DefPool_FindExtensionByName(const upb_DefPool *pool, const char *name);
const upb_FileDef *upb_DefPool_FindFileByName(const upb_DefPool *pool, const char *name);
const upb_FileDef *upb_DefPool_FindFileByNameWithSize(const upb_DefPool *pool, const char *name,
                                                      size_t size);
const upb_ExtensionRegistry *upb_DefPool_ExtensionRegistry(const upb_DefPool *pool);
void upb_Status_Clear(upb_Status *status);

/* Files */
const char *upb_FileDef_Name(const upb_FileDef *file);
const char *upb_FileDef_Package(const upb_FileDef *file);
int upb_FileDef_Syntax(const upb_FileDef *file);
int upb_FileDef_ServiceCount(const upb_FileDef *file);
const upb_ServiceDef *upb_FileDef_Service(const upb_FileDef *file, int index);
int upb_FileDef_TopLevelMessageCount(const upb_FileDef *file);
const upb_MessageDef *upb_FileDef_TopLevelMessage(const upb_FileDef *file, int index);
int upb_FileDef_TopLevelEnumCount(const upb_FileDef *file);
const upb_EnumDef *upb_FileDef_TopLevelEnum(const upb_FileDef *file, int index);

/* Services and methods */
const upb_Message *upb_ServiceDef_Options(const upb_ServiceDef *service);
const char *upb_ServiceDef_FullName(const upb_ServiceDef *service);
const char *upb_ServiceDef_Name(const upb_ServiceDef *service);
int upb_ServiceDef_MethodCount(const upb_ServiceDef *service);
const upb_MethodDef *upb_ServiceDef_Method(const upb_ServiceDef *service, int index);
const upb_MethodDef *upb_ServiceDef_FindMethodByName(const upb_ServiceDef *service,
                                                     const char *name);
const upb_FileDef *upb_ServiceDef_File(const upb_ServiceDef *service);
const upb_Message *upb_MethodDef_Options(const upb_MethodDef *method);
const char *upb_MethodDef_FullName(const upb_MethodDef *method);
const char *upb_MethodDef_Name(const upb_MethodDef *method);
const upb_ServiceDef *upb_MethodDef_Service(const upb_MethodDef *method);
const upb_MessageDef *upb_MethodDef_InputType(const upb_MethodDef *method);
const upb_MessageDef *upb_MethodDef_OutputType(const upb_MethodDef *method);
bool upb_MethodDef_ClientStreaming(const upb_MethodDef *method);
bool upb_MethodDef_ServerStreaming(const upb_MethodDef *method);

/* Messages */
const upb_Message *upb_MessageDef_Options(const upb_MessageDef *message);
const char *upb_MessageDef_FullName(const upb_MessageDef *message);
const char *upb_MessageDef_Name(const upb_MessageDef *message);
const upb_FileDef *upb_MessageDef_File(const upb_MessageDef *message);
const upb_MiniTable *upb_MessageDef_MiniTable(const upb_MessageDef *message);
upb_WellKnown upb_MessageDef_WellKnownType(const upb_MessageDef *message);
int upb_MessageDef_FieldCount(const upb_MessageDef *message);
const upb_FieldDef *upb_MessageDef_Field(const upb_MessageDef *message, int index);
const upb_FieldDef *upb_MessageDef_FindFieldByNumber(const upb_MessageDef *message,
                                                     uint32_t number);
const upb_FieldDef *upb_MessageDef_FindFieldByNameWithSize(const upb_MessageDef *message,
                                                           const char *name, size_t size);
const upb_FieldDef *upb_MessageDef_FindByJsonNameWithSize(const upb_MessageDef *message,
                                                          const char *name, size_t size);
int upb_MessageDef_NestedMessageCount(const upb_MessageDef *message);
const upb_MessageDef *upb_MessageDef_NestedMessage(const upb_MessageDef *message, int index);
int upb_MessageDef_NestedEnumCount(const upb_MessageDef *message);
const upb_EnumDef *upb_MessageDef_NestedEnum(const upb_MessageDef *message, int index);

/* Fields and oneofs */
const upb_Message *upb_FieldDef_Options(const upb_FieldDef *field);
const char *upb_FieldDef_FullName(const upb_FieldDef *field);
const char *upb_FieldDef_Name(const upb_FieldDef *field);
const char *upb_FieldDef_JsonName(const upb_FieldDef *field);
uint32_t upb_FieldDef_Number(const upb_FieldDef *field);
upb_CType upb_FieldDef_CType(const upb_FieldDef *field);
int upb_FieldDef_Type(const upb_FieldDef *field); /* FieldDescriptorProto.Type */
const upb_FileDef *upb_FieldDef_File(const upb_FieldDef *field);
bool upb_FieldDef_IsMap(const upb_FieldDef *field);
bool upb_FieldDef_IsRepeated(const upb_FieldDef *field);
bool upb_FieldDef_IsRequired(const upb_FieldDef *field);
bool upb_FieldDef_IsExtension(const upb_FieldDef *field);
bool _upb_FieldDef_IsProto3Optional(const upb_FieldDef *field);
const upb_MessageDef *upb_FieldDef_ContainingType(const upb_FieldDef *field);
const upb_OneofDef *upb_FieldDef_RealContainingOneof(const upb_FieldDef *field);
const upb_MessageDef *upb_FieldDef_MessageSubDef(const upb_FieldDef *field);
const upb_EnumDef *upb_FieldDef_EnumSubDef(const upb_FieldDef *field);
const char *upb_OneofDef_Name(const upb_OneofDef *oneof);

/* Enums */
const upb_Message *upb_EnumDef_Options(const upb_EnumDef *type);
const char *upb_EnumDef_FullName(const upb_EnumDef *type);
const char *upb_EnumDef_Name(const upb_EnumDef *type);
const upb_FileDef *upb_EnumDef_File(const upb_EnumDef *type);
int upb_EnumDef_ValueCount(const upb_EnumDef *type);
const upb_EnumValueDef *upb_EnumDef_Value(const upb_EnumDef *type, int index);
const upb_EnumValueDef *upb_EnumDef_FindValueByNumber(const upb_EnumDef *type, int32_t number);
const upb_Message *upb_EnumValueDef_Options(const upb_EnumValueDef *value);
const char *upb_EnumValueDef_Name(const upb_EnumValueDef *value);
int32_t upb_EnumValueDef_Number(const upb_EnumValueDef *value);

/* Values */
upb_Message *upb_Message_New(const upb_MessageDef *message, upb_Arena *arena);
upb_MessageValue upb_Message_Get(const upb_Message *message, const upb_FieldDef *field);
bool upb_Message_Set(upb_Message *message, const upb_FieldDef *field, upb_MessageValue value,
                     upb_Arena *arena);
bool upb_Message_Next(const upb_Message *message, const upb_MessageDef *type,
                      const upb_DefPool *extensions, const upb_FieldDef **field,
                      upb_MessageValue *value, size_t *position);
size_t upb_Array_Size(const upb_Array *array);
upb_MessageValue upb_Array_Get(const upb_Array *array, size_t index);
bool upb_MapIterator_Next(const upb_Map *map, size_t *position);
upb_MessageValue upb_MapIterator_Key(const upb_Map *map, size_t position);
upb_MessageValue upb_MapIterator_Value(const upb_Map *map, size_t position);

/* Encodings. The JSON and text encoders return the size they need, as snprintf does. */
int upb_Decode(const char *data, size_t size, upb_Message *message, const upb_MiniTable *layout,
               const upb_ExtensionRegistry *extensions, int options, upb_Arena *arena);
int upb_Encode(const upb_Message *message, const upb_MiniTable *layout, int options,
               upb_Arena *arena, char **data, size_t *size);
bool upb_JsonDecode(const char *json, size_t size, upb_Message *message, const upb_MessageDef *type,
                    const upb_DefPool *pool, int options, upb_Arena *arena, upb_Status *status);
size_t upb_JsonEncode(const upb_Message *message, const upb_MessageDef *type,
                      const upb_DefPool *pool, int options, char *json, size_t size,
                      upb_Status *status);
size_t upb_TextEncode(const upb_Message *message, const upb_MessageDef *type,
                      const upb_DefPool *pool, int options, char *text, size_t size);

#endif
