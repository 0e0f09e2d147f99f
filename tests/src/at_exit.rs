//! What is done when the process of the tests ends.

/// Has this done when the process ends by itself, whether tests have failed or not. A process that is killed does not.
#[expect(unsafe_code, reason = "std has no atexit(3)")]
pub fn at_exit(what: extern "C" fn()) {
    // SAFETY: atexit(3) keeps the pointer, and a function of the program stays where it is as long as that runs.
    assert_eq!(unsafe { nix::libc::atexit(what) }, 0, "atexit(3)");
}
