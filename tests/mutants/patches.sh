# shellcheck shell=bash
# What a mutant's patch says about itself, for those that read it. Its first lines are
#
#   Breaks: the promise, in one line
#   Test: the target that must fail, and its arguments
#   Hangs: after so many seconds the test counts as failed     (only if the mutant makes it hang)
#
# and then comes what `patch -p1` and `git apply` take.

# header PATCH NAME: the value of that line of the header.
header() {
  local line
  while read -r line && [[ $line != "--- "* ]]; do
    [[ $line != "$2: "* ]] || echo "${line#"$2: "}"
  done <"$1"
}

# The files that a patch changes.
patched_files() {
  sed -n 's|^+++ b/||p' "$1"
}

# apply PATCH FOLDER [OPTION...]: no fuzz, since a promise must not be broken in another place than
# the one that was meant.
apply() {
  patch --strip=1 --fuzz=0 --force --silent --no-backup-if-mismatch --reject-file=- \
    --directory="$2" "${@:3}" <"$1"
}
