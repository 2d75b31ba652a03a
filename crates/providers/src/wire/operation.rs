/// One operation of a specification, for comparing hand-written operations with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationSpec {
    /// The specification's `operationId`.
    pub id: &'static str,
    /// The HTTP method in capitals.
    pub method: &'static str,
    /// The path template, with parameters in braces.
    pub path: &'static str,
    /// Whether the specification gives the request a body.
    pub takes_body: bool,
}

impl OperationSpec {
    /// Describes one operation; generated code calls it.
    pub const fn new(id: &'static str, method: &'static str, path: &'static str) -> Self {
        Self {
            id,
            method,
            path,
            takes_body: false,
        }
    }

    /// Sets the request's body; generated code calls it.
    pub const fn with_body(mut self) -> Self {
        self.takes_body = true;
        self
    }
}
