"""How the programs that batonstore is compared with are built."""

load("@installed_go//:available.bzl", "GO", "GOPATH")
load("@rules_cc//cc:defs.bzl", "cc_binary")
load("//bazel:go.bzl", "go_program")

def peer_binary(name, srcs, deps, available = True, missing = "", **kwargs):
    """A peer's program; without what it needs, one that says what is missing.

    Args:
      name: the peer's, as its program prints it.
      srcs: as in cc_binary.
      deps: as in cc_binary, but for the shared library :peer.
      available: whether all that it needs to be built is installed.
      missing: the Debian packages to install, separated by spaces.
      **kwargs: as in cc_binary.
    """
    cc_binary(
        name = name,
        testonly = True,
        srcs = srcs if available else ["missing.cc"],
        local_defines = [] if available else [
            'PEER=\\"{}\\"'.format(name),
            "'MISSING_PACKAGES=\"{}\"'".format(missing),  # one token, though with spaces
        ],
        deps = ([":peer"] + deps) if available else [],
        **kwargs
    )

def go_peer(name, srcs, available, missing, **kwargs):
    """The same of a peer in Go, which gets peer.go too.

    Args:
      name: as in peer_binary.
      srcs: the Go files of its own.
      available: as in peer_binary.
      missing: as in peer_binary.
      **kwargs: as in go_program.
    """
    if available:
        go_program(
            name = name,
            testonly = True,
            srcs = srcs + ["peer.go"],
            go = GO,
            gopath = GOPATH,
            installed = "@installed_go//:installed.txt",
            **kwargs
        )
    else:
        peer_binary(name, srcs = [], deps = [], available = False, missing = missing)
