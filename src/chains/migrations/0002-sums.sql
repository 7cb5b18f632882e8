-- What a chain adds up to, apart from what it was opened with: an event writes what it adds, and nothing that was there before.

CREATE TABLE sums (
  chain_id TEXT PRIMARY KEY REFERENCES chains,
  entries  INTEGER NOT NULL, -- how many
  state    TEXT NOT NULL     -- JSON; of sets and agents only how many there are
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
  chain_id TEXT NOT NULL REFERENCES chains,
  name     TEXT NOT NULL,    -- of the set; '' for the agents
  member   TEXT NOT NULL,
  place    INTEGER NOT NULL, -- in the order of first appearance
  PRIMARY KEY (chain_id, name, member)
) STRICT, WITHOUT ROWID;

INSERT INTO members (chain_id, name, member, place)
  SELECT c.chain_id, '', a.value, a.key FROM chains AS c, json_each(c.state, '$.agents') AS a;
INSERT INTO members (chain_id, name, member, place)
  SELECT c.chain_id, m.key, a.value, a.key FROM chains AS c, json_each(c.state, '$.metrics') AS m, json_each(m.value) AS a WHERE m.type = 'array';

-- the operator -> leaves numbers in the digits that they have
INSERT INTO sums (chain_id, entries, state)
  SELECT c.chain_id, c.entries, json_object(
    'metrics', json((SELECT json_group_object(m.key, json(c.state -> m.fullkey)) FROM json_each(c.state, '$.metrics') AS m WHERE m.type <> 'array')),
    'sets', json((SELECT json_group_object(m.key, json_array_length(m.value)) FROM json_each(c.state, '$.metrics') AS m WHERE m.type = 'array')),
    'agents', json_array_length(c.state, '$.agents'),
    'actions', c.state ->> '$.actions',
    'bytes', (c.state ->> '$.bytes') + (SELECT ifnull(sum(octet_length(json_quote(b.member)) + 1), 0) FROM members AS b WHERE b.chain_id = c.chain_id),
    'opened', length(c.opened) * 3,
    'rules', json(ifnull(c.opened -> '$.metrics', '{}')))
  FROM chains AS c;

ALTER TABLE chains DROP COLUMN entries;
ALTER TABLE chains DROP COLUMN state;

CREATE INDEX chains_oldest ON chains (started_at) WHERE status <> 'ended';

CREATE TRIGGER members_no_update BEFORE UPDATE ON members BEGIN SELECT RAISE(ABORT, 'append-only: members'); END;
CREATE TRIGGER members_no_delete BEFORE DELETE ON members BEGIN SELECT RAISE(ABORT, 'append-only: members'); END;
CREATE TRIGGER sums_no_delete BEFORE DELETE ON sums BEGIN SELECT RAISE(ABORT, 'append-only: sums'); END;
CREATE TRIGGER sums_of_open BEFORE UPDATE ON sums WHEN (SELECT status FROM chains WHERE chain_id = OLD.chain_id) <> 'open' BEGIN SELECT RAISE(ABORT, 'append-only: the sums of a chain that has ended'); END;
