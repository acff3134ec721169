"""What a program outside of this tree gets: one library of many, its headers, its pkg-config file."""

load("//bazel:mesh_proto.bzl", "MeshProtoInfo")

def _libraries(deps):
    """All static libraries below deps as structs of the library and its linker input."""
    found = []
    seen = {}
    for dep in deps:
        for linker_input in dep[CcInfo].linking_context.linker_inputs.to_list():
            for library in linker_input.libraries:
                archive = library.pic_static_library or library.static_library
                if archive and archive.path not in seen:
                    seen[archive.path] = True
                    found.append(struct(library = library, archive = archive, owner = linker_input.owner))
    return found

def _link_flags(deps):
    flags = []
    for dep in deps:
        for linker_input in dep[CcInfo].linking_context.linker_inputs.to_list():
            for flag in linker_input.user_link_flags:
                if flag not in flags:
                    flags.append(flag)
    return flags

def _mesh_whole_impl(ctx):
    toolchain = ctx.attr._cc_toolchain[cc_common.CcToolchainInfo]
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    objects = []
    inputs = []
    for found in _libraries(ctx.attr.deps):
        library = found.library
        objects += library.pic_objects if library.pic_static_library else library.objects
        inputs.append(cc_common.create_linker_input(
            owner = found.owner,
            libraries = depset([cc_common.create_library_to_link(
                actions = ctx.actions,
                cc_toolchain = toolchain,
                feature_configuration = features,
                pic_static_library = library.pic_static_library,
                static_library = library.static_library,
                alwayslink = True,
            )]),
        ))
    inputs.append(cc_common.create_linker_input(
        owner = ctx.label,
        user_link_flags = depset(_link_flags(ctx.attr.deps)),
    ))

    # `q` appends: two modules may have files of the same name.
    ctx.actions.run(
        executable = toolchain.ar_executable,
        arguments = ["qcsD", ctx.outputs.archive.path] + [object.path for object in objects],
        inputs = depset(objects, transitive = [toolchain.all_files]),
        outputs = [ctx.outputs.archive],
        mnemonic = "MeshArchive",
    )
    linking_context = cc_common.create_linking_context(linker_inputs = depset(inputs))
    return [CcInfo(linking_context = linking_context)]

# A library that is linked as a whole, used or not, and the same as one static archive.
mesh_whole = rule(
    implementation = _mesh_whole_impl,
    attrs = {
        "deps": attr.label_list(providers = [CcInfo]),
        "archive": attr.output(mandatory = True),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
    incompatible_use_toolchain_transition = True,
)

def _mesh_headers_impl(ctx):
    placed = {}
    for dep in ctx.attr.deps:
        if MeshProtoInfo in dep:
            for header in dep[MeshProtoInfo].headers.to_list():
                placed[header.path] = header.file
        for header in dep[CcInfo].compilation_context.headers.to_list():
            if header.is_source and header.short_path in ctx.attr.public:
                placed[header.short_path] = header
    for path in ctx.attr.public:
        if path not in placed:
            fail("no dependency has the header %s" % path)
    commands = ["set -e", "tree=$(mktemp -d)", "trap 'rm -rf \"$tree\"' EXIT"]
    for path, header in sorted(placed.items()):
        commands.append("install -D -m 644 '%s' \"$tree/include/meshc/%s\"" % (header.path, path))
    commands.append(
        "tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C \"$tree\" -cf '%s' include" %
        ctx.outputs.out.path,
    )
    ctx.actions.run_shell(
        command = "\n".join(commands),
        inputs = placed.values(),
        outputs = [ctx.outputs.out],
        mnemonic = "MeshHeaders",
    )

# A tar of include/meshc/: generated headers of deps, and those of the runtime's that are for users.
mesh_headers = rule(
    implementation = _mesh_headers_impl,
    attrs = {
        "deps": attr.label_list(providers = [CcInfo]),
        "public": attr.string_list(),
        "out": attr.output(mandatory = True),
    },
)

def _mesh_pkg_config_impl(ctx):
    ctx.actions.expand_template(
        template = ctx.file.template,
        output = ctx.outputs.out,
        substitutions = {"@LIBS@": " ".join(_link_flags(ctx.attr.deps))},
    )

# The template with the libraries that a static link needs; @PREFIX@ is left for the installation.
mesh_pkg_config = rule(
    implementation = _mesh_pkg_config_impl,
    attrs = {
        "deps": attr.label_list(providers = [CcInfo]),
        "template": attr.label(allow_single_file = True),
        "out": attr.output(mandatory = True),
    },
)
