/** The number of a group. Node has no getgrnam; a name is looked up in /etc/group, as `getent` would without a directory service. */
import { readFileSync } from "node:fs";
import { SocketError } from "../intake/server.ts";

export function groupNumber(group: string | number | null): number | null {
  if (group === null || typeof group === "number") return group;
  for (const line of readFileSync("/etc/group", "utf8").split("\n")) {
    const [name, , gid] = line.split(":");
    if (name === group && gid !== undefined) return Number(gid);
  }
  throw new SocketError("no_such_group", `socket.group: there is no group ${group} in /etc/group; give its number instead`);
}
