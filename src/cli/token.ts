/** `receiptd token`: who may read receipts over HTTP. As the daemon's user, on its host. */
import { type Command, Option } from "commander";
import { days } from "../config/values.ts";
import { placesOf } from "../daemon/places.ts";
import { LEDGER_ORGANIZATION, ORGANIZATION } from "../format/names.ts";
import { parseTime } from "../format/time.ts";
import { createToken, MAX_ORGANIZATIONS, readTokens, revokeToken, type Scope, SCOPES, type TokenRecord } from "../http/tokens.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { printable, table } from "./table.ts";
import { shortTime } from "./times.ts";

interface CreateOptions {
  readonly scope: readonly Scope[];
  readonly organization?: readonly string[];
  readonly allOrganizations?: boolean;
  readonly expires: string;
  readonly label?: string;
}

export function addToken(program: Command, run: Run): void {
  const token = program.command("token")
    .summary("create, list and revoke tokens of the HTTP API")
    .description("Tokens for reading receipts over HTTP (receiptd http). What is read with one is recorded in the ledger under the token's id.");
  token.command("create")
    .description("Makes a token and prints it, once: only its hash is kept.")
    .addOption(new Option("--scope <scope...>", "what it is for").choices([...SCOPES]).makeOptionMandatory())
    .option("--organization <name...>", `whose receipts; ${LEDGER_ORGANIZATION}: the ledger's own`)
    .option("--all-organizations", `those of all organizations, later ones too, but not the ledger's own (add --organization ${LEDGER_ORGANIZATION})`)
    .requiredOption("--expires <duration>", "for how long: 90d, 1y")
    .option("--label <text>", "for whom, for receiptd token list")
    .addHelpText("after", examples(["receiptd token create --scope read evidence --organization loans --expires 90d --label 'audit 2026'"]))
    .action(run(create));
  token.command("list")
    .description("Lists the tokens, revoked and expired ones too, without their texts.")
    .addHelpText("after", examples(["receiptd token list"]))
    .action(run(list));
  token.command("revoke")
    .description("Takes a token back: it does not count from the next request on.")
    .argument("<id>", "as receiptd token list shows it")
    .addHelpText("after", examples(["receiptd token revoke tok-0123456789"]))
    .action(run(revoke));
}

async function create(cli: Cli, options: CreateOptions): Promise<ExitCode> {
  const names = new Set(options.organization ?? []);
  const ledger = names.delete(LEDGER_ORGANIZATION);
  const all = options.allOrganizations === true;
  const wrong = [...names].find((name) => !ORGANIZATION.test(name));
  if (wrong !== undefined) throw new CliError("bad_usage", `${wrong.slice(0, 80)} is not the name of an organization`);
  if (all && names.size > 0) throw new CliError("bad_usage", "--all-organizations and --organization with a name exclude each other");
  if (!all && names.size === 0 && !ledger) throw new CliError("bad_usage", "say whose receipts it is for", "--organization NAME…, or --all-organizations");
  if (names.size > MAX_ORGANIZATIONS) throw new CliError("bad_usage", `a token names at most ${MAX_ORGANIZATIONS} organizations`);
  if (options.scope.includes("export") && !ledger) throw new CliError("bad_usage", "an export has the ledger's own receipts in it", `add --organization ${LEDGER_ORGANIZATION}`);
  const now = Date.now();
  const { token, record } = await createToken(placesOf(cli.config).tokens, {
    scopes: [...new Set(options.scope)], organizations: all ? null : [...names], ledger, label: (options.label ?? "").slice(0, 200), expiresAt: now + lifeOf(options.expires),
  }, now);
  cli.result(
    { id: record.id, token, scopes: record.scopes, organizations: organizationsOf(record), expires_at: record.expires_at },
    () => `${token}\nThis is the token ${record.id}, for ${record.scopes.join(", ")} of ${organizationsOf(record).join(", ")}, until ${shortTime(record.expires_at)} UTC. It is shown this once.`,
  );
  return 0;
}

function lifeOf(text: string): number {
  const parsed = days("90d").safeParse(text);
  if (!parsed.success) throw new CliError("bad_usage", `--expires: ${parsed.error.issues[0]?.message ?? "not a duration"}`);
  return parsed.data;
}

function organizationsOf({ organizations, ledger }: TokenRecord): readonly string[] {
  return [...(organizations ?? ["(all)"]), ...(ledger ? [LEDGER_ORGANIZATION] : [])];
}

function list(cli: Cli): ExitCode {
  const now = Date.now();
  const tokens = readTokens(placesOf(cli.config).tokens).map((one) => ({
    id: one.id, label: one.label, scopes: one.scopes, organizations: organizationsOf(one), created_at: one.created_at, expires_at: one.expires_at, revoked_at: one.revoked_at,
    state: one.revoked_at !== null ? "revoked" : parseTime(one.expires_at)! <= now ? "expired" : "valid",
  }));
  cli.result({ tokens }, () => (tokens.length === 0 ? "There are no tokens." : table(
    ["ID", "STATE", "SCOPES", "ORGANIZATIONS", "EXPIRES (UTC)", "LABEL"],
    tokens.map((one) => [one.id, one.state, one.scopes.join(" "), one.organizations.join(" "), shortTime(one.expires_at), printable(one.label)]),
  )));
  return 0;
}

async function revoke(cli: Cli, id: string): Promise<ExitCode> {
  await revokeToken(placesOf(cli.config).tokens, id, Date.now());
  cli.result({ id, revoked: true }, () => `The token ${id} is revoked.`);
  return 0;
}
