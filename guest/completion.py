"""Scripts by which shells complete the commands and options of an argparse parser.

They are lists of words, written anew from the parser each time, and hold nothing that runs this
program. Values that are one of a few are completed, others are left to the shell: files, mostly.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """An option of a command.

    Attributes:
        flags: its spellings.
        takes_value: whether a value follows.
        choices: what the value may be; empty for anything.
    """

    flags: tuple[str, ...]
    takes_value: bool
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Attributes:
        name: as it is typed.
        summary: one line.
        options: of the command.
        choices: what its arguments may be; empty for anything.
    """

    name: str
    summary: str
    options: tuple[Word, ...]
    choices: tuple[str, ...]


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """The script for one of ``bash``, ``zsh`` and ``fish``."""
    commands = list(_commands(parser))
    if shell == "fish":
        return _fish(parser.prog, commands)
    opening = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return opening + _bash(parser.prog, commands)


def _commands(parser: argparse.ArgumentParser) -> Iterator[Command]:
    for action in parser._actions:  # noqa: SLF001  (argparse shows its actions in no other way)
        if not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  (as above)
            continue
        summaries = {each.dest: each.help or "" for each in action._choices_actions}  # noqa: SLF001  (as above)
        for name, command in action.choices.items():
            actions = command._actions  # noqa: SLF001  (as above)
            options = tuple(_word(each) for each in actions if each.option_strings)
            choices = tuple(
                str(choice)
                for each in actions
                if not each.option_strings
                for choice in each.choices or ()
            )
            yield Command(name, summaries[name], options, choices)


def _word(action: argparse.Action) -> Word:
    choices = tuple(str(choice) for choice in action.choices or ())
    return Word(tuple(action.option_strings), action.nargs != 0, choices)


def _bash(program: str, commands: list[Command]) -> str:
    name = f"_{program.replace('-', '_')}"
    cases = "".join(_bash_case(command) for command in commands)
    return f"""{name}() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=( $(compgen -W "{" ".join(each.name for each in commands)} --help" -- "$word") )
    return
  fi
  case ${{COMP_WORDS[1]}} in
{cases}    *) return ;;
  esac
  COMPREPLY=( $(compgen -W "$words" -- "$word") )
}}
complete -o default -F {name} {program}
"""


def _bash_case(command: Command) -> str:
    lines = [f"    {command.name})"]
    valued = [each for each in command.options if each.takes_value]
    if valued:
        lines.append("      case $before in")
        free = [flag for each in valued if not each.choices for flag in each.flags]
        lines += [f"        {'|'.join(free)}) return ;;"] if free else []
        lines += [
            f'        {"|".join(each.flags)}) words="{" ".join(each.choices)}" ;;'
            for each in valued
            if each.choices
        ]
        lines += [f'        *) words="{_all_words(command)}" ;;', "      esac ;;"]
    else:
        lines.append(f'      words="{_all_words(command)}" ;;')
    return "".join(f"{line}\n" for line in lines)


def _all_words(command: Command) -> str:
    flags = [flag for each in command.options for flag in each.flags]
    return " ".join((*command.choices, *flags))


def _fish(program: str, commands: list[Command]) -> str:
    names = " ".join(each.name for each in commands)
    lines = [f"complete -c {program} -f -n 'not __fish_seen_subcommand_from {names}' -a '{names}'"]
    for command in commands:
        start = f"complete -c {program} -n '__fish_seen_subcommand_from {command.name}'"
        lines += [f"{start} {_fish_option(each)}" for each in command.options]
        if command.choices:
            lines.append(f"{start} -f -a '{' '.join(command.choices)}'")
    return "".join(f"{line}\n" for line in lines)


def _fish_option(word: Word) -> str:
    spelled = [
        f"-l {flag.removeprefix('--')}" if flag.startswith("--") else f"-s {flag[1:]}"
        for flag in word.flags
    ]
    value = ["-r"] if word.takes_value else []
    choices = ["-f", "-a", f"'{' '.join(word.choices)}'"] if word.choices else []
    return " ".join((*spelled, *value, *choices))
