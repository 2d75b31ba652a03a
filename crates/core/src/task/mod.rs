/// x
pub struct Task;
/// x
pub struct Unsupported;
