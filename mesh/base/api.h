/*
 * What every public header of the runtime starts from: the version of the runtime and the mark of
 * an exported function.
 */
#ifndef MESH_BASE_API_H
#define MESH_BASE_API_H

/*
 * Version of the runtime, MAJOR * 1000000 + MINOR * 1000 + PATCH. Generated files compare it with
 * the version of the plugin that wrote them and refuse (#error) an older runtime.
 */
#define MESH_VERSION_NUMBER 1000
#define MESH_VERSION "0.1.0"

/* Exported from libmeshc.so; everything else is built with -fvisibility=hidden. */
#define MESH_API __attribute__((visibility("default")))

/* Lets the compiler check the arguments of a printf-like function. */
#define MESH_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* The caller must look at the result. */
#define MESH_MUST_CHECK __attribute__((warn_unused_result))

/*
 * How public structs grow, so that a program and a later (or earlier) libmeshc.so.0 still
 * understand each other; docs/adr/0007-structs-that-grow.md says why.
 *
 * Option structs begin with `size_t size`; zero-initialised they mean "all defaults". `size` tells
 * the library how much of the struct its caller knew: sizeof the struct, or 0 for the layout of
 * version 0.1.0, so that a plain designated initialiser is always right for the fields of that
 * version; MESH_OPTIONS(mesh_call_options, .parent = call) sets it, which later fields need. What
 * the caller did not know is default. What the library does not know must be zero: otherwise it
 * refuses the options with INVALID_ARGUMENT, whatever the function.
 *
 * Structs that stand in arrays, are handed over by value, or are exported by generated code keep
 * their size for good. Where one may need more it has a field `reserved`, which programs leave
 * zero: designated initialisers do. The library refuses others with INVALID_ARGUMENT.
 *
 * Structs that only the library makes, and hands out by pointer, get new fields at their end.
 */
#define MESH_OPTIONS(type, ...) (&(type){.size = sizeof(type), __VA_ARGS__})

#ifdef __cplusplus
#define MESH_BEGIN_DECLS extern "C" {
#define MESH_END_DECLS }
#else
#define MESH_BEGIN_DECLS
#define MESH_END_DECLS
#endif

#endif
