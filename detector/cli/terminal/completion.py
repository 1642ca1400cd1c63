"""`hoopoe completion SHELL`: what a shell runs to complete commands, options and files by the Tab key."""

from __future__ import annotations

import argparse

from detector.cli.terminal import exit_codes

EXAMPLES = (
    'eval "$(hoopoe completion bash)"      # in ~/.bashrc; zsh: likewise in ~/.zshrc',
    "hoopoe completion fish > ~/.config/fish/completions/hoopoe.fish",
    "hoopoe completion powershell >> $PROFILE",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `hoopoe completion`."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "powershell"), help="yours")


def run(args: argparse.Namespace) -> int:
    """Print the lines."""
    import argcomplete

    print(argcomplete.shellcode(["hoopoe"], shell=args.shell))
    return exit_codes.DONE
