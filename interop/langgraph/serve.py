"""LangGraph's development server for the graph of agent.py, in this process.

    python serve.py PORT

Run it in a folder of its own with langgraph.json and agent.py: the server keeps its state where it runs. It ends when
the standard input does. Ready when GET /ok answers.
"""
import os
import sys
import threading
import time

from langgraph_cli.cli import cli


def end_with_parent():
    """Whoever started this holds the other end of the pipe: however it ends, the pipe closes."""
    sys.stdin.buffer.read()
    os._exit(0)


def name_whoever_is_asked():
    """A server names itself in its card as LANGGRAPH_API_URL says. The development server sets that to its own port; here
    clients come through a proxy, so the card names the host that it was asked for, as it does without the variable."""
    while not hasattr(sys.modules.get("langgraph_api.api.a2a"), "USER_API_URL"):
        time.sleep(0.02)
    sys.modules["langgraph_api.api.a2a"].USER_API_URL = None


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    threading.Thread(target=name_whoever_is_asked, daemon=True).start()
    cli(["dev", "--no-browser", "--no-reload", "--host", "127.0.0.1", "--port", sys.argv[1]])
