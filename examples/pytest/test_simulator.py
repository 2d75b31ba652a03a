"""Ten tests of a client of the two platforms: `taskward sim --speed 50 -- pytest`."""

import json
import os
import subprocess

from conftest import until


def test_a_task_runs_to_its_answer(nanonets, start):
    task = start("echo", "hello")
    assert until(nanonets, task, "completed", "failed") == "completed"
    assert nanonets.get(f"{task}/summary").json()["result"]["summary"] == "hello"


def test_a_question_is_asked_and_answered(nanonets, start):
    task = start("asker", "Convert 5.")
    until(nanonets, task, "waiting_for_input")
    question = nanonets.get(f"{task}/messages").json()["data"][-1]
    assert question["role"] == "assistant"
    nanonets.post(f"{task}/message", json={"message": "EUR"}).raise_for_status()
    until(nanonets, task, "completed")
    assert "EUR" in nanonets.get(f"{task}/summary").text


def test_a_cancelled_task_is_stopped(nanonets, start):
    task = start("slow", "hello")
    nanonets.post(f"{task}/cancel").raise_for_status()
    assert until(nanonets, task, "stopped", "completed") == "stopped"


def test_a_503_is_no_end(sim, nanonets, start):
    fault = {"kind": "status", "code": 503, "on": "nanonets.status", "count": 2}
    sim.put("/_sim/faults", json={"faults": [fault]}).raise_for_status()
    task = start("echo", "hello")
    assert until(nanonets, task, "completed") == "completed"
    assert sim.get("/_sim/stats").json()["faulted"] == {"status": 2}


def test_the_log_shows_what_was_sent_without_the_key(sim, nanonets, start):
    key = os.environ["NANONETS_API_KEY"]
    start("echo", f"my key is {key}")
    log = sim.get("/_sim/requests")
    assert key not in log.text
    assert log.json()["requests"][-1]["request_body"] == {"query": "my key is [redacted]"}


def test_a_scenario_brings_an_agent_of_its_own(sim, nanonets, start):
    scenario = """
        [[agent]]
        name = "buyer"
        steps = [
            { run = "2s" },
            { ask = "Which supplier?" },
            { complete = { summary = "Ordered from {answer}." } },
        ]
    """
    sim.post("/_sim/scenario", content=scenario).raise_for_status()
    task = start("buyer", "Order chairs.")
    until(nanonets, task, "waiting_for_input")
    nanonets.post(f"{task}/message", json={"message": "Acme"}).raise_for_status()
    until(nanonets, task, "completed")
    assert nanonets.get(f"{task}/summary").json()["result"]["summary"] == "Ordered from Acme."


def test_keys_and_ids_follow_from_the_seed():
    def key(seed):
        command = ["taskward", "sim", "--quiet", "--seed", seed, "--", "printenv", "NANONETS_API_KEY"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    mine = os.environ["TASKWARD_SIM_SEED"]
    assert key(mine) == os.environ["NANONETS_API_KEY"]
    assert key(str(int(mine) + 1)) != os.environ["NANONETS_API_KEY"]


def create(harness, key, **input):
    return harness.post("/runs", headers={"idempotency-key": key}, json={"input": input})


def test_a_run_waits_for_an_approval(harness):
    run = create(harness, "approval", goal="Write to the team.").json()
    path = f"/runs/{run['id']}"
    until(harness, path, "awaiting_input")
    approve = harness.post(
        f"{path}/signal", headers={"idempotency-key": "yes"}, json={"action": "approve"}
    )
    assert approve.status_code == 200, approve.text
    assert until(harness, path, "succeeded", "failed") == "succeeded"


def test_a_key_that_comes_twice_makes_one_run(sim, harness):
    first = create(harness, "once", goal="Write to the team.")
    second = create(harness, "once", goal="Write to the team.")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert sim.get("/_sim/stats").json()["agent-harness"]["runs"] == 1


def test_a_stream_brings_every_event_once_and_in_order(harness):
    run = create(harness, "stream", scenario="long-stream", events=50, interval_ms=1).json()
    with harness.stream("GET", f"/runs/{run['id']}/events/stream") as stream:
        lines = [line for line in stream.iter_lines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "run.created"
    assert events[-1]["type"] == "run.worker.succeeded"
    assert sum(event["type"] == "step.progress" for event in events) == 50
