//! What holds of every image that `berth up` brings up, whatever application is in it: health is told truly, roles end in
//! their time and come back, a store that is away ends nothing, a renewed certificate is shown, and nobody has more rights
//! than he needs. Where accounts can be made, clients sign in, and mails go in meanwhile.
//!
//! Here it is tried on the sample, and by `cargo xtask release proven` on a published image that was made ours:
//! BERTH_TEST_IMAGE names another image, BERTH_TEST_UP has other words for `berth up`, as a list in JSON.

mod certificates;
mod ending;
mod hardening;
mod health_checks;
mod stores;
