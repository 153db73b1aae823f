"""How the programs that batonstore is compared with are built."""

load("@rules_cc//cc:defs.bzl", "cc_binary")

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
            'MISSING_PACKAGES=\\"{}\\"'.format(missing),
        ],
        deps = ([":peer"] + deps) if available else [],
        **kwargs
    )
