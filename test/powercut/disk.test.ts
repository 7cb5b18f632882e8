import { describe, expect, test } from "vitest";
import { acknowledgedAt, cachedImage, cuts, imageAt } from "./disk.ts";
import { History, bytes, images, possible, text } from "./history.ts";

describe("names", () => {
  /** The careful way to replace a file, up to but without the sync of the directory. */
  function replace(syncFile: boolean): History {
    const history = new History();
    const old = history.file("f");
    history.write(old, 0, bytes("old"));
    history.sync("all");
    const tmp = history.file("f.tmp");
    history.write(tmp, 0, bytes("new"));
    if (syncFile) history.sync(tmp);
    history.tree.rename(history.call(), ["f.tmp"], ["f"]);
    return history;
  }

  test.each(["posix", "ext4"] as const)("%s: a replaced file is the old or the new one, then the new one", (names) => {
    const history = replace(true);
    expect(possible(images(history, { names }), "f")).toEqual(new Set(["old", "new"]));
    history.sync(0);
    expect(possible(images(history, { names }), "f")).toEqual(new Set(["new"]));
    expect(possible(images(history, { names }), "f.tmp")).toEqual(new Set([undefined]));
  });

  test.each(["posix", "ext4"] as const)("%s: a replacement that was not synced may be empty", (names) => {
    const history = replace(false);
    history.sync(0);
    expect(possible(images(history, { names }), "f")).toEqual(new Set(["new", "___", ""]));
  });

  test("posix: syncing a new file does not keep its name; ext4: it does, and the names before", () => {
    const history = new History();
    history.file("first");
    const file = history.file("f");
    history.sync(file);
    const last = history.file("last");
    history.sync(last, true);
    const posix = images(history, { names: "posix" });
    const ext4 = images(history, { names: "ext4" });
    for (const path of ["first", "f", "last"]) expect(possible(posix, path)).toEqual(new Set([undefined, ""]));
    expect(possible(ext4, "f")).toEqual(new Set([""]));
    expect(possible(ext4, "first")).toEqual(new Set([""]));
    expect(possible(ext4, "last")).toEqual(new Set([undefined, ""]));
  });

  test("ext4: syncing a file whose name is kept does not keep other names", () => {
    const history = new History();
    const file = history.file("f");
    history.sync("all");
    history.file("g");
    history.sync(file);
    expect(possible(images(history, { names: "ext4" }), "g")).toEqual(new Set([undefined, ""]));
  });

  test("ext4 loses the last changes of names, posix any", () => {
    const history = new History();
    history.file("1");
    history.file("2");
    const secondOnly = (names: "posix" | "ext4"): boolean =>
      images(history, { names }).some((image) => image.has("2") && !image.has("1"));
    expect(secondOnly("ext4")).toBe(false);
    expect(secondOnly("posix")).toBe(true);
  });

  test("posix: a rename between directories needs a sync of both, and is whole", () => {
    const history = new History();
    const [from, to] = ["from", "to"].map((name) => history.tree.create(history.call(), [name], "directory"));
    const file = history.file("from", "f");
    history.write(file, 0, bytes("x"));
    history.sync("all");
    history.tree.rename(history.call(), ["from", "f"], ["to", "f"]);
    const places = (): ReadonlySet<string> => new Set(images(history).map((image) => [...image.keys()].join(" ")));
    const [before, after] = ["from/ from/f to/", "from/ to/ to/f"];
    history.sync(to ?? -1);
    expect(places()).toEqual(new Set([before, after]));
    history.sync(from ?? -1);
    expect(places()).toEqual(new Set([after]));
  });

  test("an unlinked file may come back until the directory is synced", () => {
    const history = new History();
    history.file("f");
    history.sync("all");
    history.tree.unlink(history.call(), ["f"]);
    expect(possible(images(history), "f")).toEqual(new Set([undefined, ""]));
    history.sync(0);
    expect(possible(images(history), "f")).toEqual(new Set([undefined]));
  });

  test("two names of a file are one file", () => {
    const history = new History();
    const file = history.file("f");
    history.tree.link(history.call(), ["f"], ["g"]);
    history.sync("all");
    history.write(file, 0, bytes("x", 5000));
    for (const image of images(history)) expect(image.get("g")).toEqual(image.get("f"));
  });

  test("what is in a directory that is lost is lost", () => {
    const history = new History();
    const directory = history.tree.create(history.call(), ["d"], "directory");
    const file = history.file("d", "f");
    history.sync(file);
    history.sync(directory);
    expect(new Set(images(history).map((image) => image.size))).toEqual(new Set([0, 2]));
  });

  test("shared memory and sockets are never there", () => {
    const history = new History();
    history.file("a.db-shm");
    history.tree.create(history.call(), ["socket"], "other");
    history.file("a.db");
    history.sync("all");
    for (const image of images(history)) expect([...image.keys()]).toEqual(["a.db"]);
  });
});

describe("cuts", () => {
  function history(): History {
    const made = new History();
    const file = made.file("a");
    for (let i = 0; i < 20; i++) {
      made.write(file, i, bytes("x"));
      made.tree.acknowledge(made.call(), i % 2 ? "socket:[1]" : "socket:[2]", bytes(String.fromCharCode(97 + i)));
    }
    return made;
  }

  test("are the same for the same seed, and so are the images", () => {
    const { trace } = history();
    expect(cuts(trace, 20, 5)).toEqual(cuts(trace, 20, 5));
    expect(cuts(trace, 20, 5)).not.toEqual(cuts(trace, 20, 6));
    for (const cut of cuts(trace, 20, 5)) expect(imageAt(trace, cut)).toEqual(imageAt(trace, cut));
  });

  test("are all over the trace, and one is at its end", () => {
    const { trace } = history();
    const at = cuts(trace, 60, 1).map((cut) => cut.at);
    expect(at).toHaveLength(60);
    expect(Math.max(...at)).toBe(trace.end);
    expect(Math.min(...at)).toBeLessThan(trace.end / 4);
    expect(new Set(at).size).toBeGreaterThan(20);
  });

  test("an acknowledgement counts from the moment its call is entered", () => {
    const { trace } = history();
    const first = trace.events.find((event) => event.kind === "acknowledge")?.begin ?? -1;
    expect(acknowledgedAt(trace, first)).toEqual(new Map());
    expect(acknowledgedAt(trace, first + 1)).toEqual(new Map([["socket:[2]", bytes("a")]]));
    expect(acknowledgedAt(trace, trace.end)).toEqual(
      new Map([
        ["socket:[2]", bytes("acegikmoqs")],
        ["socket:[1]", bytes("bdfhjlnprt")],
      ]),
    );
  });

  test("without one, everything is there", () => {
    expect(text(cachedImage(history().trace).get("a"))).toBe("x".repeat(20));
  });
});
