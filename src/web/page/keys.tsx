/** Keys: those of anchors, those of receipts by epoch and period, and what was revoked. By what the ledger's own receipts say. */
import { toHex, utf8 } from "../../format/bytes.ts";
import { count } from "../../format/count.ts";
import { pureHash } from "../../format/hash.ts";
import type { Keys, Server } from "./api.ts";
import { useAsked } from "./live.ts";
import { Section, Table, Tag, Text, Time } from "./parts.tsx";

const EVERY = 60_000;

const BEGUN: Readonly<Record<string, string>> = { genesis: "with the ledger", key_rotation: "by a rotation", ratchet_break: "by a break: nothing before it vouches for it" };

export function KeyHistory({ server }: { readonly server: Server }) {
  const { value, problem } = useAsked(() => server.json<Keys>("/v1/keys"), "keys", EVERY);
  return (
    <Section id="keys" title="Keys" note="By what the ledger's own receipts say. Pin the checkpoint key from its operator, by another way than this page.">
      {value === null ? <p class="empty">{problem ?? "Not known yet."}</p> : <Known keys={value} />}
    </Section>
  );
}

function Known({ keys: { vkeys, keys, revoked, complete } }: { readonly keys: Keys }) {
  const rows = keys.map(({ key_id: id, mode, first_epoch: first, last_epoch: last, begun_by: by, since }, i) => {
    const revocation = revoked.find((one) => one.key_id === id);
    const end = keys[i + 1]?.since ?? null;
    return {
      key: `${id} ${first}`,
      cells: [
        <Text>{id}</Text>,
        revocation !== undefined ? <Tag level="bad">Revoked</Tag> : last === null ? <Tag level="good">Signs now</Tag> : <Tag level="plain">Verifies</Tag>,
        `${count(first)} to ${last === null ? "now" : count(last)}`, <><Time>{since}</Time> to {end === null ? "now" : <Time>{end}</Time>}</>, <span class="whole">{mode}</span>, BEGUN[by] ?? by,
      ],
    };
  });
  return (
    <>
      {complete ? null : <p class="note">The ledger's receipts have not all been read yet; there may be more.</p>}
      <h3>Checkpoint keys, which sign anchors</h3>
      <ul class="vkeys">{vkeys.map((vkey) => <li key={vkey}><code><Text>{vkey}</Text></code><small>fingerprint sha256:{toHex(pureHash.sha256(utf8(vkey)))}</small></li>)}</ul>
      <h3>HMAC keys, which sign receipts</h3>
      <Table caption="HMAC keys" columns={[{ head: "Key" }, { head: "State" }, { head: "Epochs" }, { head: "Period (UTC)" }, { head: "Kind" }, { head: "Begun" }]} rows={rows} empty="The ledger's receipts do not say." />
      <h3>Revocations</h3>
      <Table caption="Revocations" columns={[{ head: "Key" }, { head: "Not to be believed since (UTC)" }, { head: "Recorded at log index", isNumber: true }]}
        rows={revoked.map(({ key_id: id, compromised_since: since, log_index: index }) => ({ key: `${id} ${index}`, cells: [<Text>{id}</Text>, <Time>{since}</Time>, count(index)] }))} empty="No key was revoked." />
    </>
  );
}
