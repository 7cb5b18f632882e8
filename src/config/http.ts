/** The section `http`: what `receiptd http` listens on, and what anybody may take up of it. */
import { isIP } from "node:net";
import { z } from "zod";
import { duration, section, text, wanted, whole } from "./values.ts";

function isProxy(value: string): boolean {
  const [address = "", bits, ...rest] = value.split("/");
  const version = isIP(address);
  const isLength = bits === undefined || (/^[0-9]{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
  return version !== 0 && isLength && rest.length === 0;
}

const proxy = z.string().refine(isProxy, wanted("the address of a proxy, or a network", '"127.0.0.1"'));

export const http = section({
  listen: text("an address and a port", "127.0.0.1:7463", /^(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9.-]+):(?:0|[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$/)
    .default("127.0.0.1:7463"),
  trust_proxy: z.array(proxy, wanted("a list of addresses", '["127.0.0.1"]')).max(16).default([]),
  public_numbers: z.boolean(wanted("true or false", "true")).default(true),
  rate: section({
    per_client: whole(1_000_000, 120).default(120),
    overall: whole(100_000, 200).default(200),
  }),
  max_page: whole(1000, 100).default(100),
  max_connections: whole(65_535, 256).default(256),
  request_timeout: duration("10ms", "10s").prefault("10s"),
  idle_timeout: duration("10ms", "30s").prefault("30s"),
});
