"""For Bazel with modules: what bazel/dependencies.bzl declares beyond the registry's modules."""

load("//bazel:optional.bzl", "optional_libraries")

def _peer_libraries_impl(_):
    optional_libraries()

peer_libraries = module_extension(
    implementation = _peer_libraries_impl,
    doc = "The libraries of //benchmarks/peers that may be missing.",
)
