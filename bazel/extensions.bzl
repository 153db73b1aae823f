"""For Bazel with modules: what bazel/dependencies.bzl declares beyond the registry's modules."""

load("//bazel:go.bzl", "installed_go")
load("//bazel:optional.bzl", "optional_libraries")

def _peer_libraries_impl(_):
    optional_libraries()
    installed_go()

peer_libraries = module_extension(
    implementation = _peer_libraries_impl,
    doc = "The libraries, and the Go, of //benchmarks/peers that may be missing.",
)
