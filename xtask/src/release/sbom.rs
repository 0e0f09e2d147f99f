//! What is in an image, as a list that machines read (SPDX 2.3): Debian's packages, Node and npm's packages as Syft finds
//! them in the finished image, and the crates that are linked into `berth-init`, as cargo resolves them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use fs_err as fs;
use serde_json::{Value, json};

use super::layout::Layout;
use super::notes::Built;
use crate::crates::{self, Crate};
use crate::run::run;
use crate::{programs, tools};

/// Where the list of a platform is.
pub fn path(platform: &str) -> PathBuf {
    Built::folder(platform).join("sbom.spdx.json")
}

/// Writes it.
pub fn write(platform: &str, layout: &Layout) -> Result<()> {
    let path = path(platform);
    let mut scan = tools::linter("syft")?;
    scan.env("PYTHONPATH", std::path::absolute(".tools/python")?);
    scan.env("SYFT_CHECK_FOR_APP_UPDATE", "false").env("SYFT_FILE_METADATA_SELECTION", "none");
    scan.args(["scan", "--quiet", "--source-name", "image", "--platform", platform]);
    scan.arg(format!("oci-dir:{}", layout.folder.display())).arg("--output");
    run(
        &format!("list what is in the image for {platform}"),
        scan.arg(format!("spdx-json={}", path.display())),
    )?;
    let mut list: Value =
        serde_json::from_str(&fs::read_to_string(&path)?).context("cannot read what syft wrote")?;
    without_files(&mut list);
    let (_, architecture) = platform.split_once('/').context("a platform is OS/ARCHITECTURE")?;
    add(&mut list, crates::of("berth-init", programs::machine(architecture)?)?)?;
    fs::write(&path, list.to_string())?;
    Ok(())
}

/// Ten times as long with them, and a file's package is of no use to whoever looks for a package.
fn without_files(list: &mut Value) {
    list["files"] = json!([]);
    let packages = list["packages"].as_array().into_iter().flatten();
    let known: BTreeSet<_> =
        packages.filter_map(|package| package["SPDXID"].as_str()).map(str::to_owned).collect();
    let is_known = |id: &Value| id == "SPDXRef-DOCUMENT" || id.as_str().is_some_and(|id| known.contains(id));
    if let Some(relationships) = list["relationships"].as_array_mut() {
        relationships.retain(|it| is_known(&it["spdxElementId"]) && is_known(&it["relatedSpdxElement"]));
    }
}

fn add(list: &mut Value, crates: Vec<Crate>) -> Result<()> {
    let document = list["relationships"].as_array().into_iter().flatten();
    let mut described = document.filter(|it| it["relationshipType"] == "DESCRIBES");
    let image = described.next().map(|it| it["relatedSpdxElement"].clone());
    let image = image.context("syft does not say which package is the image")?;
    for Crate { name, version, licence } in crates {
        let id = format!("SPDXRef-Package-cargo-{name}-{version}").replace(['_', '+'], "-");
        list["packages"].as_array_mut().context("a list has packages")?.push(json!({
            "name": name, "SPDXID": id, "versionInfo": version, "supplier": "NOASSERTION",
            "downloadLocation": "NOASSERTION", "filesAnalyzed": false, "copyrightText": "NOASSERTION",
            "sourceInfo": "linked into /usr/local/bin/berth-init",
            "licenseConcluded": "NOASSERTION", "licenseDeclared": licence,
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": format!("pkg:cargo/{name}@{version}"),
            }],
        }));
        list["relationships"].as_array_mut().context("a list has relationships")?.push(json!({
            "spdxElementId": image, "relatedSpdxElement": id, "relationshipType": "CONTAINS",
        }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_added_to_the_image_and_files_are_left_out() {
        let image = json!({"SPDXID": "SPDXRef-image"});
        let describes = json!({"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": "SPDXRef-image", "relationshipType": "DESCRIBES"});
        let file = json!({"spdxElementId": "SPDXRef-image", "relatedSpdxElement": "SPDXRef-File-a", "relationshipType": "OTHER"});
        let mut list = json!({"packages": [image], "files": [{"SPDXID": "SPDXRef-File-a"}], "relationships": [describes, file]});
        without_files(&mut list);
        let one = Crate { name: "a_b".to_owned(), version: "1.0.0+x".to_owned(), licence: "MIT".to_owned() };
        add(&mut list, vec![one]).unwrap();
        assert_eq!(list["files"], json!([]));
        assert_eq!(list["relationships"].as_array().unwrap().len(), 2);
        assert_eq!(list["relationships"][1]["relatedSpdxElement"], "SPDXRef-Package-cargo-a-b-1.0.0-x");
        assert_eq!(list["packages"][1]["externalRefs"][0]["referenceLocator"], "pkg:cargo/a_b@1.0.0+x");
    }
}
