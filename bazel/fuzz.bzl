"""Fuzzers: each one a program of libFuzzer's, by hand, and a short test that runs everywhere."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

def fuzz_test(name, srcs, deps, runs):
    """A test that replays a seed corpus and mutates it, and the same code for libFuzzer.

    X_fuzzer_test is the test, and X_fuzzer the program, which needs clang:
      ./bazelw run --config=fuzz //PACKAGE:X_fuzzer -- -max_total_time=600 -timeout=10

    The corpus is the folder corpora/X_fuzzer. It was begun, and is begun anew when the format
    changes, by
      ./bazelw run //PACKAGE:X_fuzzer_test -- --write-seeds=$PWD/PACKAGE/corpora/X_fuzzer
    An input that has found something is added to it, under a name that says what it was.

    Args:
      name: ends with "_fuzzer_test".
      srcs: define what tests/support/fuzz_target.h declares.
      deps: theirs.
      runs: how many mutations the test tries: some five seconds of them.
    """
    fuzzer = name[:-len("_test")]
    corpus = "corpora/" + fuzzer
    target = fuzzer + "_target"
    cc_library(
        name = target,
        testonly = True,
        srcs = srcs,
        alwayslink = True,
        deps = deps + ["//tests/support:fuzz_target"],
    )
    cc_binary(
        name = fuzzer,
        testonly = True,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],  # needs clang
        deps = [
            target,
            "//tests/support:libfuzzer_entry",
        ],
    )
    cc_test(
        name = name,
        size = "medium",
        args = [
            "--corpus={}/{}".format(native.package_name(), corpus),
            "--runs={}".format(runs),
        ],
        data = native.glob([corpus + "/*"]),
        tags = ["no-tsan"],  # they do not look for races
        deps = [
            target,
            "//tests/support:fuzz_driver",
        ],
    )
