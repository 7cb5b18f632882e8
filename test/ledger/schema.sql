CREATE UNIQUE INDEX receipt_by_id ON receipt (receipt_id);
CREATE UNIQUE INDEX receipt_by_org ON receipt (org, org_seq);
CREATE INDEX receipt_by_time ON receipt (recorded_at);
CREATE TABLE anchor (
  tree_size   INTEGER PRIMARY KEY,
  first_index INTEGER NOT NULL UNIQUE,
  root        BLOB NOT NULL CHECK (length(root) = 32)
) STRICT;
CREATE TABLE blob (
  log_index INTEGER PRIMARY KEY,
  bytes     BLOB NOT NULL
) STRICT;
CREATE TABLE ledger (
  one       INTEGER PRIMARY KEY CHECK (one = 1),
  format    INTEGER NOT NULL CHECK (format = 1),
  origin    TEXT NOT NULL,
  ledger_id TEXT NOT NULL
) STRICT;
CREATE TABLE organization (
  org         INTEGER PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  prefix      TEXT NOT NULL UNIQUE,
  first_index INTEGER NOT NULL UNIQUE
) STRICT;
CREATE TABLE receipt (
  log_index    INTEGER PRIMARY KEY,
  org          INTEGER NOT NULL,
  org_seq      INTEGER NOT NULL CHECK (org_seq >= 1),
  receipt_id   BLOB NOT NULL CHECK (length(receipt_id) = 16),
  receipt_hash BLOB NOT NULL CHECK (length(receipt_hash) = 32),
  recorded_at  INTEGER NOT NULL,             -- ms since 1970
  key_epoch    INTEGER NOT NULL CHECK (key_epoch >= 0),
  request_mac  BLOB CHECK (request_mac IS NULL OR length(request_mac) = 32)
) STRICT;
CREATE TABLE tree (
  level    INTEGER NOT NULL CHECK (level >= 8),
  position INTEGER NOT NULL,
  hash     BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER anchor_no_delete BEFORE DELETE ON anchor BEGIN SELECT RAISE(ABORT, 'append-only: anchor'); END;
CREATE TRIGGER anchor_no_update BEFORE UPDATE ON anchor BEGIN SELECT RAISE(ABORT, 'append-only: anchor'); END;
CREATE TRIGGER blob_no_delete BEFORE DELETE ON blob BEGIN SELECT RAISE(ABORT, 'append-only: blob'); END;
CREATE TRIGGER blob_no_update BEFORE UPDATE ON blob BEGIN SELECT RAISE(ABORT, 'append-only: blob'); END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'append-only: ledger'); END;
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'append-only: ledger'); END;
CREATE TRIGGER organization_no_delete BEFORE DELETE ON organization BEGIN SELECT RAISE(ABORT, 'append-only: organization'); END;
CREATE TRIGGER organization_no_update BEFORE UPDATE ON organization BEGIN SELECT RAISE(ABORT, 'append-only: organization'); END;
CREATE TRIGGER receipt_no_delete BEFORE DELETE ON receipt BEGIN SELECT RAISE(ABORT, 'append-only: receipt'); END;
CREATE TRIGGER receipt_no_update BEFORE UPDATE ON receipt BEGIN SELECT RAISE(ABORT, 'append-only: receipt'); END;
CREATE TRIGGER tree_no_delete BEFORE DELETE ON tree BEGIN SELECT RAISE(ABORT, 'append-only: tree'); END;
CREATE TRIGGER tree_no_update BEFORE UPDATE ON tree BEGIN SELECT RAISE(ABORT, 'append-only: tree'); END;
