"""No credential that can be recognized leaves with an export: texts are cleaned, rows of tokens that hold one stay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from export_runs import Stored, call, conversation, store, user
from flowwright.checkpoints.export.export import export
from flowwright.checkpoints.export.redaction import Redactor, secrets_of
from flowwright.checkpoints.sqlite import GroupCommitSaver
from hypothesis import given
from hypothesis import strategies as st

FORMS = {
    "sk-proj-a1b2c3d4e5f6g7h8i9j0": "api_key",
    "hf_aB3dE5fG7hI9jK1lM3nO5pQ7": "api_key",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345": "api_key",
    "AKIAIOSFODNN7EXAMPLE": "api_key",
    "Bearer 0123456789abcdef0123456789": "bearer",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N": "token",
    "postgres://runs:hunter2@db.local/x": "url",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----": "private_key",
}
HARMLESS = (
    "sk-learn-pipelines-and-estimators", "pk_of_the_table_users_is_id", "see https://example.org/a:b@c", "the bearer of news",
    "a task-1234567890123456", "eyJ is how they begin", "risk-free investment of the year",
)  # fmt: skip


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[GroupCommitSaver]:
    with GroupCommitSaver(tmp_path / "runs.db") as made:
        yield made


@pytest.mark.parametrize(("secret", "kind"), FORMS.items(), ids=lambda value: str(value)[:12])
def test_each_form_is_found_and_named(secret: str, kind: str) -> None:
    redactor = Redactor({})
    clean = redactor.text(f"before {secret} after")
    assert f"<redacted:{kind}>" in clean
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert "hunter2" not in clean
    assert redactor.counts == {kind: 1}
    assert redactor.holds(secret)
    assert not redactor.holds(clean)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_alike_stays(text: str) -> None:
    assert Redactor({}).text(text) == text


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=200), st.sampled_from(sorted(FORMS)), st.text(max_size=50)
)
def test_cleaning_twice_is_cleaning_once(before: str, secret: str, after: str) -> None:
    redactor = Redactor({"MY_TOKEN": "pl4in-v4lue"})
    clean = redactor.text(f"{before} {secret} pl4in-v4lue {after}")
    assert redactor.text(clean) == clean
    assert "pl4in-v4lue" not in clean


def test_values_of_the_environment_that_are_named_as_credentials_are_secrets() -> None:
    environment = {
        "OPENAI_API_KEY": "abc123-xyz", "DB_PASSWORD": "s3cret with blanks", "HF_TOKEN": "short", "KEYBOARD": "layout-12",
        "SECRET": "everybody", "SSH_KEY": "/home/me/.ssh/id", "GITHUB_TOKEN": "t0ken-of-mine",
    }  # fmt: skip
    assert secrets_of(environment) == ["t0ken-of-mine", "abc123-xyz"]
    assert Redactor(environment).text("it is abc123-xyz.") == "it is <redacted:environment>."


def leaking(saver: GroupCommitSaver, secret: str) -> None:
    for number, value in enumerate((1.0, 0.0, 0.5)):
        store(
            saver, Stored(f"r{number}", conversation(f"r{number}", 3, salt=9 * number), "t", rewards={"exact": value})
        )
    first, said = call("s", 1, [user(f"my key is {secret}")], "noted", ids=[1, 2], sampled=[3])
    second, _ = call("s", 2, [*said.conversation, user("go on")], "done", ids=[1, 2, 3, 4], sampled=[5], parent=said)
    again = [*said.conversation, user("say it anew")]
    other, _ = call("s", 4, again, "again", ids=[9, 9, 9], sampled=[6], parent=said, at=[4, 1, 0, 0, 0])
    alone, _ = call("s", 3, [user("anew")], "fresh", ids=[7], sampled=[8], at=[3, 1, 0, 0, 0])
    store(saver, Stored("s", [first, second, alone, other], "t", rewards={"exact": 1.0}))


@pytest.mark.parametrize("format", ["sft", "kto", "atif"])
def test_texts_are_cleaned_and_counted(format: str, saver: GroupCommitSaver, tmp_path: Path) -> None:
    secret = "sk-live-0123456789abcdefghij"
    leaking(saver, secret)
    done = export(saver, tmp_path / "x.jsonl", format=format)
    assert secret not in (tmp_path / "x.jsonl").read_text()
    assert "<redacted:api_key>" in (tmp_path / "x.jsonl").read_text()
    assert done.account.redacted["api_key"] >= 1
    assert json.loads(done.ledger_path.read_text())["rows"]["redacted"] == dict(done.account.redacted)


def test_a_row_of_tokens_whose_text_holds_one_is_left_out(
    saver: GroupCommitSaver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "t0p-s3cret-value")
    leaking(saver, "t0p-s3cret-value")
    done = export(saver, tmp_path / "x.jsonl", format="grpo")
    found = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [row["completion_ids"] for row in found if row["run"] == "s"] == [[8]]
    assert done.account.left_out == {"secret": 2}, "the second row begins with a prompt that repeats the first one's"
    assert done.ledger.dropped == {"secret": 3}
    assert done.account.redacted == {"token_row": 2}
    assert done.ledger.unaccounted == 0
