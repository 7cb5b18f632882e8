/**
 * An S3 server in memory that may lie: path style, one bucket, as much as `receiptd doctor` uses. Signatures are not looked at; whose
 * request it is says the access key. Without `lies` it keeps the locks that it has accepted, as AWS documents.
 */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * What it does wrong. `deletes`: removes what is locked. `bypass`: COMPLIANCE like GOVERNANCE. `shortens`, `weakens`: changes locks.
 * `forgets`: takes a lock and keeps none. `overwrites`: has no versions. `pretends`: says that it removed what it keeps. `fails`: on changes of locks.
 */
export type Lie = "deletes" | "bypass" | "shortens" | "weakens" | "forgets" | "overwrites" | "pretends" | "fails";

interface Version {
  readonly key: string;
  readonly id: string;
  readonly bytes: Buffer;
  readonly isMarker: boolean;
  mode: string | null;
  until: number;
}

export interface LyingOptions {
  readonly lies?: readonly Lie[];
  /** Calls that an access key may not make: `DeleteObject`, `PutObjectRetention` … */
  readonly denied?: Readonly<Record<string, readonly string[]>>;
  /** ms that its clock is ahead. */
  readonly ahead?: number;
}

type Refusal = readonly [status: number, code: string];

export class LyingS3 {
  readonly versions: Version[] = [];
  readonly #server: Server;
  readonly #o: LyingOptions;

