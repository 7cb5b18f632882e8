/** The composition root: starts the parts in order, stops them in reverse. Nothing here decides anything about a receipt. */
import type { Logger } from "pino";
import { BatchCloser } from "../anchor/closer.ts";
import { type PublisherClient, startPublisher } from "../anchor/client.ts";
import { startSchedule } from "../anchor/schedule.ts";
import { type Config, DEFAULT_ORIGIN } from "../config.ts";
import { readPolicy } from "../config/policy.ts";
import type { AnchorReason } from "../format/fields.ts";
import { parseCosigner } from "../format/cosignature.ts";
import { requestKey } from "../format/mac.ts";
import { inheritedSocket } from "../intake/activation.ts";
import { Intake } from "../intake/intake.ts";
import { DoorPolicy } from "../intake/policy.ts";
import { type IntakeServer, listen } from "../intake/server.ts";
import { EpochKeys } from "../keys/epoch-keys.ts";
import { KeyError } from "../keys/errors.ts";
import { newId } from "../keys/new-id.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { type Keyring, openKeyring, signingKey } from "../keys/keyring.ts";
import { RatchetFile } from "../keys/ratchet-file.ts";
import type { RootKey } from "../keys/root-key.ts";
import { keyringProblem, startsOf } from "../keys/seed.ts";
import { LedgerError } from "../ledger/errors.ts";
import { Checkpointer } from "../ledger/checkpointer.ts";
import { announcedIn } from "../ledger/keys-said.ts";
import { tornText } from "../ledger/left-over.ts";
import { Reader } from "../ledger/reader.ts";
import { Writer } from "../ledger/writer.ts";
import { readNextCheckpoint } from "../keys/next-checkpoint.ts";
import { checkpointPeriods, signingKeyOf, signingPeriods } from "./checkpoint-key.ts";
import { CheckpointKeys } from "./checkpoint-keys.ts";
import { startChains } from "./chains.ts";
import { startControl } from "./control.ts";
import { openKeys, writerOptions } from "./init.ts";
import { Attestations } from "./attestations.ts";
import { KeyChanges } from "./key-changes.ts";
import { placesOf } from "./places.ts";
import { Port } from "./port.ts";
import { openState } from "./ratchet.ts";
import { SelfCheck } from "./self-check.ts";
import { takeBack } from "../recover/order.ts";
import { recordRecoveries } from "./recoveries.ts";
import { groupNumber } from "./group.ts";

export interface Daemon {
  readonly origin: string;
  readonly vkey: string;
  readonly ledgerId: string;
  /** Takes no more calls, answers those taken, closes and publishes a last batch. */
  stop(): Promise<void>;
}

/** ms */
const COMPARE_PATIENCE = 10_000;
const DRAIN = 10_000;
const LAST_ANCHOR = 10_000;

