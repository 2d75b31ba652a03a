"""Clients of both simulated platforms, and of the simulator itself."""

import os
import time

import httpx
import pytest


def client_of(variable, prefix):
    """A client with the account that `taskward sim -- ...` puts into the environment."""
    key = os.environ[f"{variable}_API_KEY"]
    return httpx.Client(
        base_url=os.environ[f"{variable}_BASE_URL"] + prefix,
        headers={"authorization": f"Bearer {key}"},
    )


@pytest.fixture
def sim():
    """The simulator, as it was when it started: no task, no fault, no scenario of another test."""
    with httpx.Client(base_url=os.environ["TASKWARD_SIM_URL"]) as client:
        client.post("/_sim/reset").raise_for_status()
        yield client


@pytest.fixture
def nanonets(sim):
    with client_of("NANONETS", "/api/v1") as client:
        yield client


@pytest.fixture
def harness(sim):
    with client_of("AGENT_HARNESS", "/v1") as client:
        yield client


@pytest.fixture
def start(sim, nanonets):
    """Starts a task of the agent with this name; gives its path."""

    def start(agent, query):
        agents = sim.get("/_sim/scenario").json()["agent"]
        agent_id = next(entry["id"] for entry in agents if entry["name"] == agent)
        reply = nanonets.post(f"/agents/{agent_id}/run", json={"query": query})
        assert reply.status_code == 201, reply.text
        return f"/tasks/{reply.json()['task_id']}"

    return start


def until(client, path, *wanted):
    """Polls a task or a run until it has one of these statuses; a busy server is asked again."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        reply = client.get(path)
        if reply.status_code != 503:
            status = reply.raise_for_status().json()["status"]
            if status in wanted:
                return status
        time.sleep(0.02)
    raise AssertionError(f"{path} never was {wanted}")
