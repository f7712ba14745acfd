"""Scripted chat models: real LangChain models whose reply is a function of the prompt. They prove what the graph does
with a reply, which is the point; nothing of the graph is replaced."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

Script = Callable[[str, int], str]


class ScriptedModel(BaseChatModel):
    """Answers with `script(prompt text, number of the call from 0)`."""

    script: Script
    finish_reason: str = "stop"
    prompts: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        prompt = "\n".join(message.text for message in messages)
        self.prompts.append(prompt)
        text = self.script(prompt, len(self.prompts) - 1)
        usage = {"input_tokens": len(prompt) // 4, "output_tokens": len(text) // 4, "total_tokens": 0}
        usage["total_tokens"] = usage["input_tokens"] + usage["output_tokens"]
        message = AIMessage(
            text,
            usage_metadata=usage,
            response_metadata={"finish_reason": self.finish_reason, "model_name": "scripted"},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def replies(*texts: str) -> ScriptedModel:
    """A model that says `texts` in order and then repeats the last."""
    return ScriptedModel(script=lambda _, number: texts[min(number, len(texts) - 1)])


def answering(text: str = "It follows.\nAnswer: 42") -> ScriptedModel:
    """An executor that answers every operator: reviews accept, everything else says `text`."""

    def script(prompt: str, _: int) -> str:
        return "Checked.\nVerdict: accept" if operator_of(prompt) == "REVIEW_SOLUTION" else text

    return ScriptedModel(script=script)


def operator_of(prompt: str) -> str:
    """The operator that a prompt speaks to."""
    found = re.search(r"You are the (\w+) operator", prompt)
    return found.group(1) if found else ""


def operator(name: str, inputs: Sequence[str], output: str, instruction: str = "do it") -> dict[str, Any]:
    """One operator of a stage, as a designer writes it."""
    params = {"instruction_type": name, "input_keys": list(inputs), "output_key": output, "input_usage": instruction}
    return {"operator_description": "because", "params": params}


def stage(*operators: dict[str, Any], description: str = "work") -> str:
    """A stage, as a designer writes it."""
    return json.dumps({"stage_description": description, "operators": list(operators)})


def finish(key: str) -> str:
    """The end, as a designer writes it."""
    return json.dumps({"finish": key, "reason": "done"})


ANSWER = stage(operator("GENERATE_ANSWER", ["problem"], "draft"))