export async function startDaemon(config: Config, log: Logger, onFatal: (error: Error) => void): Promise<Daemon> {
  const startedAt = Date.now();
  const inherited = inheritedSocket(process, config.socket.path);
  const places = placesOf(config);
  const auditors = config.auditors.map(parseCosigner);
  const policy = config.policy === null ? null : readPolicy(config.policy);
  const { root, keyring } = await openKeys(config);
  const undo: (() => unknown)[] = [];
  try {
    takeBack(places.recovery, places.ledger);
    const writer = Writer.open(places.ledger, {
      ...writerOptions(config),
      onTorn: (torn) => log.error(torn, tornText(torn)),
      onMarkLost: (err) => log.error({ err }, "ledger.db-acks cannot be written: should the log be damaged, nobody could tell what was acknowledged; give the file to the daemon's user, or remove it"),
    });
    undo.push(() => writer.close());
    if (writer.ledgerId !== keyring.ledgerId || writer.origin !== keyring.origin) {
      throw new KeyError("wrong_ledger", `the keyring is that of ledger ${keyring.ledgerId}, the ledger is ${writer.ledgerId}`);
    }
    // the default is no choice that a ledger of another name could contradict
    if (config.origin !== writer.origin && config.origin !== DEFAULT_ORIGIN) {
      throw new LedgerError("wrong_origin", `the origin of the ledger in ${config.data_dir} is ${writer.origin}, the configuration says ${config.origin}`);
    }
    const reader = new Reader(places.ledger, nodeHash.sha256);
    undo.push(() => reader.close());
    const changed = keyringProblem(keyring, (epoch) => announcedIn(reader, epoch));
    if (changed !== null) throw new KeyError("key_file_damaged", changed);
    const periods = checkpointPeriods(reader, keyring.checkpointKeys);
    signingKeyOf(config, periods, readNextCheckpoint(places.nextCheckpoint, keyring, root));
    const ratchet = new RatchetFile(places.ratchet, root, keyring.ledgerId);
    const key = signingKey(keyring, writer.keyId);
    const kept = ratchet.load(key.keyId);
    const state = openState(reader, keyring.ledgerId, key, kept);
    kept?.key.fill(0);
    // before anything is stored: nobody could step the ratchet back
    if (state.epoch !== writer.epoch) throw new LedgerError("ledger_corrupt", `the index says that epoch ${writer.epoch} is open, the newest anchor receipt that it is ${state.epoch}; run: receiptd audit`);
    undo.push(() => ratchet.close());
    await ratchet.store(state); // also where it has not moved: a crash may have left the key of the epoch before beside it
    const keys = new EpochKeys(keyring, state);

    const fatal = (error: Error): void => {
      log.fatal({ err: error }, "cannot go on");
      onFatal(error);
    };
    const checkpointer = new Checkpointer(places.ledger, fatal);
    undo.push(() => checkpointer.stop());
    writer.leaveCheckpointsTo(checkpointer);
    const publisher = startPublisher({
      ledgerPath: places.ledger,
      outboxPath: places.outbox,
      ledger: { origin: writer.origin, ledgerId: writer.ledgerId },
      targets: config.anchor.targets,
      archive: config.anchor.archive.enabled ? { folder: places.archive, recipients: config.anchor.archive.recipients } : null,
      checkpointKeys: signingPeriods(config, periods),
      signableSize: writer.previousAnchor?.treeSize ?? 0, // the ratchet was stepped above
      onFatal: fatal,
    });
    undo.push(() => publisher.stop());
    const refusal = watchTargets(publisher, log);
    const closer = new BatchCloser({
      writer, keys, ratchet,
      maxBatch: config.anchor.max_batch,
      heartbeat: config.anchor.heartbeat,
      grace: config.anchor.grace,
      observed: () => publisher.observed(),
      signable: (treeSize) => publisher.closed(treeSize),
      fatal,
    });
    await Promise.race([publisher.ready.catch(fatal), sleep(COMPARE_PATIENCE)]);

    /** Closes a batch where that is allowed; a full disk is tried again with the next tick. */
    const close = (reason: AnchorReason): void => {
      if (refusal() !== null) return;
      try {
        const closed = closer.close(reason);
        log.info({ tree_size: closed.treeSize, count: closed.count, reason }, "batch closed");
      } catch (error) {
        if (!(error instanceof LedgerError) || error.fatal) fatal(error as Error);
        else log.error({ err: error }, "the batch could not be closed; trying again with the next tick");
      }
    };

    const checkpoint = new CheckpointKeys({ places, root, periods, publisher, hasTargets: config.anchor.targets.length > 0, newId, log });
    const changes = new KeyChanges({ places, root, ledger: { origin: writer.origin, ledgerId: writer.ledgerId }, writer, keys, closer, checkpoint, newId, log });
    const attestations = new Attestations({ auditors, writer, reader, closer, newId, log });
    const selfCheck = config.self_check.enabled ? startSelfCheck(config, root, keyring, writer, keys, log) : null;
    undo.push(() => selfCheck?.stop());
    let server: IntakeServer | null = null;
    const door = policy === null ? null : new DoorPolicy(policy);
    const chains = startChains(config, { writer, reader }, (systemId, approvers) => door?.checkChain(systemId, approvers), () => port, log);
    undo.push(() => chains.stop());
    const port = new Port({
      writer, reader, keys, closer, changes, attestations, chains, publisher, selfCheck, refusal, fatal, startedAt,
      checkpoint,
      dataDir: config.data_dir,
      policy: policy === null ? null : { version: policy.version, hash: policy.hash, systems: [...policy.systems.keys()] },
      failClosedAfter: config.anchor.fail_closed_after,
      load: () => ({ connections: server?.connections() ?? 0, latency: intake.latency.read() }),
    });
    const intake = new Intake({
      port, newId,
      ack: config.ack,
      maxAppendMany: Math.min(config.limits.max_append_many, config.anchor.max_batch - 1),
      maxWait: config.limits.wait_timeout,
      policy: door,
      onInternalError: (error) => log.error({ err: error }, "a call failed inside receiptd"),
    });
    undo.push(() => intake.stop());
    server = await listen({
      path: config.socket.path,
      inherited,
      mode: Number.parseInt(config.socket.mode, 8),
      group: groupNumber(config.socket.group),
      maxConnections: config.limits.max_connections,
      maxBuffered: config.limits.max_buffered,
      limits: {
        maxMessage: config.limits.max_message,
        maxInFlight: config.limits.max_in_flight,
        lineTimeout: config.limits.line_timeout,
        writeTimeout: config.limits.write_timeout,
      },
    }, intake);
    const listening = server;
    undo.push(() => listening.drain(0));
    // What was left open, and the word that the daemon is back: before the first call is read, and only by a daemon that has its socket.
    if (refusal() === null) recordRecoveries({ places, writer, closer, log });
    if (refusal() === null) await changes.takeUp().catch((error: unknown) => log.error({ err: error }, "what receiptd key has left in the data folder could not be taken up"));
    close("start");
    const control = await startControl(config, { closer, keys, reader, refusal, fatal, state: () => port.state(), status: () => port.status() }, log);
    undo.push(() => control?.drain(0));
    const schedule = startSchedule({
      cron: config.anchor.schedule,
      heartbeatMs: config.anchor.heartbeat,
      now: Date.now,
      openCount: () => writer.openBatch.count,
      lastAnchorAt: () => (writer.previousAnchorAt === 0 ? null : writer.previousAnchorAt),
      onTick: close,
    });
    log.info({ socket: config.socket.path, activated: inherited !== null, ledger: writer.origin, size: writer.size, refusing: refusal()?.code ?? null }, "taking receipts");

    return {
      origin: writer.origin,
      vkey: checkpoint.vkey,
      ledgerId: writer.ledgerId,
      async stop() {
        schedule.stop();
        const unwatched = selfCheck?.stop();
        await Promise.all([listening.drain(DRAIN), control?.drain(DRAIN)]); // from here on nothing comes that the last anchor would leave out
        await intake.stop();
        chains.stop();
        await changes.settled();
        close("shutdown");
        await closer.settled();
        if (refusal() === null) await anchored(port, writer.previousAnchor?.treeSize ?? 0);
        await publisher.stop();
        await unwatched;
        await ratchet.close();
        reader.close();
        await checkpointer.stop();
        writer.close();
        log.info({ size: writer.size }, "stopped");
      },
    };
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

/** With the keys whose seeds the host has: of a forward-secure key nothing leaves this thread. */
function startSelfCheck(config: Config, root: RootKey, keyring: Keyring, writer: Writer, keys: EpochKeys, log: Logger): SelfCheck {
  const places = placesOf(config);
  let known = keyring;
  return new SelfCheck({
    ledgerPath: places.ledger,
    ledger: { origin: writer.origin, ledgerId: writer.ledgerId },
    requestKey: requestKey(keyring.requestSecret, keyring.ledgerId, nodeHash),
    share: config.self_check.processor / 100,
    interval: config.self_check.interval,
    writer, keys, log,
    starts() {
      try {
        if (!known.hmacKeys.some(({ keyId }) => keyId === keys.keyId)) known = openKeyring(places.keyring, root); // it was rotated
      } catch (error) {
        if (!(error instanceof KeyError)) throw error;
        log.error({ err: error }, "the keyring cannot be read any more: the self-check checks no MAC of the newest key's closed epochs");
      }
      return startsOf(known, null);
    },
  });
}

/** Keeps no process alive. */
function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}

/** Resolves when the last anchor is confirmed, or after a while: the outbox publishes it at the next start. */
function anchored(port: Port, treeSize: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LAST_ANCHOR);
    port.onAnchored(treeSize, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Turns what the publisher found at the targets into the reason for refusing receipts; tells the log of that, and of a signer that is away. */
function watchTargets(publisher: PublisherClient, log: Logger): () => { readonly code: string; readonly message: string } | null {
  let last: string | null = null;
  let lastSigner: string | null = null;
  publisher.onProgress(() => {
    const { refusal, signerError } = publisher.status();
    if (signerError !== lastSigner) {
      if (signerError === null) log.info("anchors are signed again");
      else log.error({ error: signerError }, "anchors cannot be signed; they wait, and receipts are taken");
    }
    lastSigner = signerError;
    if (refusal !== null && refusal.code !== last) log.fatal({ code: refusal.code }, refusal.message);
    last = refusal?.code ?? null;
  });
  return () => publisher.status().refusal;
}
