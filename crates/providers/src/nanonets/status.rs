//! The words of a task's status.

use taskward_core::Status;

use super::types::TaskStatus;

/// Returns the status for the machine; known words allocate nothing.
pub(super) fn status_of(status: &TaskStatus) -> Status {
    use TaskStatus as T;
    match status {
        T::Pending => Status::known("pending"),
        T::Queued => Status::known("queued"),
        T::Running => Status::known("running"),
        T::WaitingForInput => Status::known("waiting_for_input"),
        T::AwaitingReview => Status::known("awaiting_review"),
        T::Completed => Status::known("completed"),
        T::Failed => Status::known("failed"),
        T::Stopped => Status::known("stopped"),
        T::Unknown(raw) => Status::unknown(raw.clone()),
    }
}
