//! Accounts of the application, made by its own `admin.js`.

use anyhow::Context;
use berth_canary::Mailbox;
use berth_engine::{Engine, Folder, Means, Wanted};
use berth_report::{Code, Problem};
use serde::{Deserialize, Serialize};

use crate::{problem, secrets};

const SCRIPT: &str = "admin.js";
const FILE: &str = "account.json";

/// An account with its password.
#[derive(Clone, Serialize, Deserialize)]
pub struct Account {
    pub address: String,
    pub password: String,
    /// Whether the application knows it: the password is written down before the account is made.
    made: bool,
}

impl Account {
    pub fn new(address: String) -> anyhow::Result<Self> {
        Ok(Self { address, password: secrets::password()?, made: false })
    }

    pub fn mailbox(&self) -> Mailbox {
        Mailbox { address: self.address.clone(), password: self.password.clone().into() }
    }
}

/// Whether accounts can be made at all.
pub fn possible(wanted: &Wanted) -> bool {
    match &wanted.means {
        Means::Processes(processes) => processes.app.join(SCRIPT).exists(),
        Means::Containers(containers) => containers.scripts.is_some(),
    }
}

/// Has the account made again by the next `up`: its mailbox is gone.
pub fn forget(folder: &Folder) -> anyhow::Result<()> {
    let kept = folder.read(FILE)?.map(|text| serde_json::from_str::<Account>(&text)).transpose()?;
    kept.map_or(Ok(()), |account| keep(folder, &Account { made: false, ..account }))
}

/// The account to try the service with by hand, made at the first start.
pub fn first(engine: &dyn Engine, wanted: &Wanted, folder: &Folder, domain: &str) -> anyhow::Result<Account> {
    let kept = folder.read(FILE)?.map(|text| serde_json::from_str(&text));
    let kept = kept.transpose().context("account.json in the state folder cannot be read")?;
    let mut account: Account = kept.map_or_else(|| Account::new(format!("hello@{domain}")), Ok)?;
    if !account.made {
        keep(folder, &account)?;
        if !exists(engine, wanted, &account.address)? {
            add(engine, wanted, &account)?;
        }
        account.made = true;
        keep(folder, &account)?;
    }
    Ok(account)
}

/// What `user list --json` says of an account, as far as it matters here.
#[derive(Deserialize)]
struct Listed {
    address: String,
}

/// Whether the application knows such an account.
pub fn exists(engine: &dyn Engine, wanted: &Wanted, address: &str) -> anyhow::Result<bool> {
    let all: Vec<Listed> = serde_json::from_str(&admin(engine, wanted, &["user", "list", "--json"], "")?)?;
    Ok(all.iter().any(|other| other.address.eq_ignore_ascii_case(address)))
}

fn keep(folder: &Folder, account: &Account) -> anyhow::Result<()> {
    Ok(folder.write(FILE, &serde_json::to_vec_pretty(account)?)?)
}

pub fn add(engine: &dyn Engine, wanted: &Wanted, account: &Account) -> anyhow::Result<()> {
    admin(engine, wanted, &["user", "add", &account.address, "--password-stdin"], &account.password).map(drop)
}

pub fn remove(engine: &dyn Engine, wanted: &Wanted, address: &str) -> anyhow::Result<()> {
    admin(engine, wanted, &["user", "remove", address], "").map(drop)
}

fn admin(engine: &dyn Engine, wanted: &Wanted, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let script: Vec<&str> = [SCRIPT].into_iter().chain(arguments.iter().copied()).collect();
    let output = engine.exec(wanted, &script, input).map_err(problem::of)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let problem = Problem::new(Code::Failure, format!("node {} failed", script.join(" ")));
    Err(problem.because(anyhow::anyhow!("{}: {said}", output.status)).into())
}
