"""mesh_proto_library: messages and stubs of .proto files as one C library.

    load("//bazel:mesh_proto.bzl", "mesh_proto_library")

    mesh_proto_library(
        name = "hello_v1",
        srcs = ["hello/v1/hello.proto"],
        deps = ["//gen:mesh_v1"],
    )

makes
  :hello_v1           what C targets depend on: #include "hello/v1/hello.mesh.h"
  :hello_v1.protoset  a google.protobuf.FileDescriptorSet with all imports

The folder of the BUILD file that a source belongs to is its import root: a file proto/a/v1/a.proto of the
package //proto is imported as "a/v1/a.proto". `deps` are other mesh_proto_library targets whose files are
imported, and C libraries that generated code needs ("//mesh/events" where there are events). What is below
google/protobuf needs no dependency to be found, but its C code is in //gen:google_protobuf.
`upcasters` are C files with the upcasters of events that take the place of older ones (proto/mesh/v1/options.proto).
"""

load("@rules_cc//cc:defs.bzl", "cc_library")

MeshProtoInfo = provider(
    doc = "The .proto files of a target and of all it depends on.",
    fields = {
        "sources": "depset of .proto files",
        "roots": "depset of import roots, as paths from the execution root",
        "headers": "depset of generated headers (struct of file and path)",
        "names": "depset of the names that the files are imported by",
        "descriptor_set": "file with the descriptors of this target and all imports",
    },
)

# What every generated file is compiled against.
_RUNTIME = "//mesh/rpc"

def _root_of(file):
    return "/".join([part for part in [file.root.path, file.owner.workspace_root, file.owner.package] if part])

def _name_of(file):
    root = _root_of(file)
    return file.path[len(root) + 1:] if root else file.path

def _includes(roots):
    return ["-I" + (root or ".") for root in roots.to_list()] + ["-I/usr/include"]

def _descriptor_set(ctx, out, sources, roots, names):
    ctx.actions.run_shell(
        command = "exec protoc \"$@\"",
        arguments = ["--include_imports", "--descriptor_set_out=" + out.path] + _includes(roots) + names,
        inputs = sources,
        outputs = [out],
        mnemonic = "MeshDescriptors",
        progress_message = "Collecting descriptors for %s" % ctx.label,
        use_default_shell_env = True,
    )

def _mesh_proto_gen_impl(ctx):
    infos = [dep[MeshProtoInfo] for dep in ctx.attr.deps if MeshProtoInfo in dep]
    names = [_name_of(file) for file in ctx.files.srcs]
    sources = depset(ctx.files.srcs, transitive = [info.sources for info in infos])
    roots = depset([_root_of(file) for file in ctx.files.srcs], transitive = [info.roots for info in infos])

    code = []
    headers = []
    for name in names:
        stem = name[:-len(".proto")]
        for suffix in [".pb-c", ".mesh"]:
            code.append(ctx.actions.declare_file(stem + suffix + ".c"))
            headers.append(ctx.actions.declare_file(stem + suffix + ".h"))
    out = code[0].path[:-len(names[0][:-len(".proto")] + ".pb-c.c")] or "."

    ctx.actions.run_shell(
        command = "exec protoc \"$@\"",
        arguments = ["--plugin=protoc-gen-mesh=" + ctx.executable._plugin.path, "--mesh_out=" + out] + _includes(roots) + names,
        inputs = sources,
        tools = [ctx.executable._plugin],
        outputs = code + headers,
        mnemonic = "MeshProto",
        progress_message = "Generating C for %s" % ctx.label,
        use_default_shell_env = True,
    )
    _descriptor_set(ctx, ctx.outputs.descriptor_set, sources, roots, names)
    return [
        DefaultInfo(files = depset(code), runfiles = ctx.runfiles(files = code)),
        OutputGroupInfo(headers = depset(headers)),
        MeshProtoInfo(
            sources = sources,
            roots = roots,
            headers = depset(
                [struct(file = header, path = header.path[len(out.rstrip("/")) + 1:]) for header in headers],
                transitive = [info.headers for info in infos],
            ),
            names = depset(names, transitive = [info.names for info in infos]),
            descriptor_set = ctx.outputs.descriptor_set,
        ),
    ]

_mesh_proto_gen = rule(
    implementation = _mesh_proto_gen_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".proto"], mandatory = True, allow_empty = False),
        "deps": attr.label_list(),
        "descriptor_set": attr.output(mandatory = True),
        "_plugin": attr.label(
            default = "//mesh/plugin:protoc-gen-mesh",
            executable = True,
            cfg = "host",
        ),
    },
)

def _mesh_proto_library_impl(ctx):
    return [
        ctx.attr.cc[CcInfo],
        ctx.attr.gen[MeshProtoInfo],
        DefaultInfo(files = ctx.attr.cc[DefaultInfo].files),
    ]

# One target that is both: a C library, and the .proto files that it was made from.
_mesh_proto_library = rule(
    implementation = _mesh_proto_library_impl,
    attrs = {
        "cc": attr.label(providers = [CcInfo]),
        "gen": attr.label(providers = [MeshProtoInfo]),
    },
    provides = [CcInfo, MeshProtoInfo],
)

def _mesh_descriptors_impl(ctx):
    infos = [dep[MeshProtoInfo] for dep in ctx.attr.deps]
    sources = depset(transitive = [info.sources for info in infos])
    roots = depset(transitive = [info.roots for info in infos])
    names = depset(transitive = [info.names for info in infos])
    _descriptor_set(ctx, ctx.outputs.out, sources, roots, names.to_list())

# One descriptor set of many targets, with all imports.
mesh_descriptors = rule(
    implementation = _mesh_descriptors_impl,
    attrs = {
        "deps": attr.label_list(providers = [MeshProtoInfo]),
        "out": attr.output(mandatory = True),
    },
)

def mesh_proto_library(name, srcs, deps = [], upcasters = [], visibility = None, **kwargs):
    """See the top of this file."""
    _mesh_proto_gen(
        name = name + "_gen",
        srcs = srcs,
        deps = deps,
        descriptor_set = name + ".protoset",
        visibility = visibility,
        **kwargs
    )
    native.filegroup(
        name = name + "_headers",
        srcs = [":" + name + "_gen"],
        output_group = "headers",
        visibility = visibility,
        **kwargs
    )
    cc_library(
        name = name + "_cc",
        srcs = [":" + name + "_gen"] + upcasters,
        hdrs = [":" + name + "_headers"],
        copts = ["-std=c11", "-Wall", "-Wextra", "-Werror"],
        includes = ["."],
        linkopts = ["-lprotobuf-c"],
        visibility = ["//visibility:private"],
        deps = [_RUNTIME] + deps,
        **kwargs
    )
    _mesh_proto_library(
        name = name,
        cc = ":" + name + "_cc",
        gen = ":" + name + "_gen",
        visibility = visibility,
        **kwargs
    )
