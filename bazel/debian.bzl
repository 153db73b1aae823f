"""Repositories made of files that Debian's packages have installed."""

def debian_library_dir(repository_ctx):
    """Returns the folder of the machine's libraries, such as /usr/lib/aarch64-linux-gnu."""
    result = repository_ctx.execute(["gcc", "-print-multiarch"])
    multiarch = result.stdout.strip()
    if result.return_code != 0 or not multiarch:
        fail("cannot tell the machine's library folder: gcc -print-multiarch failed. " +
             "Run ./bazelw once, or: apt-get install build-essential")
    return "/usr/lib/" + multiarch

def debian_symlink(repository_ctx, source, path, package):
    """Links `path` in the repository to the system's `source`, a part of the Debian `package`."""
    if not repository_ctx.path(source).exists:
        fail("@{}: {} is missing. Run ./bazelw once, or: apt-get install {}".format(
            repository_ctx.name,
            source,
            package,
        ))
    repository_ctx.symlink(source, path)

def _debian_repository_impl(repository_ctx):
    library_dir = debian_library_dir(repository_ctx) if repository_ctx.attr.libraries else ""
    for path, source in repository_ctx.attr.files.items():
        debian_symlink(repository_ctx, source, path, repository_ctx.attr.package)
    for library in repository_ctx.attr.libraries:
        debian_symlink(
            repository_ctx,
            library_dir + "/" + library,
            "lib/" + library,
            repository_ctx.attr.package,
        )
    for label, path in repository_ctx.attr.overlay.items():
        repository_ctx.template(path, label, {"%{library_dir}": library_dir})

debian_repository = repository_rule(
    implementation = _debian_repository_impl,
    attrs = {
        "files": attr.string_dict(doc = "Path in the repository to file or folder of the system."),
        "libraries": attr.string_list(
            doc = "Files of the machine's library folder, to be found in lib/.",
        ),
        "overlay": attr.label_keyed_string_dict(
            doc = "Our files to their path in the repository; %{library_dir} is filled in.",
            allow_files = True,
        ),
        "package": attr.string(doc = "The Debian package to name when a file is missing."),
    },
    doc = "Presents installed files under the labels that the Bazel Central Registry uses.",
    # Looks again whenever the Bazel server starts, so that an upgraded package is noticed.
    local = True,
)
