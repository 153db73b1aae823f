#!/bin/bash
# Breaks batonstore's promises one by one, each in a copy of the workspace, and requires that the
# test that is named beside it notices.
#
#   bazel run //tests/mutants:run
#
#   --jobs=J         so many copies at a time, each with a Bazel of its own; by default 1
#   --only=NAME,...  these mutants only: patches/NAME.patch
#   --fresh          forgets earlier results. Otherwise a mutant that was killed is not run again
#                    for as long as neither the sources nor its patch change (--resume, the default)
#   --cache=FOLDER   where copies, results and Bazel's outputs are kept from run to run; by default
#                    below ~/.cache
#
# First the tests must pass on a copy that nobody has broken. A mutant that does not apply, does not
# build or hangs without having said so is broken, which is as bad as one that survives.
set -euo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
source "$here/patches.sh"

readonly bazel_flags=(--symlink_prefix=/ --color=no --curses=no --noshow_progress)
readonly most_seconds=$((60 * 60)) # of one Bazel

die() {
  echo "mutants: $*" >&2
  exit 1
}

# ---- Copies and their Bazels ----

# Bazel's paths cannot have a space.
default_cache() {
  local folder=${XDG_CACHE_HOME:-${HOME:-/nowhere}/.cache}
  if [[ $folder == *[[:space:]]* ]] || ! mkdir -p "$folder" 2>/dev/null; then
    folder=/var/tmp/batonstore-$EUID
  fi
  echo "$folder/batonstore-mutants/$(sha256sum <<<"$workspace" | cut -c 1-16)"
}

# The workspace as it is now: what is changed in it meanwhile changes nothing here.
take_snapshot() {
  rm -rf "$cache/tree"
  mkdir "$cache/tree"
  tar -C "$workspace" --dereference --exclude=./.git --exclude=./.cache --exclude='./bazel-*' \
    -cf - . | tar -C "$cache/tree" -xf -
  tree_key=$(
    cd "$cache/tree"
    find . -type f -not -path './tests/mutants/*' -not -name '*.md' -not -name user.bazelrc \
      -print0 | sort -z | xargs -0 sha256sum | sha256sum
  )
}

fresh_copy() {
  local copy=$cache/copy-$1
  mkdir -p "$copy"
  find "$copy" -mindepth 1 -delete
  cp -a "$cache/tree/." "$copy"
}

# bazel_in SLOT FLAG...: bazel test. What goes back to how it was comes out of a disk cache, the
# user's or one of our own.
bazel_in() {
  local own_cache=()
  grep -qs -e --disk_cache "$cache/tree/user.bazelrc" ~/.bazelrc ||
    own_cache=(--disk_cache="$cache/disk")
  cd "$cache/copy-$1"
  timeout --foreground --signal=INT --kill-after=60 "$most_seconds" \
    ./bazelw --output_base="$cache/base-$1" --max_idle_secs=60 test "${bazel_flags[@]}" \
    "${own_cache[@]}" --test_output=errors "${@:2}" \
    </dev/null 8>&- # else the server, which lives on, keeps the lock
}

# ---- Before anything is broken ----

