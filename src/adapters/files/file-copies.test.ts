import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileCopies } from "./file-copies.ts";

const copies = fileCopies({ configFile: "retrofill.config.ts" });
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "copies-"));
  await mkdir(join(dir, "from", "a", "b"), { recursive: true });
  await writeFile(join(dir, "from", "one.txt"), "one");
  await writeFile(join(dir, "from", "a", "b", "two.txt"), "twotwo");
  await writeFile(join(dir, "from", "a", "half.txt.1f.part"), "ha");
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe("a copy of a folder", () => {
  it("holds every file but temporaries, as links where they are allowed", async () => {
    const copied = await copies.copyTree(join(dir, "from"), join(dir, "to"), { link: true });
    expect(copied).toEqual({ files: 2, bytes: 9, linked: 2 });
    expect(await readFile(join(dir, "to", "a", "b", "two.txt"), "utf8")).toBe("twotwo");
    expect(await readdir(join(dir, "to", "a"))).toEqual(["b"]);
    const [source, target] = await Promise.all(["from", "to"].map((at) => stat(join(dir, at, "one.txt"))));
    expect(target?.ino).toBe(source?.ino);
  });

  it("has files of its own where they may grow", async () => {
    const copied = await copies.copyTree(join(dir, "from"), join(dir, "to"), { link: false });
    expect(copied).toEqual({ files: 2, bytes: 9, linked: 0 });
    await appendFile(join(dir, "from", "one.txt"), " and more");
    expect(await readFile(join(dir, "to", "one.txt"), "utf8")).toBe("one");
  });

  it("never writes over a file that is there", async () => {
    await mkdir(join(dir, "to"));
    await writeFile(join(dir, "to", "one.txt"), "mine");
    for (const link of [true, false]) {
      await expect(copies.copyTree(join(dir, "from"), join(dir, "to"), { link })).rejects.toMatchObject({
        code: "EEXIST",
      });
    }
    expect(await readFile(join(dir, "to", "one.txt"), "utf8")).toBe("mine");
  });

  it("of nothing is nothing", async () => {
    const nothing = { files: 0, bytes: 0, linked: 0 };
    expect(await copies.copyTree(join(dir, "none"), join(dir, "to"), { link: true })).toEqual(nothing);
  });
});

it("tells an empty or absent folder from one with files and from a file", async () => {
  await mkdir(join(dir, "empty"));
  const found = ["empty", "absent", "from", "from/one.txt"].map((name) => copies.isEmpty(join(dir, name)));
  expect(await Promise.all(found)).toEqual([true, true, false, false]);
});

it("names size and hash of a file", async () => {
  // `printf one | sha256sum`
  const sha256 = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
  expect(await copies.digest(join(dir, "from", "one.txt"))).toEqual({ bytes: 3, sha256 });
  expect(await copies.digest(join(dir, "none"))).toBeNull();
});
