"""Every command has a help text, and the examples in it run as they are written."""

import re
import shlex
import sqlite3
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.channels.wire import self_client_code
from tests.cli.conftest import CLIENT, Answer, Built, Run
from tests.params import choice
from tests.worker.conftest import Listener
from zoho_pipeline.channels.registry.platform_tables import writebacks
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.cli import main
from zoho_pipeline.settings import load_settings
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES, NOTIFICATION_SCOPES, WRITE_BACK_SCOPES

NEED_A_PERSON = ("connect", "dashboard", "demo", "simulator")
"""Commands that open a browser or run until Ctrl-C. This test only checks the arguments of their examples."""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """The path and the command of each command below a group."""
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
        else:
            found.append(((*path, name), command))
    return found


def examples() -> list[str]:
    """Every line of the help texts that starts with the program, joined with the lines that continue it."""
    found: list[str] = []
    for _, command in commands(main):
        text = (command.help or "").split("Example", 1)[1]
        lines = re.sub(r"\\\n\s+", "", text).splitlines()
        found += [line.strip() for line in lines if line.strip().startswith("zoho-pipeline ")]
    return found


@pytest.mark.parametrize(("path", "command"), commands(main), ids=lambda value: str(value))
def test_every_command_has_help_with_an_example(path: tuple[str, ...], command: click.Command) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert f"zoho-pipeline {' '.join(path)}" in (command.help or "").split("Example", 1)[1]
    undescribed = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert not undescribed


@pytest.mark.parametrize("group", [(), ("channels",), ("content",)])
def test_no_short_help_is_cut_off_at_eighty_columns(group: tuple[str, ...]) -> None:
    listed = CliRunner().invoke(main, [*group, "--help"], terminal_width=80).output.split("Commands:")[1]
    assert "..." not in listed


def test_no_command_shows_help_and_exits_2(run: Run) -> None:
    answer = run()
    assert answer.code == 2
    assert "Commands:" in answer.err


def write_files(built: Built, example: str) -> None:
    """Write the files that an example names to the working folder."""
    # A user keeps 20 refresh tokens at Zoho, and a new one replaces the oldest.
    if "token.txt" in example:
        Path("token.txt").write_text(built.org.grant(*CLIENT, DEFAULT_SCOPES) + "\n")
    if "code.txt" in example:
        Path("code.txt").write_text(self_client_code(built.simulator, built.org).reveal() + "\n")
    Path("fields.json").write_text('{"utm_source": "UTM_Source1"}')
    Path("sources.csv").write_text("raw_value,lead_source\nPartner,Partners\n")
    row = ("c1", "blog_post", "2026-01-05T10:00:00Z", 1)
    Path("content.csv").write_text("content_id,content_type,published_at\n" + ",".join(row[:3]) + "\n")
    import duckdb

    duckdb.sql("copy (select * from 'content.csv') to 'content.parquet'")
    with sqlite3.connect("site.db") as site:
        site.execute("create table content (content_id, content_type, published_at, updated_at)")
        site.execute("create table articles (id, kind, published_at)")
        site.execute("insert into content values (?, ?, ?, ?)", row)
        site.execute("insert into articles values (?, ?, ?)", row[:3])
    site.close()
    Path("url.txt").write_text("sqlite:///site.db\n")


def ready_for_writeback(built: Built, words: list[str], example: str) -> str:
    """Give the channel the consent and the map that an example of write-back needs, and the ids that it names."""
    Path("statuses.json").write_text('{"to_zoho": {"contacted": "Contacted"}, "from_zoho": {}}')
    built.add("acme", built.org, " ".join((*DEFAULT_SCOPES, *WRITE_BACK_SCOPES)))
    assert built.run("writeback", "on", "acme", "--map", "statuses.json").code == 0
    if words[1] == "try":
        return example.replace(words[3], built.ids[0])
    if words[1] == "resolve":
        registry = Registry(load_settings({"ZOHO_PIPELINE_HOME": str(built.home)}))
        now = registry.database.now()
        row = {"id": words[2], "channel_id": "acme", "lead_id": "1", "status": "contacted", "desired": "Contacted"}
        row |= {
            "zoho_status": "Lost Lead",
            "expected_zoho": [],
            "state": "conflict",
            "tries": 0,
            "created_at": now,
            "queued_at": now,
        }
        with registry.database.write() as transaction:
            transaction.execute(writebacks.insert().values(row))
    return example


def run_example(run: Run, example: str) -> Answer:
    """Run an example as a shell does. The simulator takes the place of Zoho's data center `in`."""
    command, *redirected = re.split(r" ([<>]) ", re.sub(r"--data-center \w+", "--data-center sim", example))
    words = shlex.split(command)[1:]
    if redirected[:1] == ["<"]:
        return run(*words, stdin=Path(redirected[1]).read_text())
    return run(*words)


def first_of_slow_commands() -> list[str]:
    """All examples, but of commands that read Zoho or build the marts, only the first one each."""
    found: dict[str, str] = {}
    for example in examples():
        command = example.split()[1]
        found.setdefault(command if command in ("sync", "reconcile", "transform") else example, example)
    return list(found.values())


@pytest.mark.parametrize("example", choice(examples(), first_of_slow_commands()))
def test_an_example_in_a_help_text_runs_as_it_is_written(built: Built, example: str) -> None:
    words = shlex.split(example)[1:]
    if words[0] in NEED_A_PERSON or words[0] in ("serve", "mcp") or words == ["work"]:  # it works until a signal comes
        assert main.commands[words[0]].make_context(words[0], words[1:])
        return
    if words == ["work", "--check"]:
        assert "no worker of this machine is alive" in built.run(*words).err
        return
    write_files(built, example)
    if words[:2] == ["channels", "remove"]:  # it revokes the token of the channel, which other tests use
        built.add("acme", built.org, " ".join(DEFAULT_SCOPES))
    if words[:3] == ["web", "keys", "revoke"]:  # the example names a key of somebody else
        made = built.run("web", "keys", "add", "x", "--all-tenants", "--scope", "read", "--format", "json")
        example = example.replace(words[3], made.json["id"])
    if words[:3] == ["forms", "keys", "remove"]:  # the example names a key of somebody else
        made = built.run("forms", "keys", "add", "acme", "--format", "json")
        example = example.replace(words[3], made.json["form_key"])
    if words[0] == "writeback":
        example = ready_for_writeback(built, words, example)
    if words[0] == "push":  # the grant of the shared channel has no scope for it
        built.add("acme", built.org, " ".join([*DEFAULT_SCOPES, *NOTIFICATION_SCOPES]))
        assert words[1] != "renew" or built.run("push", "on", "acme").code == 0
    listener = Listener()
    if words[:2] == ["web", "endpoints"] and words[-1].startswith("ep_"):  # the example names one of somebody else
        added = built.run("web", "endpoints", "add", listener.url, "--all-tenants", "--format", "json")
        example = example.replace(words[-1], added.json["id"])
    answer = run_example(built.run, example)
    listener.close()
    assert answer.code == 0, answer.err
    assert answer.out


def test_the_examples_are_found() -> None:
    assert len(examples()) > 25
