"""@abseil-cpp as Debian installs it."""

load("//bazel:debian.bzl", "debian_library_dir", "debian_symlink")

# The registry's labels. All of them stand for one target: the headers lie in one folder, and the
# linker is given every shared library and keeps those that are needed.
_TARGETS = {
    "absl/algorithm": ["algorithm", "container"],
    "absl/base": ["base", "config", "core_headers", "dynamic_annotations", "log_severity"],
    "absl/cleanup": ["cleanup"],
    "absl/container": [
        "btree",
        "fixed_array",
        "flat_hash_map",
        "flat_hash_set",
        "inlined_vector",
        "node_hash_map",
        "node_hash_set",
    ],
    "absl/debugging": ["failure_signal_handler", "leak_check", "stacktrace", "symbolize"],
    "absl/flags": ["config", "flag", "marshalling", "parse", "reflection", "usage"],
    "absl/functional": ["any_invocable", "bind_front", "function_ref"],
    "absl/hash": ["hash", "hash_testing"],
    "absl/memory": ["memory"],
    "absl/meta": ["type_traits"],
    "absl/numeric": ["bits", "int128"],
    "absl/random": ["bit_gen_ref", "distributions", "random", "seed_sequences"],
    "absl/status": ["status", "statusor"],
    "absl/strings": ["cord", "str_format", "strings"],
    "absl/synchronization": ["synchronization"],
    "absl/time": ["time"],
    "absl/types": ["any", "compare", "optional", "span", "variant"],
    "absl/utility": ["utility"],
}

_BUILD = """\
cc_library(
    name = "abseil",
    hdrs = glob(["include/absl/**/*.h", "include/absl/**/*.inc"]),
    includes = ["include"],
    linkopts = [
        "-Wl,--push-state,--as-needed",
        {libraries},
        "-Wl,--pop-state",
        "-pthread",
    ],
    visibility = ["//:__subpackages__"],
)
"""

_ALIAS = """\
alias(
    name = "{}",
    actual = "//:abseil",
    visibility = ["//visibility:public"],
)
"""

def _debian_abseil_impl(repository_ctx):
    debian_symlink(repository_ctx, "/usr/include/absl", "include/absl", "libabsl-dev")
    libraries = [
        '"-l{}"'.format(file.basename[len("lib"):-len(".so")])
        for file in repository_ctx.path(debian_library_dir(repository_ctx)).readdir()
        if file.basename.startswith("libabsl_") and file.basename.endswith(".so")
    ]
    repository_ctx.file("BUILD.bazel", _BUILD.format(libraries = ",\n        ".join(sorted(libraries))))
    for package, names in _TARGETS.items():
        repository_ctx.file(
            package + "/BUILD.bazel",
            "\n".join([_ALIAS.format(name) for name in names]),
        )

debian_abseil = repository_rule(
    implementation = _debian_abseil_impl,
    doc = "Presents Debian's libabsl-dev under the registry's labels.",
    local = True,
)
