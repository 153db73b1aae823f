"""Go, which only comparisons need (//benchmarks:peers): taken where it is installed."""

_GOPATH = "/usr/share/gocode"  # where Debian's packages put their sources

def _installed_version(repository_ctx, package):
    result = repository_ctx.execute(["dpkg-query", "--show", "--showformat=${Version}", package])
    return result.stdout.strip() if result.return_code == 0 else ""

def _optional_go_impl(repository_ctx):
    go = repository_ctx.which("go")
    version = repository_ctx.execute([go, "version"]).stdout.strip() if go else ""
    lines = ["GO = {}".format(repr(str(go or ""))), "GOPATH = {}".format(repr(_GOPATH))]
    lines.append("AVAILABLE = {}".format(bool(version)))
    for name, package in repository_ctx.attr.packages.items():
        source = "{}/src/{}".format(_GOPATH, package)
        lines.append("{} = {}".format(name, repository_ctx.path(source).exists))
    for name, package in repository_ctx.attr.versions.items():
        lines.append("{} = {}".format(name, repr(_installed_version(repository_ctx, package))))
    repository_ctx.file("available.bzl", "\n".join(lines) + "\n")

    # An input of every program, so that all are built anew with another compiler or other sources.
    repository_ctx.file("installed.txt", "\n".join([version] + lines) + "\n")
    repository_ctx.file("BUILD.bazel", 'exports_files(["installed.txt"])\n')

optional_go = repository_rule(
    implementation = _optional_go_impl,
    attrs = {
        "packages": attr.string_dict(doc = "A name for each Go package that may be installed."),
        "versions": attr.string_dict(doc = "A name for the version of each Debian package."),
    },
    doc = "Says in @NAME//:available.bzl which Go there is, and which packages.",
    # Looks again whenever the Bazel server starts, so that what was installed since is noticed.
    local = True,
)

def installed_go(rule = optional_go):
    """Declares @installed_go, by `rule`, which takes a name and the attributes above."""
    rule(
        name = "installed_go",
        packages = {"BBOLT": "go.etcd.io/bbolt", "CURVE25519": "golang.org/x/crypto/curve25519"},
        versions = {
            "BBOLT_VERSION": "golang-github-coreos-bbolt-dev",
            "CRYPTO_VERSION": "golang-golang-x-crypto-dev",
        },
    )

def _go_program_impl(ctx):
    program = ctx.actions.declare_file(ctx.label.name)
    flags = ["-X main.{}={}".format(name, value) for name, value in ctx.attr.variables.items()]
    ctx.actions.run_shell(
        inputs = ctx.files.srcs + [ctx.file.installed],
        outputs = [program],
        command = """
            set -eu
            go=$1 output=$2 flags=$3
            shift 3
            export GOCACHE=$(mktemp -d)
            trap 'rm -rf "$GOCACHE"' EXIT
            "$go" build -trimpath -ldflags "$flags" -o "$output" "$@"
        """,
        arguments = [ctx.attr.go, program.path, " ".join(flags)] + [f.path for f in ctx.files.srcs],
        env = {"CGO_ENABLED": "0", "GO111MODULE": "off", "GOPATH": ctx.attr.gopath},
        mnemonic = "GoBuild",
    )
    return [DefaultInfo(executable = program, runfiles = ctx.runfiles([program]))]

go_program = rule(
    implementation = _go_program_impl,
    attrs = {
        "go": attr.string(doc = "The compiler.", mandatory = True),
        "gopath": attr.string(doc = "Where the packages are that it imports.", mandatory = True),
        "installed": attr.label(
            doc = "What says which compiler and packages these are.",
            allow_single_file = True,
            mandatory = True,
        ),
        "srcs": attr.label_list(doc = "All of package main.", allow_files = [".go"]),
        "variables": attr.string_dict(doc = "Strings of package main, to the values they get."),
    },
    doc = "A program in Go, of sources of ours and packages that are installed.",
    executable = True,
)
