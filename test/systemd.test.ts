/** The units of systemd/ by systemd's own judgement, offline; what the units and the rest of the project must agree on. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { defaultConfig } from "../src/config.ts";
import { placesOf } from "../src/daemon/places.ts";

const dir = mkdtempSync(join(tmpdir(), "receiptd-units-"));
afterAll(() => rmSync(dir, { recursive: true }));

const SERVICE = join(dir, "receiptd.service");
const ROTATE = join(dir, "receiptd-rotate.service");
const HTTP = join(dir, "receiptd-http.service");
const SOCKET = join(dir, "receiptd.socket");

/** The unit with a change, in a folder of its own. */
function units(change: (service: string) => string = (service) => service): void {
  cpSync("systemd", dir, { recursive: true });
  // `verify` looks whether the program is there; where Node is, is the host's business
  for (const file of [SERVICE, ROTATE, HTTP]) writeFileSync(file, readFileSync(file, "utf8").replace("/usr/bin/node", process.execPath));
  writeFileSync(SERVICE, change(readFileSync(SERVICE, "utf8")));
}

function analyze(...args: readonly string[]): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr, error } = spawnSync("systemd-analyze", ["--no-pager", ...args], { encoding: "utf8" });
  if (error !== undefined) throw error;
  return { code: status, said: `${stdout}${stderr}` };
}

/** The values of a setting in a unit. */
function setting(file: string, name: string): readonly string[] {
  return readFileSync(file, "utf8").split("\n").filter((line) => line.startsWith(`${name}=`)).map((line) => line.slice(name.length + 1));
}

describe("systemd-analyze", () => {
  test("verify has nothing to say, and would say something", () => {
    units();
    expect(analyze("verify", SERVICE, SOCKET, HTTP, ROTATE, ROTATE.replace(".service", ".timer"))).toEqual({ code: 0, said: "" });
    units((service) => service.replace("ProtectHome=yes", "ProtectHomes=yes"));
    expect(analyze("verify", SERVICE).said).toContain("ProtectHomes");
  });

  test("security: the rotation, which needs no network, is exposed to at most 1.2 of 10", () => {
    units();
    expect(analyze("security", "--offline=true", "--threshold=12", ROTATE)).toMatchObject({ code: 0 });
  });

  test("security: the HTTP API is exposed to at most 1.2 of 10, and cannot see a key", () => {
    units();
    expect(analyze("security", "--offline=true", "--threshold=12", HTTP)).toMatchObject({ code: 0 });
    const hidden = setting("systemd/receiptd-http.service", "InaccessiblePaths").join(" ");
    const places = placesOf(defaultConfig("/var/lib/receiptd"));
    for (const path of [places.rootKey, places.keyring, places.ratchet, places.nextKey, "/var/lib/receiptd/root.scrypt", "/var/lib/receiptd/root.kms"]) expect(hidden).toContain(`-${path}`);
    expect(setting("systemd/receiptd-http.service", "LoadCredentialEncrypted")).toEqual([]);
    expect(setting("systemd/receiptd-http.service", "CPUSchedulingPolicy")).toEqual(["idle"]);
  });

  test("the timer's next times are the quarters'", () => {
    const [when] = setting("systemd/receiptd-rotate.timer", "OnCalendar");
    const { code, said } = analyze("calendar", "--base-time=2026-11-22 00:00:00 UTC", "--iterations=2", when!);
    expect([code, said]).toEqual([0, expect.stringMatching(/2027-01-01 03:00:00[^]*2027-04-01 03:00:00/)]);
  });

  test("security: exposed to at most 1.5 of 10, and by every line that is there", () => {
    units();
    const whole = analyze("security", "--offline=true", "--threshold=15", SERVICE);
    expect(whole).toMatchObject({ code: 0, said: expect.stringMatching(/Overall exposure level for receiptd\.service: (0\.\d|1\.[0-5]) OK/) });
    units((service) => service.replace("SystemCallFilter=@system-service\n", "").replace("SystemCallFilter=~@privileged @resources\n", ""));
    expect(analyze("security", "--offline=true", "--threshold=15", SERVICE).code).not.toBe(0);
  });
});

test("the units say where the documentation says that things are", () => {
  const operations = readFileSync("docs/OPERATIONS.md", "utf8");
  const [listen] = setting("systemd/receiptd.socket", "ListenStream");
  expect(operations).toContain(`path: ${listen}`);
  expect(setting("systemd/receiptd.service", "WorkingDirectory")).toEqual(["/var/lib/receiptd"]);
  expect(operations).toContain("data_dir: /var/lib/receiptd");
  const [start] = setting("systemd/receiptd.service", "ExecStart");
  const { bin } = JSON.parse(readFileSync("package.json", "utf8")) as { readonly bin: { readonly receiptd: string } };
  expect(start).toContain(`/receiptd/${bin.receiptd} serve --config /etc/receiptd/receiptd.yaml`);
  const [rotate] = setting("systemd/receiptd-rotate.service", "ExecStart");
  expect(rotate).toContain(`/receiptd/${bin.receiptd} key rotate --scheduled --config /etc/receiptd/receiptd.yaml`);
  const [http] = setting("systemd/receiptd-http.service", "ExecStart");
  expect(http).toContain(`/receiptd/${bin.receiptd} http --config /etc/receiptd/receiptd.yaml`);
  expect(operations).toContain("systemctl enable --now receiptd-http.service");
  expect(operations).toContain("systemctl enable --now receiptd-rotate.timer");
  expect(readFileSync("systemd/receiptd.sysusers.conf", "utf8")).toMatch(/^u receiptd .* \/var\/lib\/receiptd$/m);
});