# check_unbroken NAME...: one run for all filters, and one for each test that is given other
# arguments.
check_unbroken() {
  local name target arguments filters="" flags
  local -A filtered=() others=()
  for name; do
    read -r target arguments <<<"$(header "$patches/$name.patch" Test)"
    if [[ $arguments == --gtest_filter=* && $arguments != *\ * ]]; then
      filtered[$target]=1
      filters+=:${arguments#*=}
    else
      others["$target $arguments"]=1
    fi
  done
  fresh_copy 1
  if ((${#filtered[@]} > 0)); then
    (bazel_in 1 --keep_going --test_arg="--gtest_filter=${filters#:}" "${!filtered[@]}") || return 1
  fi
  for arguments in "${!others[@]}"; do
    read -r target arguments <<<"$arguments"
    flags_of "$arguments"
    (bazel_in 1 "${flags[@]}" "$target") || return 1
  done
}

# Fills `flags`.
flags_of() {
  read -r -a flags <<<"$1"
  flags=("${flags[@]/#/--test_arg=}")
}

# ---- One by one ----

# killer_in LOG TARGET: the test that failed first, or in which the process died, or else the target.
killer_in() {
  sed -n '/^\[  FAILED  \] /{s///;s/[ ,].*//;p;q}' "$1" | grep . ||
    sed -n 's/^\[ RUN      \] //p' "$1" | tail -n 1 | grep . || echo "$2"
}

# judge PATCH SLOT LOG: prints "killed by ...", "survived", or "broken: why".
judge() {
  local target arguments hangs flags status=0
  read -r target arguments <<<"$(header "$1" Test)"
  flags_of "$arguments"
  hangs=$(header "$1" Hangs)
  [[ -z $hangs ]] || flags+=(--test_timeout="$hangs")
  if ! apply "$1" "$cache/copy-$2" >"$3" 2>&1; then
    echo "broken: the patch does not apply"
    return
  fi
  # Nobody else has a use for what is built of a mutant: it stays out of the disk cache.
  (bazel_in "$2" --noremote_upload_local_results "${flags[@]}" "$target") >"$3" 2>&1 || status=$?
  if ((status == 0)); then
    echo "survived"
  elif ((status != 3)); then
    echo "broken: Bazel ended with status $status"
  elif ! grep -qE "^$target +TIMEOUT" "$3"; then
    echo "killed by $(killer_in "$3" "$target")"
  elif [[ -n $hangs ]]; then
    echo "killed by $(killer_in "$3" "$target"), which hung"
  else
    echo "broken: the test hung"
  fi
}

key_of() {
  sha256sum - "$1" <<<"$tree_key" | sha256sum | cut -c 1-32
}

# run_mutant NAME SLOT
run_mutant() {
  local patch=$patches/$1.patch log=$cache/logs/$1.log begun=$SECONDS outcome file
  outcome=$(judge "$patch" "$2" "$log")
  while read -r file; do
    cp -a "$cache/tree/$file" "$cache/copy-$2/$file"
  done < <(patched_files "$patch")
  # A line each, written at once: other jobs write there, too.
  printf '%s %s %s\n' "$(key_of "$patch")" "$1" "$outcome" >>"$cache/results"
  printf '%-40s %4d s  %s\n' "$1" $((SECONDS - begun)) "$outcome"
}

next_mutant() {
  (
    flock 9
    head -n 1 "$cache/queue"
    sed -i 1d "$cache/queue"
  ) 9>"$cache/queue.lock"
}

# work SLOT: one job.
work() {
  local name
  # The first copy is there already.
  (($1 == 1)) || fresh_copy "$1"
  while name=$(next_mutant) && [[ -n $name ]]; do
    run_mutant "$name" "$1"
  done
}

outcome_of() {
  grep "^$(key_of "$patches/$1.patch") " "$cache/results" | tail -n 1 | cut -d ' ' -f 3-
}

# report NAME...: ends the program.
report() {
  local name outcome killed=0 survived=0 broken=0
  for name; do
    outcome=$(outcome_of "$name" || true)
    case $outcome in
      killed*) ((++killed)) ;;
      survived)
        ((++survived))
        echo "--- $name survived:"
        cat "$patches/$name.patch"
        ;;
      *)
        ((++broken))
        echo "--- $name is ${outcome:-broken: it was not run}; the end of $cache/logs/$name.log:"
        tail -n 20 "$cache/logs/$name.log" 2>/dev/null || true
        ;;
    esac
  done
  if ((killed == $#)); then
    echo "mutants: ok total=$# killed=$killed survived=0"
    exit 0
  fi
  echo "mutants: FAILED total=$# killed=$killed survived=$survived broken=$broken"
  exit 1
}

main() {
  local jobs=1 only="" is_fresh=false argument name names=() pending=() slot
  workspace=${BUILD_WORKSPACE_DIRECTORY:?run it by: bazel run //tests/mutants:run}
  cache=$(default_cache)
  for argument; do
    case $argument in
      --jobs=*) jobs=${argument#*=} ;;
      --only=*) only=${argument#*=} ;;
      --fresh) is_fresh=true ;;
      --resume) is_fresh=false ;;
      --cache=*) cache=$(realpath -m "${argument#*=}") ;;
      *) die "there is no flag $argument" ;;
    esac
  done
  [[ $jobs =~ ^[1-9][0-9]*$ ]] || die "--jobs is 1 or more"
  mkdir -p "$cache/logs"
  exec 8>"$cache/lock"
  flock --nonblock 8 || die "another run is under way in $cache"
  touch "$cache/results"
  ! $is_fresh || : >"$cache/results"

  take_snapshot
  patches=$cache/tree/tests/mutants/patches
  if [[ -n $only ]]; then
    IFS=, read -r -a names <<<"$only"
  else
    mapfile -t names < <(cd "$patches" && printf '%s\n' *.patch | sed 's/\.patch$//')
  fi
  for name in "${names[@]}"; do
    [[ -e $patches/$name.patch ]] || die "there is no mutant $name"
    [[ $(outcome_of "$name" || true) == killed* ]] || pending+=("$name")
  done
  echo "mutants: ${#pending[@]} of ${#names[@]} to run, in $cache"
  if ((${#pending[@]} > 0)); then
    if ! check_unbroken "${pending[@]}" >"$cache/unbroken.log" 2>&1; then
      tail -n 60 "$cache/unbroken.log"
      echo "mutants: a test fails although nothing is broken; all of $cache/unbroken.log says why"
      echo "mutants: FAILED total=${#names[@]} killed=$((${#names[@]} - ${#pending[@]}))" \
        "survived=0 broken=${#pending[@]}"
      exit 1
    fi
    echo "mutants: unbroken, every test passes; $SECONDS s"
    printf '%s\n' "${pending[@]}" >"$cache/queue"
    # Jobs in the background do not hear it themselves.
    trap 'kill $(jobs -p) 2>/dev/null || true; exit 130' INT TERM
    for ((slot = 1; slot <= jobs; ++slot)); do
      work "$slot" &
    done
    wait
    echo "mutants: $SECONDS s with --jobs=$jobs"
  fi
  report "${names[@]}"
}

main "$@"
