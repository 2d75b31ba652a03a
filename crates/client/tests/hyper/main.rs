//! The suite of all adapters, run with the async one, and what only this one has to show.

#[path = "../asynchronous/adapter.rs"]
mod adapter;
mod futures;
mod observed;
mod runtime;
#[path = "../suite/mod.rs"]
mod suite;

#[path = "../../examples/count_requests.rs"]
#[expect(dead_code, reason = "an example has a main function")]
mod count_requests;

#[test]
fn a_wrapped_transport_sees_every_request() -> suite::follow::Result {
    let sim = taskward_sim::Sim::builder().spawn()?;
    let count = adapter::block_on(count_requests::run(&sim))?;
    assert!(count >= 3, "{count}");
    assert_eq!(count, sim.requests().len() as u64);
    Ok(())
}
