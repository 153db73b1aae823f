"""rules_shell for a Bazel that has its rules built in."""

sh_binary = native.sh_binary