  private constructor(options: LyingOptions) {
    this.#o = options;
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => this.#answer(request, Buffer.concat(chunks), response));
    });
  }

  static async start(options: LyingOptions = {}): Promise<LyingS3> {
    const server = new LyingS3(options);
    await new Promise<void>((resolve) => { server.#server.listen(0, "127.0.0.1", resolve); });
    return server;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => { this.#server.close(resolve); });
  }

  #now(): number {
    return Date.now() + (this.#o.ahead ?? 0);
  }

  #lies(lie: Lie): boolean {
    return this.#o.lies?.includes(lie) === true;
  }

  #answer(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const url = new URL(request.url!, "http://localhost");
    const [, , ...rest] = url.pathname.split("/");
    const key = decodeURIComponent(rest.join("/"));
    const query = url.searchParams;
    const call = callOf(request.method!, key, query);
    response.setHeader("x-amz-request-id", randomBytes(8).toString("hex"));
    response.setHeader("date", new Date(this.#now()).toUTCString());
    const whose = /Credential=([^/]+)/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const result = this.#o.denied?.[whose]?.includes(call) === true ? [403, "AccessDenied"] as const : this.#do(call, key, query, request, body, response);
    if (!Array.isArray(result)) {
      response.end(result as string | Buffer);
      return;
    }
    const [status, code] = result as Refusal;
    response.writeHead(status, { "content-type": "application/xml" }).end(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
  }

  #do(call: string, key: string, query: URLSearchParams, request: IncomingMessage, body: Buffer, response: ServerResponse): string | Buffer | Refusal {
    const bypass = request.headers["x-amz-bypass-governance-retention"] === "true";
    const id = query.get("versionId");
    const found = this.versions.findLast((one) => one.key === key && (id === null || one.id === id));
    switch (call) {
      case "PutObject": return this.#put(key, body, request, response);
      case "GetObject":
        if (found === undefined || found.isMarker) return [404, id === null ? "NoSuchKey" : "NoSuchVersion"];
        response.setHeader("x-amz-version-id", found.id);
        response.setHeader("last-modified", new Date(this.#now()).toUTCString());
        if (found.mode !== null) {
          response.setHeader("x-amz-object-lock-mode", found.mode);
          response.setHeader("x-amz-object-lock-retain-until-date", new Date(found.until).toISOString());
        }
        return found.bytes;
      case "PutObjectRetention": return found === undefined ? [404, "NoSuchVersion"] : this.#retain(found, body.toString(), bypass);
      case "DeleteObject": return this.#remove(key, id, found, bypass, response);
      case "ListObjectVersions": return this.#list(query.get("prefix") ?? "");
      case "GetBucketVersioning": return `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`;
      case "GetObjectLockConfiguration": return `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`;
      default: return [501, "NotImplemented"];
    }
  }

  #put(key: string, bytes: Buffer, request: IncomingMessage, response: ServerResponse): string | Refusal {
    const mode = request.headers["x-amz-object-lock-mode"];
    const until = Date.parse(String(request.headers["x-amz-object-lock-retain-until-date"]));
    if (mode !== undefined && !(until > this.#now())) return [400, "InvalidArgument"];
    const there = this.versions.find((one) => one.key === key);
    if (request.headers["if-none-match"] === "*" && there !== undefined) return [412, "PreconditionFailed"];
    const locked = mode !== undefined && !this.#lies("forgets");
    const version = { key, id: randomBytes(8).toString("hex"), bytes, isMarker: false, mode: locked ? String(mode) : null, until: locked ? until : 0 };
    if (this.#lies("overwrites") && there !== undefined) this.versions.splice(this.versions.indexOf(there), 1, { ...version, id: there.id });
    else this.versions.push(version);
    response.setHeader("x-amz-version-id", version.id);
    return "";
  }

  #isKept({ mode, until }: Version, bypass: boolean): boolean {
    if (mode === null || until <= this.#now()) return false;
    return !(bypass && (mode === "GOVERNANCE" || this.#lies("bypass")));
  }

  #retain(version: Version, xml: string, bypass: boolean): string | Refusal {
    if (this.#lies("fails")) return [500, "InternalError"];
    const mode = /<Mode>(\w+)</.exec(xml)?.[1];
    const until = Date.parse(/<RetainUntilDate>([^<]+)</.exec(xml)?.[1] ?? "");
    if (mode === undefined) return [400, "MalformedXML"];
    const isShorter = until < version.until;
    const isWeaker = mode !== version.mode;
    if (this.#isKept(version, bypass) && ((isShorter && !this.#lies("shortens")) || (isWeaker && !this.#lies("weakens")))) return [403, "AccessDenied"];
    Object.assign(version, { mode, until });
    return "";
  }

  #remove(key: string, id: string | null, found: Version | undefined, bypass: boolean, response: ServerResponse): string | Refusal {
    response.statusCode = 204;
    if (id === null) {
      this.versions.push({ key, id: randomBytes(8).toString("hex"), bytes: Buffer.alloc(0), isMarker: true, mode: null, until: 0 });
      return "";
    }
    if (found === undefined) return "";
    const isKept = this.#isKept(found, bypass);
    if (isKept && this.#lies("pretends")) return "";
    if (isKept && !this.#lies("deletes")) return [403, "AccessDenied"];
    this.versions.splice(this.versions.indexOf(found), 1);
    return "";
  }

  #list(prefix: string): string {
    const rows = this.versions.filter(({ key }) => key.startsWith(prefix)).map(({ key, id, isMarker }) => {
      const tag = isMarker ? "DeleteMarker" : "Version";
      return `<${tag}><Key>${key}</Key><VersionId>${id}</VersionId><LastModified>${new Date().toISOString()}</LastModified></${tag}>`;
    });
    return `<ListVersionsResult><IsTruncated>false</IsTruncated>${rows.join("")}</ListVersionsResult>`;
  }
}

function callOf(method: string, key: string, query: URLSearchParams): string {
  if (key !== "") {
    if (query.has("retention")) return method === "PUT" ? "PutObjectRetention" : "GetObjectRetention";
    return { PUT: "PutObject", GET: "GetObject", DELETE: "DeleteObject" }[method] ?? method;
  }
  const calls = { versions: "ListObjectVersions", versioning: "GetBucketVersioning", "object-lock": "GetObjectLockConfiguration", lifecycle: "GetLifecycleConfiguration", policy: "GetBucketPolicy", encryption: "GetEncryptionConfiguration", publicAccessBlock: "GetBucketPublicAccessBlock" };
  return Object.entries(calls).find(([name]) => query.has(name))?.[1] ?? method;
}
