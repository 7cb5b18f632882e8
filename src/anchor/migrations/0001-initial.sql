-- The outbox: what this host has signed, and what each target has confirmed. Rows are added and never changed.

CREATE TABLE ledger (
  one       INTEGER PRIMARY KEY CHECK (one = 1),
  origin    TEXT NOT NULL,
  ledger_id TEXT NOT NULL
) STRICT;

-- The root is stored before it is signed, so that no crash lets a second root be signed for a size.
CREATE TABLE signed (
  tree_size INTEGER PRIMARY KEY CHECK (tree_size >= 1),
  root      BLOB NOT NULL CHECK (length(root) = 32),
  note      TEXT
) STRICT;

-- Anchors that were read back from a target, byte for byte.
CREATE TABLE confirmed (
  target        TEXT NOT NULL,
  tree_size     INTEGER NOT NULL CHECK (tree_size >= 1),
  version_id    TEXT NOT NULL,
  last_modified INTEGER NOT NULL, -- ms since 1970, the target's clock
  PRIMARY KEY (target, tree_size)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'append-only: ledger'); END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'append-only: ledger'); END;
CREATE TRIGGER signed_once BEFORE UPDATE ON signed
  WHEN OLD.note IS NOT NULL OR NEW.note IS NULL OR NEW.root IS NOT OLD.root OR NEW.tree_size IS NOT OLD.tree_size
  BEGIN SELECT RAISE(ABORT, 'append-only: signed'); END;
CREATE TRIGGER signed_no_delete BEFORE DELETE ON signed BEGIN SELECT RAISE(ABORT, 'append-only: signed'); END;
CREATE TRIGGER confirmed_no_update BEFORE UPDATE ON confirmed BEGIN SELECT RAISE(ABORT, 'append-only: confirmed'); END;
CREATE TRIGGER confirmed_no_delete BEFORE DELETE ON confirmed BEGIN SELECT RAISE(ABORT, 'append-only: confirmed'); END;
