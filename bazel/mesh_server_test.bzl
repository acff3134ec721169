"""Tests that speak to a server, once for each transport."""

load("@rules_cc//cc:defs.bzl", "cc_library", "cc_test")

def mesh_server_test(name, srcs, copts, deps, linkopts = [], **kwargs):
    """Makes NAME, whose servers are on the gRPC C core, and NAME_h2, the same program on nghttp2.

    Args:
      name: ends in _test.
      srcs: as of cc_test; compiled once.
      copts: the same.
      deps: the same.
      linkopts: the same.
      **kwargs: what else cc_test takes.
    """
    cc_library(
        name = name + "_lib",
        testonly = True,
        srcs = srcs,
        copts = copts,
        linkopts = linkopts,
        visibility = ["//visibility:private"],
        alwayslink = True,
        deps = deps,
    )
    for suffix, transport in [("", "core"), ("_h2", "h2")]:
        cc_test(
            name = name + suffix,
            env = {"MESH_SERVER": transport},
            deps = [":" + name + "_lib"],
            **kwargs
        )
