"""A fork begins with everything before a decision and nothing after it, on any saver; the source stays as it was."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import flowwright as fw
import pytest
from flowwright.checkpoints.forks.decision_point import decides, decision_of
from flowwright.checkpoints.forks.fork import fork_runs
from flowwright.checkpoints.forks.forked import run_forks
from flowwright.checkpoints.runner import has_work, resume_run, thread_config
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.calls import calls_of
from flowwright.errors import UsageError
from flowwright.operators.registry import Registry
from flowwright.operators.tools.adapter import tool_operator
from fork_cases import A, designer, graph_on, ran, values, without_run
from langchain_core.tools import tool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from scripted import ScriptedModel, answering, finish, operator, stage
from typing_extensions import TypedDict


@pytest.fixture(params=["ours", "strict", "langgraph", "shipped"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseCheckpointSaver[Any]]:
    match request.param:
        case "ours":
            with fw.open_checkpointer(f"sqlite:///{tmp_path}/runs.db") as opened:
                yield opened
        case "shipped":
            with closing(sqlite3.connect(tmp_path / "runs.db", check_same_thread=False)) as connection:
                yield SqliteSaver(connection)
        case _:
            yield fw.open_checkpointer("memory:") if request.param == "strict" else InMemorySaver()


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[GroupCommitSaver]:
    with GroupCommitSaver(tmp_path / "runs.db") as opened:
        yield opened


def stored(saver: BaseCheckpointSaver[Any], thread: str) -> list[Any]:
    return [(one.config, one.checkpoint, one.metadata, one.pending_writes) for one in saver.list(thread_config(thread))]


class TestWhatAForkIs:
    """Everything before, nothing after."""

    @pytest.mark.parametrize("turn", [1, 3, 5])
    def test_it_begins_with_the_state_that_the_turn_was_decided_from(
        self, saver: BaseCheckpointSaver[Any], turn: int
    ) -> None:
        graph = ran(saver)
        before, decision = stored(saver, "a"), decision_of(saver, "a", turn)
        (fork,) = fork_runs(graph, "a", at=turn)
        assert fork.thread_id == f"a.{turn}-1"
        first, source = values(graph, fork.config), values(graph, decision.config)
        assert without_run(first) == without_run(source)
        assert [one["turn"] for one in first["turns"]] == [*range(1, turn)]
        assert graph.get_state(fork.config).next == ("designer",)
        changed = {name for name in first["run"] if first["run"][name] != source["run"].get(name)}
        assert changed == {"id", "seed", "origin"}
        assert first["run"]["origin"] == {
            "thread": "a", "checkpoint": decision.checkpoint["id"], "run": source["run"]["id"], "turn": turn,
            "sample": 1,
        }  # fmt: skip
        assert stored(saver, "a") == before

    def test_it_runs_to_its_end_and_the_source_is_not_touched(self, saver: BaseCheckpointSaver[Any]) -> None:
        source = ran(saver)
        before = stored(saver, "a")
        plans, works = designer(), answering()
        graph = graph_on(saver, plans, works)
        forks = fork_runs(graph, "a", at=3, samples=3)
        for fork in forks:
            graph.invoke(None, fork.config)
            state = values(graph, fork.config)
            assert (state["status"], state["answer"], state["usage"]["turns"]) == ("finished", "42", 5)
            assert [one["turn"] for one in state["turns"]] == [1, 2, 3, 4, 5]
            calls = calls_of(saver, fork.config)
            assert [one["run"] for one in calls[:4]] == [fork.origin["run"]] * 4
            assert {one["run"] for one in calls[4:]} == {fork.run}
            assert len({one["id"] for one in calls}) == len(calls) == state["usage"]["calls"]
        assert len(plans.prompts) == 3 * 3, "turns 3, 4 and 5 of each, and not one before"
        assert len({fork.seed for fork in forks} | {values(source, A)["run"]["seed"]}) == 4
        assert len({fork.run for fork in forks} | {values(source, A)["run"]["id"]}) == 4
        sampled = [call["sampling"]["seed"] for fork in forks for call in calls_of(saver, fork.config)[4:]]
        assert len(set(sampled)) == len(sampled)
        assert stored(saver, "a") == before

    def test_numbers_go_on_and_equal_seeds_give_equal_forks(self, saver: BaseCheckpointSaver[Any]) -> None:
        graph = ran(saver)
        first = fork_runs(graph, "a", at=2, samples=2)
        more = fork_runs(graph, "a", at=2, samples=3)
        assert [one.thread_id for one in (*first, *more)] == [f"a.2-{n}" for n in range(1, 6)]
        assert len({one.seed for one in (*first, *more)}) == 5
        other = graph_on(InMemorySaver())
        assert fork_runs(graph, "a", at=2, seed=99)[0].seed != more[0].seed
        with pytest.raises(UsageError, match="there is no thread"):
            fork_runs(other, "a", at=2)

    def test_forks_of_forks_and_of_checkpoints_by_their_id(self, saver: BaseCheckpointSaver[Any]) -> None:
        graph = ran(saver)
        (fork,) = fork_runs(graph, "a", at=3)
        graph.invoke(None, fork.config)
        for at in (3, 4):
            (second,) = fork_runs(graph, fork.thread_id, at=at)
            graph.invoke(None, second.config)
            (third,) = fork_runs(graph, second.thread_id, at=decision_of(saver, second.thread_id, 5).checkpoint["id"])
            assert third.thread_id == f"a.3-1.{at}-1.5-1"
            assert third.origin["run"] == second.run
            state = values(graph, third.config)
            assert [one["turn"] for one in state["turns"]] == [1, 2, 3, 4]
            runs = [one["run"] for one in calls_of(saver, third.config) if one["role"] == "designer"]
            assert runs == [fork.origin["run"]] * 2 + [fork.run] * (at - 3) + [second.run] * (5 - at)
        with pytest.raises(UsageError, match=r"has no turn 2\. Its last run decides turns 3 to 5"):
            fork_runs(graph, fork.thread_id, at=2)

    def test_a_repaired_turn_is_decided_anew_from_before_its_repairs(self, ours: GroupCommitSaver) -> None:
        plans = ScriptedModel(script=lambda prompt, number: "no plan" if number == 0 else designer().script(prompt, 0))
        graph = graph_on(ours, plans)
        graph.invoke({"task": {"question": "q?"}}, A)
        (fork,) = fork_runs(graph, "a", at=1)
        state = values(graph, fork.config)
        assert (state["run"]["attempt"], state.get("turns", [])) == (0, [])
        decided = [one for one in ours.list(A) if decides(one)]
        repair = next(one for one in decided if one.checkpoint["channel_values"]["run"]["attempt"] == 1)
        (other,) = fork_runs(graph, "a", at=repair.checkpoint["id"])
        state = values(graph, other.config)
        assert (other.thread_id, state["run"]["attempt"], len(state["turns"])) == ("a.1-2", 1, 1)
        (again,) = fork_runs(graph, other.thread_id, at=1)
        assert values(graph, again.config)["turns"] == state["turns"]

    async def test_interrupted_forks_resume_like_any_thread(self, ours: GroupCommitSaver) -> None:
        graph = ran(ours)
        (fork,) = fork_runs(graph, "a", at=2)
        await graph.ainvoke(None, fork.config, interrupt_after=["executor"])
        assert has_work(graph.get_state(fork.config))
        result = await resume_run(graph, fork.thread_id)
        assert (result.status, result.thread_id) == ("finished", "a.2-1")


class TestPolicies:
    """Other models."""

    def test_the_fork_remembers_the_policies_that_it_runs_with(self, ours: GroupCommitSaver) -> None:
        ran(ours)
        policies = fw.Policies(designer="offline", executor="offline")
        graph = fw.build_graph("dyflow", policies=policies, checkpointer=ours)
        (fork,) = fork_runs(graph, "a", at=3)
        assert values(graph, fork.config)["run"]["policies"] == {"designer": "offline:0", "executor": "offline:0"}
        graph.invoke(None, fork.config)
        calls = calls_of(ours, fork.config)
        assert {one["policy"] for one in calls if one["run"] == fork.run} == {"offline:0"}
        assert {one["policy"] for one in calls if one["run"] != fork.run} == {"ScriptedModel"}

    def test_a_source_that_waits_for_approval_is_forked_at_an_earlier_turn(self, ours: GroupCommitSaver) -> None:
        sent: list[str] = []

        @tool
        def send_mail(to: str) -> str:
            """Send a mail."""
            sent.append(to)
            return "sent"

        def script(prompt: str, number: int) -> str:
            if prompt.startswith("You are the caller"):
                return '{"to": "ann"}'
            return stage(
                operator("SEND_MAIL" if '"turn": 2, "turns"' in prompt else "GENERATE_ANSWER", ["problem"], "x")
            )

        registry = Registry.load().extended([tool_operator(send_mail, approval=True)])
        policies = fw.Policies(designer=ScriptedModel(script=script), executor=ScriptedModel(script=script))
        graph = fw.build_graph("dyflow", policies=policies, operators=registry, checkpointer=ours)
        graph.invoke({"task": {"question": "q?"}}, A)
        assert graph.get_state(A).interrupts
        (fork,) = fork_runs(graph, "a", at=1)
        assert values(graph, fork.config)["run"]["approvals"] == ["SEND_MAIL"]
        graph.invoke(None, fork.config)
        assert graph.get_state(fork.config).interrupts, "the fork waits for its own"
        assert sent == []
        assert fork_runs(graph, "a", at=1)[0].thread_id == "a.1-2", "one that waits is not gone on with"


class TestEdits:
    """Counterfactual pasts."""

    def edited(self, saver: BaseCheckpointSaver[Any], edit: Any) -> dict[str, Any]:
        graph = ran(saver)
        (fork,) = fork_runs(graph, "a", at=3, edit=edit)
        first = values(graph, fork.config)
        graph.invoke(None, fork.config)
        assert values(graph, fork.config)["memory"][:3] == first["memory"], "and it stays so"
        return first

    def test_a_result_is_replaced_with_the_answer_in_it(self, saver: BaseCheckpointSaver[Any]) -> None:
        state = self.edited(saver, {"memory": {"draft@1": "No.\nAnswer: 41"}})
        by_key = {one["key"]: one for one in state["memory"]}
        assert (by_key["draft@1"]["answer"], by_key["draft@1"]["data"]["edited"]) == ("41", True)
        assert by_key["draft@2"]["answer"] == "42"
        assert by_key["draft@2"]["data"].get("edited") is None

    def test_limits_are_replaced(self, saver: BaseCheckpointSaver[Any]) -> None:
        state = self.edited(saver, {"budget": {"turns": 4}})
        assert state["budget"]["turns"] == 4
        assert state["budget"].keys() > {"turns"}

    @pytest.mark.parametrize(
        ("edit", "says"),
        [
            ({"canvas": {}}, "cannot edit 'canvas'"),
            ({"budget": 3}, "the edit of budget is 3"),
            ({"budget": {"turns": -1}}, "budget 'turns' is -1"),
            ({"budget": {"money": 1.0}}, "has none"),
            ({"memory": {"draft@9": "x"}}, "no memory 'draft@9'"),
            ({"memory": {"problem@1": "x"}}, "is the run's task"),
            ({"memory": {"draft@1": 4}}, "cannot become 4"),
            ({"memory": {"draft@1": {"content": "x", "verdict": "accept"}}}, "cannot become"),
            ({"memory": {"draft@1": {1, 2}}}, "not JSON"),
        ],
    )
    def test_what_cannot_be_checked_is_refused_as_a_whole(self, ours: GroupCommitSaver, edit: Any, says: str) -> None:
        graph = ran(ours)
        with pytest.raises(UsageError, match=says):
            fork_runs(graph, "a", at=3, edit=edit)
        assert ours.get_tuple(thread_config("a.3-1")) is None

    @pytest.mark.parametrize(
        ("given", "refused"),
        [
            ({"content": "bad\nVerdict: reject", "verdict": "reject"}, None),
            ({"content": "bad", "verdict": None}, None),
            ("bad", "is a review"),
            ({"content": "bad", "verdict": "so so"}, "verdict of review@1"),
        ],
    )
    def test_a_review_is_edited_with_its_verdict(self, ours: GroupCommitSaver, given: Any, refused: str | None) -> None:
        plan = stage(
            operator("GENERATE_ANSWER", ["problem"], "draft"), operator("REVIEW_SOLUTION", ["problem", "draft"], "review")
        )  # fmt: skip
        plans = ScriptedModel(script=lambda prompt, _: plan if '"turn": 1, "turns"' in prompt else finish("draft@1"))
        graph = graph_on(ours, plans)
        graph.invoke({"task": {"question": "q?"}}, A)
        if refused:
            with pytest.raises(UsageError, match=refused):
                fork_runs(graph, "a", at=2, edit={"memory": {"review@1": given}})
            return
        (fork,) = fork_runs(graph, "a", at=2, edit={"memory": {"review@1": given}})
        (review,) = (one for one in values(graph, fork.config)["memory"] if one["key"] == "review@1")
        assert (review["verdict"], review["content"]) == (given["verdict"], given["content"])


class TestRequests:
    """The same request again."""

    async def test_a_request_that_was_interrupted_is_gone_on_with(self, saver: BaseCheckpointSaver[Any]) -> None:
        graph = ran(saver)
        first = fork_runs(graph, "a", at=3, samples=3)
        graph.invoke(None, first[1].config)
        assert fork_runs(graph, "a", at=3, samples=3) == first
        other = fork_runs(graph, "a", at=3, samples=2)
        assert [one.thread_id for one in other] == ["a.3-4", "a.3-5"], "another request makes its own"
        for fork in (first[0], first[2]):
            graph.invoke(None, fork.config)
        assert [one.thread_id for one in fork_runs(graph, "a", at=3, samples=3)] == ["a.3-6", "a.3-7", "a.3-8"]
        assert fork_runs(graph, "a", at=3, samples=2) == other
        assert fork_runs(graph, "a", at=2, samples=3)[0].thread_id == "a.2-1"

    def test_forks_that_were_not_made_any_more_are_made(self) -> None:
        saver = InMemorySaver()
        graph = ran(saver)
        first = fork_runs(graph, "a", at=3, samples=3)
        saver.delete_thread(first[2].thread_id)  # as if killed between two of them: this saver stores one by one
        again = fork_runs(graph, "a", at=3, samples=3)
        assert [(one.thread_id, one.seed) for one in again] == [(one.thread_id, one.seed) for one in first]
        assert again[:2] == first[:2]

    async def test_results_come_in_order_and_as_they_are_where_a_fork_has_ended(self, ours: GroupCommitSaver) -> None:
        plans = designer()
        graph = graph_on(ours, plans)
        ran(ours)
        forks = fork_runs(graph, "a", at=4, samples=4)
        told: list[int] = []
        results = await run_forks(graph, forks, concurrency=2, done=lambda index, _: told.append(index))
        assert [one.thread_id for one in results] == [one.thread_id for one in forks]
        assert sorted(told) == [0, 1, 2, 3]
        asked = len(plans.prompts)
        assert await run_forks(graph, forks) == results
        assert len(plans.prompts) == asked

    async def test_two_processes_that_fork_at_once_never_share_a_thread(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/runs.db"
        with fw.open_checkpointer(url) as one, fw.open_checkpointer(url) as two:
            graphs = [ran(one), graph_on(two)]
            asked = [
                asyncio.to_thread(fork_runs, graphs[n % 2], "a", at=3, samples=3, seed=n) for n in range(12)
            ]  # fmt: skip
            forks = [fork for batch in await asyncio.gather(*asked) for fork in batch]
            assert len({fork.thread_id for fork in forks}) == len({fork.run for fork in forks}) == 36
            assert {fork.run for fork in forks} == {
                values(graphs[0], fork.config)["run"]["id"] for fork in forks
            }  # fmt: skip


class TestRefusals:
    """One line each."""

    @pytest.mark.parametrize(
        ("asked", "says"),
        [
            ({"thread_id": "b", "at": 1}, "there is no thread 'b'"),
            ({"thread_id": "a", "at": 9}, "no turn 9. Its last run decides turns 1 to 5"),
            ({"thread_id": "a", "at": 0}, "no turn 0"),
            ({"thread_id": "a", "at": "1f00"}, "has no checkpoint '1f00'"),
            ({"thread_id": "a", "at": 1, "samples": 0}, "0 samples"),
        ],
    )
    def test_bad_requests(self, ours: GroupCommitSaver, asked: Any, says: str) -> None:
        graph = ran(ours)
        with pytest.raises(UsageError, match=says):
            fork_runs(graph, **asked)

    def test_a_checkpoint_that_decides_nothing(self, ours: GroupCommitSaver) -> None:
        graph = ran(ours)
        last = graph.get_state(A).config["configurable"]["checkpoint_id"]
        with pytest.raises(UsageError, match="decides nothing"):
            fork_runs(graph, "a", at=last)

    def test_another_system_a_foreign_thread_a_foreign_graph_and_no_checkpointer(self, ours: GroupCommitSaver) -> None:
        class Plain(TypedDict):
            count: int

        foreign: Any = StateGraph(Plain)
        foreign.add_node("one", lambda state: {"count": 1})
        foreign.add_edge(START, "one")
        foreign.add_edge("one", END)
        compiled = foreign.compile(checkpointer=ours)
        compiled.invoke({"count": 0}, thread_config("b"))
        graph = ran(ours)
        offline = fw.Policies(designer="offline", executor="offline")
        other = fw.build_graph("agentflow", policies=offline, checkpointer=ours)
        for which, thread, says in (
            (graph, "b", "not a run of Flowwright"), (compiled, "a", "not one of build_graph"),
            (other, "a", "a run of dyflow/default"), (graph_on(None), "a", "no checkpointer"),
        ):  # fmt: skip
            with pytest.raises(UsageError, match=says):
                fork_runs(which, thread, at=1)
