//! Every endpoint by itself, for calls without a task to follow.
//!
//! Each holds the agent that it goes to: how it is encoded depends on that.

mod cards;
mod push;
mod stream;
mod tasks;

pub use cards::{CardReply, GetAgentCard, GetExtendedAgentCard};
pub use push::{
    CreateTaskPushNotificationConfig, DeleteTaskPushNotificationConfig,
    GetTaskPushNotificationConfig, ListTaskPushNotificationConfigs, PushConfig,
};
pub use stream::{SendStreamingMessage, SubscribeMethod, SubscribeToTask};
pub use tasks::{CancelTask, GetTask, ListTasks, SendMessage};
pub(super) use tasks::{read_sent, read_task};
