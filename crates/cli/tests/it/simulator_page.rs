//! The page of the simulator says all that there is.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;
use taskward_sim::{FaultRule, Sim};

use crate::common::{bare, end};

fn page() -> String {
    let ended = end(bare(&["help", "simulator"]), "");
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.stdout
}

/// Asks the simulator about itself.
fn ask(sim: &Sim, path: &str) -> Value {
    let mut stream = TcpStream::connect(sim.address()).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("text");
    let (_, body) = reply.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn the_page_has_every_endpoint_switch_and_fault_of_the_simulator() {
    let (page, sim) = (page(), Sim::spawn().expect("a free port"));
    let has = |row: &str| assert!(page.contains(&format!("\n| `{row}")), "no {row} in {page}");
    for route in ask(&sim, "/_sim")["routes"].as_array().expect("a list") {
        has(&format!("{}` |", route.as_str().expect("text")));
    }
    let scenario = ask(&sim, "/_sim/scenario");
    for table in ["switches", "agent_harness", "a2a"] {
        for (name, default) in scenario[table].as_object().expect("switches") {
            let default = match default {
                Value::Null => "absent".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            has(&format!("{name}` | `{default}` |"));
        }
    }
    for table in ["agent", "run", "a2a_agent"] {
        for entry in scenario[table].as_array().expect("a list") {
            has(&format!("{}` |", entry["name"].as_str().expect("text")));
        }
    }
    let unknown = "flood".parse::<FaultRule>().expect_err("no fault");
    let unknown = unknown.to_string();
    let kinds = unknown.split_once("expected one of").expect("a list").1;
    let kinds: Vec<&str> = kinds.split('`').skip(1).step_by(2).collect();
    assert!(kinds.len() > 20, "{unknown}");
    for kind in kinds {
        has(&format!("{kind}`"));
    }
    // For people alone, without the marks for those who check its commands.
    assert!(!page.contains("<!--"), "{page}");
}
