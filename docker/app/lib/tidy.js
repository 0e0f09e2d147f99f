// What housekeeping does to the file of a mailbox. Only `sqlite` can, while it has the user's key.
const KEPT = 30 * 24 * 3600 * 1000; // ms that a mail stays in Trash and Spam, as the application has it

// A mail keeps its date when it is moved, so since when it is there is noted when it is first seen there.
const SCHEMA = `CREATE TABLE IF NOT EXISTS expiring (
  folder INTEGER NOT NULL, uid INTEGER NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (folder, uid)) WITHOUT ROWID`;
const FROM = "FROM messages JOIN folders ON folders.id = folder WHERE special IN ('\\Trash', '\\Junk')";

// Returns how many mails have expired.
export function tidy(mailbox, now = Date.now()) {
  mailbox.transaction(() => {
    mailbox.db.exec(SCHEMA);
    mailbox.run(`INSERT OR IGNORE INTO expiring SELECT folder, uid, ? ${FROM}`, now);
    mailbox.run(`DELETE FROM expiring WHERE (folder, uid) NOT IN (SELECT folder, uid ${FROM})`);
  });
  const text = 'SELECT folder, json_group_array(uid) AS uids FROM expiring WHERE since < ? GROUP BY folder';
  const expired = mailbox
    .all(text, now - KEPT)
    .flatMap(({ folder, uids }) => mailbox.discard({ folder, uids: JSON.parse(uids) }));
  shrink(mailbox);
  return expired.length;
}

// What the planner knows of the file is renewed, and its write-ahead log is emptied into it.
export function shrink(store) {
  store.db.pragma('optimize');
  store.db.pragma('wal_checkpoint(TRUNCATE)');
}
