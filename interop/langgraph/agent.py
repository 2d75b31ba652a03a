"""A graph whose first message is a script, for LangGraph's own A2A endpoint. The steps are those of ../py/server.py that
a graph has a word for; everything else that an agent says is a message here, and comes as the answer's one artifact.

    work N          N seconds of work
    quiet N         the same
    artifact TEXT   a message
    chunks N [D]    N messages, D seconds apart
    ask TEXT        an interrupt with that question; the next message resumes, and is echoed
    fail [TEXT]     the graph raises       crash  the same
    done [TEXT]     the end, with a last message (also the end of the list)
"""
import asyncio
from typing import TypedDict, Annotated

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    steps: list[str]


def plan(state):
    said = state["messages"][-1].text
    steps = [s.strip() for line in said.splitlines() for s in line.split(";") if s.strip()]
    return {"steps": steps or ["done hello"]}


async def act(state):
    step, *left = state["steps"]
    word, _, rest = step.partition(" ")
    says = []
    if word in ("work", "quiet"):
        await asyncio.sleep(float(rest or 1))
        says = ["worked"] if word == "work" else []
    elif word == "artifact":
        says = [rest]
    elif word == "chunks":
        n, _, d = rest.partition(" ")
        for i in range(int(n)):
            await asyncio.sleep(float(d or 0.3))
            says.append(f"piece {i + 1} ")
    elif word == "ask":
        # The node runs again from its first line when it is resumed.
        says = [f"{rest} -> {interrupt({'question': rest})}"]
    elif word in ("fail", "crash"):
        raise RuntimeError(rest or "it broke")
    elif word == "done":
        says, left = ([rest] if rest else []), []
    else:
        raise ValueError(f"a graph has no step {word!r}")
    return {"steps": left, "messages": [AIMessage(text) for text in says]}


builder = StateGraph(State)
builder.add_node("plan", plan)
builder.add_node("act", act)
builder.add_edge(START, "plan")
builder.add_edge("plan", "act")
builder.add_conditional_edges("act", lambda state: "act" if state["steps"] else END, ["act", END])
graph = builder.compile()
