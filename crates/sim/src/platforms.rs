//! Which platforms are simulated.

use crate::platform::Registered;
use crate::{harness, nanonets};

/// Every platform, in the order of their [`ENDPOINTS`](crate::endpoints::ENDPOINTS).
pub static PLATFORMS: [Registered; 2] = [nanonets::REGISTERED, harness::REGISTERED];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::ENDPOINTS;

    #[test]
    fn the_platforms_stand_in_the_order_of_their_endpoints() {
        let names = PLATFORMS.iter().map(|platform| platform.endpoints.platform);
        assert!(names.eq(ENDPOINTS.iter().map(|endpoints| endpoints.platform)));
    }
}
