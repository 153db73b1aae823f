#!/bin/bash
# Every patch says what it breaks and who must notice, still applies, and names a test that exists.
# That the test notices is for `bazel run //tests/mutants:run` to show.
set -euo pipefail

here=tests/mutants
source "$here/patches.sh"

readonly fewest=50
failures=0
patch=""
declare -A texts # of the tests, without line ends

fail() {
  echo "FAILED: $patch: $*"
  ((++failures))
}

# check_header NAME PATTERN: one line, of that form.
check_header() {
  [[ $(header "$patch" "$1") =~ ^$2$ ]] || fail "one line '$1: ...' must match $2"
}

# That the target exists, and each test that its filter names.
check_test() {
  local target arguments package name test tests
  read -r target arguments <<<"$(header "$patch" Test)"
  package=${target%:*}
  package=${package#//}
  name=${target#*:}
  if ! grep -qs "name = \"$name\"" "$package/BUILD.bazel"; then
    fail "there is no $target"
    return
  fi
  [[ $arguments == --gtest_filter=* ]] || return 0
  if [[ -z ${texts[$target]:-} ]]; then
    texts[$target]=$(tr -s '\n ' ' ' <"$package/$name.cc")
  fi
  IFS=: read -r -a tests <<<"${arguments#*=}"
  for test in "${tests[@]}"; do
    test=${test#\*/} # of one with parameters: */Suite.Name/*
    test=${test%/\*}
    [[ ${texts[$target]} == *"(${test%.*}, ${test#*.})"* ||
      ${texts[$target]} == *"(${test%.*}, ${test#*.},"* ]] || fail "$target has no test $test"
  done
}

check_files() {
  local files file
  mapfile -t files < <(patched_files "$patch")
  ((${#files[@]} > 0)) || fail "it changes no file"
  for file in "${files[@]}"; do
    [[ $file == *.cc || $file == *.h ]] || fail "it changes $file"
    [[ $file != tests/* ]] || fail "it changes a test"
  done
}

copy=$TEST_TMPDIR/tree
mkdir "$copy"
cp -RL base crypto integrations recovery store "$copy"

patches=("$here"/patches/*.patch)
for patch in "${patches[@]}"; do
  [[ $patch =~ /[a-z0-9_]+\.patch$ ]] || fail "a name is of small letters"
  check_header Breaks '[^[:cntrl:]]{10,100}'
  check_header Test '//[a-z0-9_/]+:[a-z0-9_]+( --[^[:space:]]+)*'
  [[ -z $(header "$patch" Hangs) ]] || check_header Hangs '[1-9][0-9]*'
  check_test
  check_files
  apply "$patch" "$copy" --dry-run || fail "it does not apply"
done

echo "${#patches[@]} mutants, $failures failures"
if ((${#patches[@]} < fewest)); then
  echo "FAILED: $fewest mutants were promised"
  exit 1
fi
((failures == 0))
