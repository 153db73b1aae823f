"""Libraries that only comparisons need (//benchmarks:peers): taken where they are installed."""

load("//bazel:debian.bzl", "debian_library_dir")

_LIBRARY = """\
cc_library(
    name = "{name}",
    hdrs = glob(["include/**"], allow_empty = True),
    includes = ["include"],
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
)
"""

def _optional_library_impl(repository_ctx):
    library_dir = debian_library_dir(repository_ctx)
    needed = repository_ctx.attr.headers.values() + [
        "{}/lib{}.so".format(library_dir, library)
        for library in repository_ctx.attr.libraries
    ]
    available = all([repository_ctx.path(path).exists for path in needed])
    if available:
        for path, source in repository_ctx.attr.headers.items():
            repository_ctx.symlink(source, "include/" + path)
    linkopts = ["-l" + library for library in repository_ctx.attr.libraries] + ["-pthread"]
    repository_ctx.file("BUILD.bazel", _LIBRARY.format(
        # A repository of a module extension has a longer name of its own.
        name = repository_ctx.attr.target,
        linkopts = repr(linkopts if available else []),
    ))
    repository_ctx.file("available.bzl", "AVAILABLE = {}\n".format(available))

optional_library = repository_rule(
    implementation = _optional_library_impl,
    attrs = {
        "headers": attr.string_dict(doc = "Path below include/ to file or folder of the system."),
        "libraries": attr.string_list(doc = "What to link: `leveldb` for libleveldb.so."),
        "target": attr.string(doc = "The cc_library's name.", mandatory = True),
    },
    doc = """Presents an installed library as @NAME//:TARGET.

    Where it is not installed that is an empty library. @NAME//:available.bzl has AVAILABLE, True or
    False, for a BUILD file to choose by.""",
    # Looks again whenever the Bazel server starts, so that a package installed since is noticed.
    local = True,
)

def optional_libraries(rule = optional_library):
    """Declares them all: by `rule`, which takes a name and the attributes above."""
    rule(
        name = "leveldb",
        headers = {"leveldb": "/usr/include/leveldb"},
        libraries = ["leveldb"],
        target = "leveldb",
    )
    rule(
        name = "rocksdb",
        headers = {"rocksdb": "/usr/include/rocksdb"},
        libraries = ["rocksdb"],
        target = "rocksdb",
    )
    rule(
        name = "hiredis",
        headers = {"hiredis": "/usr/include/hiredis"},
        libraries = ["hiredis"],
        target = "hiredis",
    )
    rule(
        name = "libpq",
        headers = {"postgresql": "/usr/include/postgresql"},
        libraries = ["pq"],
        target = "libpq",
    )
    rule(
        name = "libjwt",
        headers = {"jwt.h": "/usr/include/jwt.h"},
        libraries = [],  # loaded, not linked: libjwt_peer.cc says why
        target = "libjwt",
    )
