#!/bin/bash
# Builds and runs examples/consumer with a Bazel of its own, as someone who uses batonstore would.
set -euo pipefail

clone=$(dirname "$(realpath WORKSPACE)")
copy=$TEST_TMPDIR/clone
mkdir "$copy"
cd "$clone"
cp -R BUILD.bazel MODULE.bazel WORKSPACE base bazel crypto examples recovery store third_party "$copy"
cd "$copy/examples/consumer"

# No user's .bazelrc, no server left behind, and nothing written outside the test's folder.
HOME=$TEST_TMPDIR bazel --nohome_rc --batch --output_user_root="$TEST_TMPDIR/bazel" \
  run --symlink_prefix=/ --color=no --curses=no //:consumer -- "$TEST_TMPDIR/store" | tee "$TEST_TMPDIR/output"
grep --quiet "is alice's" "$TEST_TMPDIR/output"
grep --quiet "to a thief: WRONG_PRINCIPAL" "$TEST_TMPDIR/output"
