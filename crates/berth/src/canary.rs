//! The account that is made for a proof, and removed again whatever comes of it: by this process, or by the next proof
//! when this one is killed.

use berth_engine::folder::Claim;
use berth_engine::{Engine, Folder, Wanted};

use crate::account::{self, Account};
use crate::{problem, secrets};

/// The folder of the accounts whose proofs go on.
const CLAIMS: &str = "proofs";

pub struct Canary<'a> {
    pub account: Account,
    engine: &'a dyn Engine,
    wanted: &'a Wanted,
    claim: Claim,
}

impl<'a> Canary<'a> {
    /// Makes an account, after removing those of proofs that were killed.
    pub fn make(
        engine: &'a dyn Engine,
        wanted: &'a Wanted,
        folder: &Folder,
        domain: &str,
    ) -> anyhow::Result<Self> {
        for left in folder.abandoned(CLAIMS).map_err(problem::of_folder)? {
            remove(engine, wanted, left)?;
        }
        let name = secrets::random(8, b"abcdefghijklmnopqrstuvwxyz")?;
        let account = Account::new(format!("canary-{name}@{domain}"))?;
        // Written down first: between the two nobody else could know of it.
        let claim =
            folder.claim(&format!("{CLAIMS}/{name}"), &account.address).map_err(problem::of_folder)?;
        account::add(engine, wanted, &account)?;
        Ok(Self { account, engine, wanted, claim })
    }

    /// Removes the account, with all that is in its mailbox.
    pub fn remove(self) -> anyhow::Result<()> {
        remove(self.engine, self.wanted, self.claim)
    }
}

fn remove(engine: &dyn Engine, wanted: &Wanted, claim: Claim) -> anyhow::Result<()> {
    // It may have been killed before it had made the account, or after it had removed it.
    if account::exists(engine, wanted, &claim.text)? {
        account::remove(engine, wanted, &claim.text)?;
    }
    claim.withdraw().map_err(problem::of_folder)
}
