/** Before any test: where the real S3 server is. It is started by the first test that needs it, and ended here. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { findS3, HOW_TO_INSTALL, type S3Place, stopS3 } from "../../scripts/s3/server.ts";

declare module "vitest" {
  export interface ProvidedContext {
    s3: (S3Place & { readonly owner: number }) | null;
  }
}

export async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), "receiptd-s3-"));
  const place = await findS3(folder);
  if (place === null) {
    const missing = `no S3 server with Object Lock: ${HOW_TO_INSTALL}`;
    if ((process.env["CI"] ?? "") !== "") throw new Error(missing);
    process.stderr.write(`\n!!! THE TESTS OF S3 ARE SKIPPED !!! ${missing}\n\n`);
  }
  project.provide("s3", place === null ? null : { ...place, owner: process.pid });
  return () => {
    if (place !== null) stopS3(place);
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
}
