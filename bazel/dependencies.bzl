"""What batonstore needs, from Debian's packages, for workspaces without Bazel modules."""

load("//bazel:abseil.bzl", "debian_abseil")
load("//bazel:debian.bzl", "debian_repository")
load("//bazel:go.bzl", "installed_go", "optional_go")
load("//bazel:optional.bzl", "optional_libraries", "optional_library")

def _maybe(rule, name, **kwargs):
    if not native.existing_rule(name):
        rule(name = name, **kwargs)

def _maybe_optional_library(name, **kwargs):
    _maybe(optional_library, name, **kwargs)

def _maybe_optional_go(name, **kwargs):
    _maybe(optional_go, name, **kwargs)

def batonstore_dependencies():
    """Declares each repository that the calling WORKSPACE has not declared before."""
    _libraries()
    _test_libraries()
    optional_libraries(_maybe_optional_library)
    installed_go(_maybe_optional_go)
    _bazel_rules()

def _libraries():
    _maybe(debian_abseil, name = "abseil-cpp")
    _maybe(
        debian_repository,
        name = "boringssl",
        files = {"include/openssl": "/usr/include/android/openssl"},
        libraries = ["android/libcrypto.so.0"],
        overlay = {Label("//third_party:boringssl.BUILD"): "BUILD.bazel"},
        package = "android-libboringssl-dev",
    )
    _maybe(
        debian_repository,
        name = "lmdb",
        files = {"libraries/liblmdb/lmdb.h": "/usr/include/lmdb.h"},
        libraries = ["liblmdb.a"],
        overlay = {Label("//third_party:lmdb.BUILD"): "BUILD.bazel"},
        package = "liblmdb-dev",
    )
    _maybe(
        debian_repository,
        name = "cli11",
        files = {"include/CLI": "/usr/include/CLI"},
        overlay = {Label("//third_party:cli11.BUILD"): "BUILD.bazel"},
        package = "libcli11-dev",
    )
    _maybe(
        debian_repository,
        name = "nlohmann_json",
        files = {"include/nlohmann": "/usr/include/nlohmann"},
        overlay = {Label("//third_party:nlohmann_json.BUILD"): "BUILD.bazel"},
        package = "nlohmann-json3-dev",
    )
    _maybe(
        debian_repository,
        name = "sqlite3",
        files = {"include/sqlite3.h": "/usr/include/sqlite3.h"},
        libraries = ["libsqlite3.a"],
        overlay = {Label("//third_party:sqlite3.BUILD"): "BUILD.bazel"},
        package = "libsqlite3-dev",
    )

def _test_libraries():
    _maybe(
        debian_repository,
        name = "googletest",
        files = {
            "include/gmock": "/usr/include/gmock",
            "include/gtest": "/usr/include/gtest",
        },
        libraries = ["libgmock.a", "libgmock_main.a", "libgtest.a"],
        overlay = {Label("//third_party:googletest.BUILD"): "BUILD.bazel"},
        package = "libgtest-dev libgmock-dev",
    )
    _maybe(
        debian_repository,
        name = "google_benchmark",
        files = {"include/benchmark": "/usr/include/benchmark"},
        libraries = ["libbenchmark_main.a"],
        overlay = {Label("//third_party:google_benchmark.BUILD"): "BUILD.bazel"},
        package = "libbenchmark-dev",
    )
    _maybe(
        debian_repository,
        name = "rapidcheck",
        files = {
            "include/rapidcheck": "/usr/include/rapidcheck",
            "include/rapidcheck.h": "/usr/include/rapidcheck.h",
        },
        libraries = ["librapidcheck.a"],
        overlay = {Label("//third_party:rapidcheck.BUILD"): "BUILD.bazel"},
        package = "librapidcheck-dev",
    )

def _bazel_rules():
    # Bazel 4 would download these for its own toolchains and test runner. Debian's bazel-rules-cc is
    # too new for Debian's Bazel, so the two rule sets that we load are forwarded to the native rules.
    _maybe(
        debian_repository,
        name = "rules_cc",
        overlay = {
            Label("//third_party:native_rules.BUILD"): "cc/BUILD.bazel",
            Label("//third_party:rules_cc_defs.bzl"): "cc/defs.bzl",
        },
    )
    _maybe(
        debian_repository,
        name = "rules_shell",
        overlay = {
            Label("//third_party:native_rules.BUILD"): "shell/BUILD.bazel",
            Label("//third_party:rules_shell_sh_binary.bzl"): "shell/sh_binary.bzl",
            Label("//third_party:rules_shell_sh_test.bzl"): "shell/sh_test.bzl",
        },
    )
    _maybe(
        debian_repository,
        name = "remote_coverage_tools",
        overlay = {Label("//third_party:remote_coverage_tools.BUILD"): "BUILD.bazel"},
    )
    for name, package, path in [
        ("bazel_skylib", "bazel-skylib", "/usr/share/bazel/tools/skylib"),
        ("platforms", "bazel-platforms", "/usr/share/bazel/tools/platforms"),
        ("rules_java", "bazel-rules-java", "/usr/share/bazel/rules/java"),
        ("rules_proto", "bazel-rules-proto", "/usr/share/bazel/rules/proto"),
    ]:
        _maybe(native.local_repository, name = name, path = path)
