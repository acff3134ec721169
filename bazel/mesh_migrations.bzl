"""SQL migrations compiled into a program."""

load("@rules_cc//cc:defs.bzl", "cc_library")
load("//bazel:copts.bzl", "MESH_COPTS")

def mesh_migrations(name, srcs, visibility = None):
    """Makes a C table of migrations (mesh/db/migrate.h).

    The library `name` has the header "PACKAGE/NAME.h", which declares
    `extern const mesh_migration NAME[];`.

    Args:
      name: name of the library and of the table.
      srcs: files NNNN_what.sql, numbered 0001, 0002, ... without a gap.
      visibility: as of every rule.
    """
    native.genrule(
        name = name + "_table",
        srcs = srcs,
        outs = [name + ".c", name + ".h"],
        cmd = "sh $(location //bazel:mesh_migrations.sh) %s $(RULEDIR) $(SRCS)" % name,
        tools = ["//bazel:mesh_migrations.sh"],
        message = "Numbering migrations of",
        visibility = ["//visibility:private"],
    )
    cc_library(
        name = name,
        srcs = [name + ".c"],
        hdrs = [name + ".h"],
        copts = MESH_COPTS + ["-I$(GENDIR)/" + native.package_name()],
        visibility = visibility,
        deps = ["//mesh/db:api"],
    )
