"""The C++ rules of batonstore."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def batonstore_cc_library(name, visibility = ["//:internal"], **kwargs):
    """A cc_library whose headers are included as "batonstore/<package>/<header>.h".

    Args:
      name: as in cc_library.
      visibility: batonstore's own packages, unless given.
      **kwargs: as in cc_library.
    """
    cc_library(
        name = name,
        include_prefix = "batonstore/" + native.package_name(),
        visibility = visibility,
        **kwargs
    )
