//! A client of the pure machine: keeps the time and the key.

use serde_json::{Value, json};
use taskward_sim::nanonets::{DashboardAction, Server};
use taskward_sim::{Form, Part, Reply, Request, Scenario, Upload};

pub(crate) const START: u64 = 1_778_580_900_000;

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) now: u64,
    /// Method, target, status and body of everything that was asked.
    pub(crate) trace: Vec<(String, String, Reply)>,
}

impl World {
    pub(crate) fn new(switches: &str) -> Self {
        Self::with(&format!("[switches]\n{switches}"))
    }

    pub(crate) fn with(scenario: &str) -> Self {
        let scenario = Scenario::parse(scenario).unwrap();
        Self {
            server: Server::new(7, &scenario, START),
            now: START,
            trace: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, request: Request) -> Reply {
        let (method, path) = (request.head.method.clone(), request.head.path.clone());
        let request = match request.head.header("authorization") {
            Some(_) => request,
            None => {
                let key = format!("Bearer {}", self.server.api_key());
                request.header("Authorization", &key)
            }
        };
        let reply = self.server.handle(request, self.now);
        self.trace.push((method, path, reply.clone()));
        reply
    }

    pub(crate) fn get(&mut self, target: &str) -> Reply {
        self.send(Request::new("GET", &format!("/api/v1{target}")))
    }

    pub(crate) fn post(&mut self, target: &str, body: &Value) -> Reply {
        self.send(Request::new("POST", &format!("/api/v1{target}")).json(body))
    }

    pub(crate) fn after(&mut self, ms: u64) -> &mut Self {
        self.now += ms;
        self
    }

    pub(crate) fn run(&mut self, agent: &str, query: &str) -> String {
        let agent = self.server.agent(agent).unwrap();
        let reply = self.post(&format!("/agents/{agent}/run"), &json!({ "query": query }));
        assert_eq!(reply.status, 201, "{:?}", reply.value());
        reply.value()["task_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn run_form(&mut self, agent: &str, parts: Vec<Part>) -> Reply {
        let agent = self.server.agent(agent).unwrap();
        self.send(Request::new("POST", &format!("/api/v1/agents/{agent}/run")).form(Form { parts }))
    }

    pub(crate) fn status(&mut self, task: &str) -> String {
        self.get(&format!("/tasks/{task}")).value()["status"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn summary(&mut self, task: &str) -> Value {
        self.get(&format!("/tasks/{task}/summary")).value()
    }

    pub(crate) fn say(&mut self, task: &str, message: &str) -> Reply {
        self.post(
            &format!("/tasks/{task}/message"),
            &json!({ "message": message }),
        )
    }

    /// Role and content of each message.
    pub(crate) fn log(&mut self, task: &str) -> Vec<(String, Value)> {
        let list = self.get(&format!("/tasks/{task}/messages")).value();
        let messages = list["data"].as_array().unwrap();
        messages
            .iter()
            .map(|it| {
                (
                    it["role"].as_str().unwrap().to_owned(),
                    it["content"].clone(),
                )
            })
            .collect()
    }

    pub(crate) fn cancel(&mut self, task: &str) -> Reply {
        self.send(Request::new(
            "POST",
            &format!("/api/v1/tasks/{task}/cancel"),
        ))
    }

    pub(crate) fn dashboard(&mut self, task: &str, action: DashboardAction) -> Result<(), String> {
        self.server.dashboard(task, action, self.now)
    }
}

pub(crate) fn text(name: &str, value: &str) -> Part {
    Part::Text {
        name: name.to_owned(),
        value: value.as_bytes().to_vec(),
    }
}

pub(crate) fn file(field: &str, name: &str, content: &str) -> Part {
    Part::File(Upload {
        field: field.to_owned(),
        name: name.to_owned(),
        content_type: "text/csv".to_owned(),
        size: content.len() as u64,
        sha256: "0".repeat(64),
        head: content.as_bytes().to_vec(),
    })
}

/// Returns the value of a reply's header field.
pub(crate) fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let mut fields = reply.headers.iter();
    let found = fields.find(|(field, _)| *field == name);
    found.map(|(_, value)| value.as_str())
}
