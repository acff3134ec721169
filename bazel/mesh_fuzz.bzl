"""Fuzz targets."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")
load("//bazel:copts.bzl", "MESH_COPTS")

def mesh_fuzz_test(name, deps, srcs = None, hdrs = [], linkopts = [], data = [], seeds = [], memory = False):
    """Makes a fuzz target of NAME.c, which has the function of tests/fuzz/fuzz.h.

    The files of NAME_corpus/ are its corpus: seeds, and inputs that crashed it once.
      :NAME       runs it with libFuzzer: scripts/fuzz --only NAME
      :NAME_test  runs it on its corpus, with any compiler
      :NAME_lib   for other tests

    Args:
      name: ends in _fuzz.
      deps: as of cc_library, all but //tests/fuzz.
      srcs: default: NAME.c.
      hdrs: as of cc_library.
      linkopts: as of cc_library.
      data: what it reads.
      seeds: more corpus: generated files, whose names begin with NAME_corpus/.
      memory: whether the test lets every allocation fail in turn, too; the target must bear it.
    """
    corpus = native.glob([name + "_corpus/*"]) + seeds
    cc_library(
        name = name + "_lib",
        testonly = True,
        srcs = srcs or [name + ".c"],
        hdrs = hdrs,
        copts = MESH_COPTS,
        linkopts = linkopts,
        alwayslink = True,
        deps = deps + ["//tests/fuzz"],
    )
    cc_test(
        name = name + "_test",
        size = "small",
        args = (["--memory"] if memory else []) + ["$(rootpaths %s)" % label if label in seeds else "$(rootpath %s)" % label for label in corpus],
        data = corpus + data,
        deps = [
            ":" + name + "_lib",
            "//tests/fuzz:replay",
        ],
    )
    cc_binary(
        name = name,
        testonly = True,
        data = corpus + data,
        linkopts = ["-fsanitize=fuzzer"],
        tags = [
            "fuzz",
            "manual",
        ],
        deps = [":" + name + "_lib"],
    )
