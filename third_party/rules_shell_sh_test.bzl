"""rules_shell for a Bazel that has its rules built in."""

sh_test = native.sh_test
