import type { RunRecord } from "../ledger-port.ts";
import type { Project } from "../project.ts";

/**
 * Commits answers that reached bronze before their ledger row did: a complete body whose chunk still waits for
 * exactly that page. Others stay where they are, untouched; temporaries are deleted. Returns how many were adopted.
 */
export async function adoptOrphans(project: Project, run: RunRecord): Promise<number> {
  const { ledger, bronze } = project;
  const known = await ledger.objectIds(run.id);
  const found = await bronze.sweep(run.id);
  const orphans = found.filter(({ object }) => !known.has(object.id));
  if (orphans.length === 0) return 0;
  let adopted = 0;
  const chunks = new Map((await ledger.chunks(run.id, { kind: "fetch" })).map((chunk) => [chunk.id, chunk]));
  for (const { object, progress } of orphans.sort((a, b) => a.object.page - b.object.page)) {
    const chunk = chunks.get(object.chunkId);
    if (chunk?.status !== "pending" || (chunk.progress?.page ?? 0) !== object.page) continue;
    if ((await bronze.hash(object.path)) !== object.sha256) continue;
    if (!(await ledger.adoptPage(chunk, object, progress))) continue;
    chunks.set(chunk.id, { ...chunk, progress });
    adopted++;
  }
  return adopted;
}
