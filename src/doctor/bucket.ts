/**
 * A bucket as the daemon's identity sees it: reachable, versioned, locked, not public, and nothing set up that works against its anchors.
 * Where that identity may not look at a setting, this is said, and is no finding: a least-privileged one need not see all of them.
 */
import type { S3Connection } from "../anchor/s3/client.ts";
import { type BucketSettings, openBucket, readSettings, type Setting } from "../anchor/s3/settings.ts";
import { TargetError } from "../anchor/target.ts";
import type { S3Config } from "../anchor/targets.ts";
import { type Check, ok, problem, unchecked, warning } from "./check.ts";

const DAY = 86_400_000;

export interface BucketSeen {
  readonly checks: readonly Check[];
  /** null: the bucket cannot be reached or cannot lock, so there is nothing to try. */
  readonly connection: S3Connection | null;
  /** Server's clock minus this host's, ms; null without an answer. */
  readonly offset: number | null;
}

export async function checkBucket(config: S3Config): Promise<BucketSeen> {
  const check = `target ${config.name}`;
  const { opened, offset } = await openBucket(config);
  if (opened instanceof TargetError) {
    const { code, message } = opened;
    const why = code === "target_unavailable" ? unchecked(check, message, "see that network and server are up, and run this again") : problem(check, message, "receipts are taken meanwhile, and wait for their anchors");
    return { checks: [why], connection: null, offset };
  }
  const { connection, accessKeyId } = opened;
  const reached = ok(check, `the bucket ${config.bucket} answers, to the access key ${accessKeyId.slice(0, 128)}`);
  const settings = await readSettings(connection, config.bucket);
  const cannotLock = settings.lock.seen === "value" && settings.lock.value === null;
  return { checks: [reached, ...settingChecks(config, settings)], connection: cannotLock ? null : connection, offset };
}

/** What the settings of a bucket mean for a target. */
export function settingChecks(config: S3Config, settings: BucketSettings): readonly Check[] {
  const { bucket, prefix = "", name } = config;
  const look = <T>(what: string, setting: Setting<T>, judge: (check: string, value: T) => Check): Check => {
    const check = `target ${name}: ${what}`;
    switch (setting.seen) {
      case "value": return judge(check, setting.value);
      case "denied": return unchecked(check, `this identity may not look (${setting.action})`, `allow ${setting.action} (receiptd init --bucket ${bucket} prints the policy), or look as the bucket's owner`);
      case "unknown": return ok(check, "the server has no such setting");
      case "failed": return unchecked(check, `no clear answer (${setting.why})`, "run this again, or look as the bucket's owner");
    }
  };
  return [
    look("versioning", settings.versioning, (check, status) => (status === "Enabled" ? ok(check, status)
      : problem(check, `it is ${status ?? "off"}: whatever is there can be written over`, `aws s3api put-bucket-versioning --bucket ${bucket} --versioning-configuration Status=Enabled`))),
    look("Object Lock", settings.lock, (check, lock) => lockCheck(check, config, lock)),
    look("bucket policy", settings.policy, (check, policy) => {
      const print = `receiptd init --bucket ${bucket} --policy bucket`;
      if (policy === null) return warning(check, "there is none: what the daemon's identity may do is up to its own policies alone", `${print} prints one`);
      return policy.isPublic ? problem(check, "it lets anybody in", `${print} prints one that does not`) : ok(check, "there is one, and it is not public");
    }),
    look("public access", settings.publicAccessBlocked, (check, isBlocked) => (isBlocked ? ok(check, "blocked")
      : warning(check, "it is not blocked altogether", `aws s3api put-public-access-block --bucket ${bucket} (config/aws/README.md)`))),
    look("lifecycle", settings.expiry, (check, rules) => {
      const anchors = `${prefix}v1/`;
      const hiding = rules.filter((rule) => rule.prefix.startsWith(anchors) || anchors.startsWith(rule.prefix));
      if (hiding.length === 0) return ok(check, "no rule hides anchors");
      const names = hiding.map(({ id }) => (id ?? "without a name").slice(0, 80)).join(", ");
      return problem(check, `the rule ${names} puts delete markers over anchors when they expire; what is locked stays, and audits report each marker`, "take Expiration out of it, or give it another prefix");
    }),
    look("encryption", settings.encryption, (check, kinds) => (kinds.some((kind) => kind.startsWith("aws:kms"))
      ? warning(check, "SSE-KMS by default: whoever deletes the key destroys what is encrypted with it, locked or not", "make SSE-S3 (AES256) the default; receiptd asks AWS for it in any case")
      : ok(check, kinds.length === 0 ? "no default; receiptd asks AWS for SSE-S3" : "SSE-S3"))),
  ];
}

function lockCheck(check: string, { retention }: S3Config, lock: { readonly standard: { readonly mode: string; readonly days: number } | null } | null): Check {
  if (lock === null) return problem(check, "it is off: nothing in this bucket can be locked", "switch it on (versioning first): aws s3api put-object-lock-configuration (config/aws/README.md)");
  const { standard } = lock;
  const days = Math.floor(retention / DAY);
  if (standard === null) return ok(check, `Enabled, without a default: receiptd locks each object for ${days} days itself`);
  const text = `Enabled; by default ${standard.mode.slice(0, 20)} for ${standard.days} days, by receiptd COMPLIANCE for ${days}`;
  if (standard.mode !== "COMPLIANCE") return warning(check, `${text}: what others put there can be removed by bypass`, "make COMPLIANCE the default");
  return standard.days > days ? warning(check, `${text}, which is shorter`, "set retention of the target to what the bucket was meant to keep") : ok(check, text);
}
