-- Chains that are open, and the records of those that have ended, which their receipts cover by hashes.

CREATE TABLE ledger (
  one       INTEGER PRIMARY KEY CHECK (one = 1),
  origin    TEXT NOT NULL,
  ledger_id TEXT NOT NULL
) STRICT;

CREATE TABLE chains (
  chain_id     TEXT PRIMARY KEY,
  organization TEXT NOT NULL,
  receipt_id   TEXT NOT NULL,   -- of the receipt that it will have
  status       TEXT NOT NULL CHECK (status IN ('open', 'ending', 'ended')),
  opened       TEXT NOT NULL,   -- JCS of the call
  started_at   INTEGER NOT NULL, -- ms since 1970
  expires_at   INTEGER NOT NULL,
  entries      INTEGER NOT NULL, -- how many
  state        TEXT NOT NULL,   -- what the events have added up to
  ending       TEXT             -- how it ended: stored before the receipt is, so that a crash changes nothing of it
) STRICT;

CREATE INDEX chains_unfinished ON chains (status, expires_at) WHERE status <> 'ended';

CREATE TABLE entries (
  chain_id TEXT NOT NULL REFERENCES chains,
  seq      INTEGER NOT NULL CHECK (seq >= 1),
  entry_id TEXT NOT NULL,
  asked    BLOB NOT NULL,  -- SHA-256 of the call, to tell one that is sent again
  kind     TEXT NOT NULL CHECK (kind IN ('event', 'approval')),
  summary  TEXT NOT NULL,  -- what the receipt says of it
  record   TEXT NOT NULL,  -- JCS; what its hash covers
  PRIMARY KEY (chain_id, seq),
  UNIQUE (chain_id, entry_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'append-only: entries'); END;
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'append-only: entries'); END;
CREATE TRIGGER chains_no_delete BEFORE DELETE ON chains BEGIN SELECT RAISE(ABORT, 'append-only: chains'); END;
CREATE TRIGGER chains_ended BEFORE UPDATE ON chains WHEN OLD.status = 'ended' BEGIN SELECT RAISE(ABORT, 'append-only: an ended chain'); END;
