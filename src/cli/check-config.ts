/** `receiptd check-config`: reads the configuration as the daemon would and shows what is in force. */
import type { Command } from "commander";
import { stringify } from "yaml";
import { checkRecipients } from "../anchor/archive-object.ts";
import type { Config } from "../config.ts";
import { readPolicy } from "../config/policy.ts";
import { parseCosigner } from "../format/cosignature.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import type { ExitCode } from "./errors.ts";

export function addCheckConfig(program: Command, run: Run): void {
  program.command("check-config")
    .summary("check the configuration and show what is in force")
    .description("Reads the configuration as the daemon would, with all defaults and overrides, and prints it. It holds no secrets, only the paths of their files.")
    .addHelpText("after", examples(["receiptd check-config --config /etc/receiptd/receiptd.yaml"]))
    .action(run(checkConfig));
}

async function checkConfig(cli: Cli): Promise<ExitCode> {
  const { config, configFile } = cli;
  await checkRecipients(config.anchor.archive.recipients);
  if (config.policy !== null) readPolicy(config.policy);
  for (const auditor of config.auditors) parseCosigner(auditor);
  cli.result({ file: configFile ?? null, config: plain(config) }, () => [
    `# The configuration is valid. It is from ${configFile ?? "the defaults"}, with RECEIPTD_* variables applied.`,
    stringify(loadable(config), { lineWidth: 0 }).trimEnd(),
  ].join("\n"));
  return 0;
}

function plain(config: Config): object {
  return { ...config, organizations: Object.fromEntries(config.organizations) };
}

/** Durations with their unit, so that what is printed can be used as a configuration. */
function loadable(config: Config): object {
  const { limits, anchor, chains, self_check: selfCheck, http } = config;
  const ms = (duration: number): string => `${duration}ms`;
  return {
    ...plain(config),
    limits: { ...limits, line_timeout: ms(limits.line_timeout), write_timeout: ms(limits.write_timeout), wait_timeout: ms(limits.wait_timeout) },
    anchor: { ...anchor, heartbeat: ms(anchor.heartbeat), grace: ms(anchor.grace) },
    chains: { ...chains, timeout: ms(chains.timeout) },
    self_check: { ...selfCheck, interval: ms(selfCheck.interval) },
    http: { ...http, request_timeout: ms(http.request_timeout), idle_timeout: ms(http.idle_timeout) },
  };
}
