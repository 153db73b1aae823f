#!/usr/bin/env python3
"""Writes compile_commands.json, for clangd and clang-tidy, from Bazel's own compile actions.

    ./bazelw build //... && bazel/compile_commands.py
"""

import json
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GCC_ONLY = {"-fno-canonical-system-headers"}


def bazel(*arguments):
    return subprocess.run(
        [os.path.join(ROOT, "bazelw"), *arguments],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def command(arguments, execution_root):
    source = arguments[arguments.index("-c") + 1]
    return {
        "directory": execution_root,
        "file": os.path.join(ROOT, source),
        "arguments": [a for a in arguments if a not in GCC_ONLY] + ["-Wno-unknown-warning-option"],
    }


def main():
    execution_root = bazel("info", "execution_root").decode().strip()
    actions = json.loads(bazel(
        "aquery", "--output=jsonproto", "mnemonic(CppCompile, //...)"))["actions"]
    commands = [command(action["arguments"], execution_root) for action in actions]
    with open(os.path.join(ROOT, "compile_commands.json"), "w", encoding="utf-8") as file:
        json.dump(commands, file, indent=1)
    print(f"compile_commands.json: {len(commands)} files")


if __name__ == "__main__":
    main()
